// PromQL label matchers: {service_name="checkout", pod=~"checkout-.*"}
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "profile/profile.h"

namespace re2 {
class RE2;
}

namespace pilotlight::collector {

// Immutable; copies share the compiled expression. An absent label counts as the empty string, and
// expressions are anchored at both ends, as in Prometheus.
class Matcher {
 public:
  enum class Kind { kEqual, kNotEqual, kMatches, kNotMatches };

  // InvalidArgument for a bad expression.
  static absl::StatusOr<Matcher> Create(Kind kind, std::string name, std::string value);

  bool Matches(const Labels& labels) const;
  bool MatchesValue(absl::string_view value) const;
  Kind kind() const { return kind_; }
  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }

 private:
  Matcher() = default;
  Kind kind_ = Kind::kEqual;
  std::string name_;
  std::string value_;
  std::shared_ptr<const re2::RE2> expression_;
};

bool AllMatch(const std::vector<Matcher>& matchers, const Labels& labels);

// Reads a selector: "{a=\"b\", c!~\"d.*\"}", "{}" or "" for everything. The label "service" becomes
// "service_name". InvalidArgument says where the text goes wrong and what a selector looks like.
absl::StatusOr<std::vector<Matcher>> ParseSelector(absl::string_view selector);

}  // namespace pilotlight::collector
