#include "collector/api/http_selection.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "base/time_text.h"

namespace pilotlight::collector {
namespace {

constexpr std::array<absl::string_view, 14> kParameters = {
    "selector", "query", "from",  "start",  "to",   "until", "end",
    "seconds",  "type",  "focus", "ignore", "show", "hide",  "prune_from"};

// The first of `names` that is given.
std::optional<std::string> FirstOf(const HttpRequest& request, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const std::string value = request.Parameter(name);
    if (!value.empty()) return value;
  }
  return std::nullopt;
}

absl::Status CheckParameters(const HttpRequest& request, std::initializer_list<absl::string_view> more) {
  for (const auto& entry : request.query) {
    const absl::string_view name = entry.first;
    const auto is_name = [name](absl::string_view known) { return known == name; };
    if (std::ranges::none_of(kParameters, is_name) && std::ranges::none_of(more, is_name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the parameter \"", name,
                       "\" is not known here; there are selector, from, to, type, focus, ignore, show, hide, "
                       "prune_from, seconds",
                       more.size() == 0 ? "" : ", ", absl::StrJoin(more, ", "),
                       ". For example: ?selector={service_name=\"checkout\"}&from=now-1h"));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadTimes(const HttpRequest& request, absl::Time now, SelectionText& text) {
  if (const auto to = FirstOf(request, {"to", "until", "end"})) {
    ASSIGN_OR_RETURN(text.end, ParseTimeText(*to, now));
  }
  if (const auto from = FirstOf(request, {"from", "start"})) {
    ASSIGN_OR_RETURN(text.start, ParseTimeText(*from, now));
    return absl::OkStatus();
  }
  const auto seconds = FirstOf(request, {"seconds"});
  if (!seconds) return absl::OkStatus();
  double number = 0;
  constexpr double kMostSeconds = 1e9;
  if (!absl::SimpleAtod(*seconds, &number) || !(number > 0) || number > kMostSeconds) {
    return absl::InvalidArgumentError(absl::StrCat(
        "seconds=", *seconds, " is not a number of seconds; seconds=600 means the last ten minutes"));
  }
  text.start = text.end.value_or(now) - absl::Seconds(number);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SelectionText> ReadSelection(const HttpRequest& request, absl::Time now,
                                            std::initializer_list<absl::string_view> more) {
  RETURN_IF_ERROR(CheckParameters(request, more));
  SelectionText text;
  text.profile_type = request.Parameter("type");
  text.selector = FirstOf(request, {"selector", "query"}).value_or("");
  const size_t brace = text.selector.find('{');
  if (brace != std::string::npos && brace > 0 && absl::StrContains(text.selector.substr(0, brace), ':')) {
    if (text.profile_type.empty()) text.profile_type = text.selector.substr(0, brace);
    text.selector.erase(0, brace);
  }
  text.focus = request.Parameter("focus");
  text.ignore = request.Parameter("ignore");
  text.frames = {.show = request.Parameter("show"),
                 .hide = request.Parameter("hide"),
                 .prune_from = request.Parameter("prune_from")};
  RETURN_IF_ERROR(ReadTimes(request, now, text));
  return text;
}

absl::StatusOr<SelectionText> ReadBaseSelection(const HttpRequest& request, const SelectionText& comparison,
                                                absl::Time now) {
  SelectionText base = comparison;
  base.selector = request.Parameter("base_selector", comparison.selector);
  const std::string from = request.Parameter("base_from");
  const std::string to = request.Parameter("base_to");
  const absl::Duration length = *comparison.end - *comparison.start;
  if (from.empty() && to.empty()) {
    if (base.selector == comparison.selector) {
      base.start = *comparison.start - length;
      base.end = comparison.start;
    }
    return base;
  }
  if (!to.empty()) {
    ASSIGN_OR_RETURN(base.end, ParseTimeText(to, now));
    base.start = *base.end - length;
  }
  if (!from.empty()) {
    ASSIGN_OR_RETURN(base.start, ParseTimeText(from, now));
    if (to.empty()) base.end = *base.start + length;
  }
  return base;
}

}  // namespace pilotlight::collector
