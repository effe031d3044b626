#include "base/man_page.h"

#include <memory>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/flags.h"
#include "base/version.h"

namespace pilotlight {
namespace {

// One line of text: roff takes a backslash, and a dot or a quote at the front, for its own.
std::string Escape(absl::string_view text) {
  const bool is_request = !text.empty() && (text[0] == '.' || text[0] == '\'');
  return absl::StrCat(is_request ? "\\&" : "", absl::StrReplaceAll(text, {{"\\", "\\e"}, {"-", "\\-"}}));
}

std::string Bold(absl::string_view text) { return absl::StrCat("\\fB", Escape(text), "\\fR"); }
std::string Italic(absl::string_view text) { return absl::StrCat("\\fI", Escape(text), "\\fR"); }

void WriteFlag(const CLI::Option& option, std::string& page) {
  std::vector<std::string> names;
  for (const std::string& name : FlagNames(option)) names.push_back(Bold(name));
  const std::string value = ValueName(option);
  absl::StrAppend(&page, ".TP\n", absl::StrJoin(names, ", "), names.empty() || value.empty() ? "" : " ",
                  value.empty() ? "" : Italic(value), "\n", Escape(option.get_description()));
  if (!option.get_default_str().empty()) {
    absl::StrAppend(&page, " (default: ", Escape(option.get_default_str()), ")");
  }
  if (!option.get_envname().empty()) absl::StrAppend(&page, " (or $", Escape(option.get_envname()), ")");
  page += "\n";
}

void WriteFlags(const CLI::App& app, std::string& page) {
  const bool is_command = app.get_parent() != nullptr;
  for (const CLI::Option* option : app.get_options(IsShown<CLI::Option>)) {
    if (!is_command || option != app.get_help_ptr()) WriteFlag(*option, page);
  }
}

// As it was laid out.
void WriteFooter(const CLI::App& app, std::string& page) {
  if (app.get_footer().empty()) return;
  page += ".nf\n";
  for (const absl::string_view line : absl::StrSplit(app.get_footer(), '\n')) {
    absl::StrAppend(&page, Escape(line), "\n");
  }
  page += ".fi\n";
}

// What stands behind the program's name, or the command's, in the usage of --help.
std::string Usage(const CLI::App& app, const std::string& name) {
  const auto formatter = std::dynamic_pointer_cast<CLI::Formatter>(app.get_formatter());
  const std::string usage = formatter == nullptr ? "" : formatter->make_usage(&app, name);
  absl::string_view rest = absl::StripAsciiWhitespace(usage);
  absl::ConsumePrefix(&rest, "Usage: ");
  absl::ConsumePrefix(&rest, name);
  return std::string(absl::StripAsciiWhitespace(rest));
}

}  // namespace

std::string WriteManPage(const CLI::App& app) {
  const std::string& name = app.get_name();
  const std::vector<const CLI::App*> commands = app.get_subcommands(IsShown<CLI::App>);
  std::string page =
      absl::StrCat(".TH ", Escape(absl::AsciiStrToUpper(name)), " 1 \"\" \"pilotlight ", kVersion,
                   "\" \"pilotlight\"\n.SH NAME\n", Escape(name), " \\- ", Escape(app.get_description()),
                   "\n.SH SYNOPSIS\n", Bold(name), " ", Escape(Usage(app, name)), "\n.SH OPTIONS\n");
  WriteFlags(app, page);
  if (!commands.empty()) page += ".SH COMMANDS\n";
  for (const CLI::App* command : commands) {
    absl::StrAppend(&page, ".SS ", Escape(command->get_name()), "\n", Bold(name + " " + command->get_name()),
                    " ", Escape(Usage(*command, name + " " + command->get_name())), "\n.PP\n",
                    Escape(command->get_description()), "\n");
    WriteFlags(*command, page);
    if (!command->get_footer().empty()) page += ".PP\n";
    WriteFooter(*command, page);
  }
  if (!app.get_footer().empty()) page += ".SH EXAMPLES\n";
  WriteFooter(app, page);
  return page;
}

}  // namespace pilotlight
