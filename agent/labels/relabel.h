// Prometheus's relabelling: rules that rewrite a label set, or drop what has it.
//
// As of Prometheus 3 (model/relabel), but for letters outside ASCII, which `lowercase` and `uppercase` leave
// as they are, and names of labels in UTF-8, which are not taken.
#pragma once

#include <re2/re2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "profile/profile.h"

namespace pilotlight::agent {

enum class RelabelAction {
  kReplace,
  kKeep,
  kDrop,
  kKeepEqual,
  kDropEqual,
  kHashMod,
  kLabelMap,
  kLabelDrop,
  kLabelKeep,
  kLowercase,
  kUppercase
};

// InvalidArgument names those that there are. Capitals do not matter.
absl::StatusOr<RelabelAction> ParseRelabelAction(absl::string_view name);

// Anchored at both ends; `.` is any character. InvalidArgument says what is wrong with it.
absl::StatusOr<std::shared_ptr<const RE2>> CompileRelabelRegex(absl::string_view pattern);

struct RelabelRule {
  RelabelAction action = RelabelAction::kReplace;
  std::vector<std::string> source_labels;
  std::string separator = ";";
  std::shared_ptr<const RE2> regex;  // none: "(.*)"
  uint64_t modulus = 0;
  std::string target_label;
  std::string replacement = "$1";
};

// InvalidArgument where the action needs a field, or does not take one.
absl::Status ValidateRelabelRule(const RelabelRule& rule);

// Applies one rule after the other. False when one of them drops it; the labels are of no use then. A label
// without a value is as none.
// REQUIRES: the rules are valid.
bool Relabel(const std::vector<RelabelRule>& rules, Labels& labels);

// [a-zA-Z_][a-zA-Z0-9_]*
bool IsLabelName(absl::string_view name);

}  // namespace pilotlight::agent
