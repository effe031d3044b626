#include "collector/api/pyroscope_selector.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "profile/selector.h"

namespace pilotlight::collector {
namespace {

absl::string_view Operator(Matcher::Kind kind) {
  switch (kind) {
    case Matcher::Kind::kEqual:
      return "=";
    case Matcher::Kind::kNotEqual:
      return "!=";
    case Matcher::Kind::kMatches:
      return "=~";
    case Matcher::Kind::kNotMatches:
      return "!~";
  }
  return "=";
}

}  // namespace

Labels TypeLabels(const ProfileType& type) {
  return {{std::string(kProfileTypeLabel), type.ToString()},
          {"__name__", type.name},
          {"__type__", type.sample_type},
          {"__unit__", type.sample_unit},
          {"__period_type__", type.period_type},
          {"__period_unit__", type.period_unit}};
}

bool PyroscopeSelector::Takes(const ProfileType& profile_type) const {
  return AllMatch(type, TypeLabels(profile_type));
}

absl::StatusOr<PyroscopeSelector> ParsePyroscopeSelector(absl::string_view text) {
  ASSIGN_OR_RETURN(std::vector<Matcher> matchers, ParseSelector(text));
  static const Labels& type_labels = *new Labels(TypeLabels(ProfileType()));
  PyroscopeSelector selector;
  std::vector<std::string> labels;
  for (Matcher& matcher : matchers) {
    if (type_labels.contains(matcher.name())) {
      selector.type.push_back(std::move(matcher));
    } else {
      labels.push_back(absl::StrCat(QuoteForSelector(matcher.name()), Operator(matcher.kind()),
                                    QuoteForSelector(matcher.value())));
    }
  }
  selector.labels = absl::StrCat("{", absl::StrJoin(labels, ","), "}");
  return selector;
}

}  // namespace pilotlight::collector
