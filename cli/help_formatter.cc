#include "cli/help_formatter.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/flags.h"

namespace pilotlight::cli {
namespace {

constexpr size_t kLineWidth = 100;

}  // namespace

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  std::string head = absl::StrCat("  ", make_option_name(option, is_positional));
  if (!is_positional && !ValueName(*option).empty()) absl::StrAppend(&head, " ", ValueName(*option));
  std::string description = option->get_description();
  if (!option->get_default_str().empty()) absl::StrAppend(&description, " [", option->get_default_str(), "]");
  if (!option->get_envname().empty()) absl::StrAppend(&description, " (or $", option->get_envname(), ")");

  std::string text = head;
  size_t column = head.size();
  const auto new_line = [&] {
    text += '\n';
    text.append(get_column_width(), ' ');
    column = get_column_width();
  };
  if (column + 2 > get_column_width()) {
    new_line();
  } else {
    text.append(get_column_width() - column, ' ');
    column = get_column_width();
  }
  for (const absl::string_view word : absl::StrSplit(description, ' ', absl::SkipEmpty())) {
    if (column > get_column_width() && column + 1 + word.size() > kLineWidth) new_line();
    if (column > get_column_width()) {
      text += ' ';
      ++column;
    }
    absl::StrAppend(&text, word);
    column += word.size();
  }
  return text + "\n";
}

std::string HelpFormatter::make_usage(const CLI::App* app, std::string name) const {
  return usage_.empty() ? CLI::Formatter::make_usage(app, std::move(name)) : usage_ + "\n";
}

}  // namespace pilotlight::cli
