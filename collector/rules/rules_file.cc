#include "collector/rules/rules_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <initializer_list>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "collector/ingest/window_checks.h"
#include "collector/store/matcher.h"
#include "profile/filter.h"

namespace pilotlight::collector {
namespace {

constexpr size_t kMaxNameBytes = 128;

class RulesReader {
 public:
  explicit RulesReader(absl::string_view path) : path_(path) {}

  absl::StatusOr<std::vector<Rule>> Read(const YAML::Node& root) const {
    std::vector<Rule> rules;
    if (root.IsNull()) return rules;
    RETURN_IF_ERROR(CheckFields(root, "the file", {"rules"}));
    const YAML::Node list = root["rules"];
    if (!list.IsDefined() || list.IsNull()) return rules;
    if (!list.IsSequence()) return Error(list, "rules", "must be a list");
    if (list.size() > kMaxRules) {
      return Error(list, "rules", absl::StrCat("there are ", list.size(), ", the limit is ", kMaxRules));
    }
    std::set<std::string> names;
    for (const YAML::Node& node : list) {
      ASSIGN_OR_RETURN(Rule rule, ReadRule(node));
      if (!names.insert(rule.name).second) {
        return Error(node, "name", absl::StrCat("there is another rule \"", rule.name, "\""));
      }
      rules.push_back(std::move(rule));
    }
    return rules;
  }

  absl::Status Error(const YAML::Mark& mark, absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ":", mark.line + 1, ": ", what));
  }

 private:
  absl::Status Error(const YAML::Node& node, absl::string_view field, absl::string_view what) const {
    return Error(node.Mark(), absl::StrCat(field, ": ", what));
  }

  absl::Status CheckFields(const YAML::Node& map, absl::string_view what,
                           std::initializer_list<absl::string_view> known) const {
    const std::string fields = absl::StrJoin(known, ", ");
    if (!map.IsMap()) return Error(map, what, absl::StrCat("must have the fields ", fields));
    std::set<std::string> seen;
    for (const auto& entry : map) {
      const std::string& name = entry.first.Scalar();
      if (std::ranges::find(known, name) == known.end()) {
        return Error(entry.first, name, absl::StrCat("there is no such field; ", what, " has ", fields));
      }
      if (!seen.insert(name).second) return Error(entry.first, name, "is there twice");
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Text(const YAML::Node& node, absl::string_view field) const {
    if (!node.IsDefined() || node.IsNull()) return "";
    if (!node.IsScalar()) {
      return Error(node, field, "must be one text; put it in single quotes, such as '{namespace=\"shop\"}'");
    }
    return node.Scalar();
  }

  // The status of a check of this field's value.
  absl::Status Explained(const YAML::Node& node, absl::string_view field, const absl::Status& status) const {
    return status.ok() ? status : Error(node, field, status.message());
  }

  absl::StatusOr<Rule> ReadRule(const YAML::Node& node) const {
    RETURN_IF_ERROR(CheckFields(node, "a rule", {"name", "selector", "focus", "ignore", "group_by"}));
    Rule rule;
    ASSIGN_OR_RETURN(rule.name, Text(node["name"], "name"));
    const bool is_plain = std::ranges::all_of(rule.name, [](char c) {
      return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.' ||
             c == ':';
    });
    if (rule.name.empty() || rule.name.size() > kMaxNameBytes || !is_plain) {
      return Error(node, "name", "a rule needs one, of letters, digits and _ - . :");
    }
    ASSIGN_OR_RETURN(rule.selector, Text(node["selector"], "selector"));
    RETURN_IF_ERROR(Explained(node["selector"], "selector", ParseSelector(rule.selector).status()));
    ASSIGN_OR_RETURN(rule.focus, Text(node["focus"], "focus"));
    RETURN_IF_ERROR(Explained(node["focus"], "focus", StackFilter::Create(rule.focus, "").status()));
    ASSIGN_OR_RETURN(rule.ignore, Text(node["ignore"], "ignore"));
    RETURN_IF_ERROR(Explained(node["ignore"], "ignore", StackFilter::Create("", rule.ignore).status()));
    if (node["group_by"].IsDefined()) {
      ASSIGN_OR_RETURN(rule.group_by, ReadGroupBy(node["group_by"]));
    }
    return rule;
  }

  absl::StatusOr<std::vector<std::string>> ReadGroupBy(const YAML::Node& node) const {
    if (!node.IsSequence()) return Error(node, "group_by", "must be a list, such as [service, version]");
    std::vector<std::string> labels;
    for (const YAML::Node& entry : node) {
      ASSIGN_OR_RETURN(std::string label, Text(entry, "group_by"));
      // As in selectors.
      if (label == "service") label = std::string(kServiceLabel);
      if (!IsValidLabelName(label)) {
        return Error(entry, "group_by", absl::StrCat("\"", label, "\" is not the name of a label"));
      }
      if (label == "rule") return Error(entry, "group_by", "the label \"rule\" is the name of the rule");
      if (std::ranges::find(labels, label) != labels.end()) {
        return Error(entry, "group_by", absl::StrCat("\"", label, "\" is there twice"));
      }
      labels.push_back(std::move(label));
    }
    return labels;
  }

  const absl::string_view path_;
};

}  // namespace

absl::StatusOr<std::vector<Rule>> ParseRules(const std::string& yaml, absl::string_view path) {
  const RulesReader reader(path);
  try {
    return reader.Read(YAML::Load(yaml));
  } catch (const YAML::Exception& error) {
    return reader.Error(error.mark, absl::StrCat("not YAML: ", error.msg));
  }
}

absl::StatusOr<std::vector<Rule>> ReadRules(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string yaml, ReadFile(path));
  return ParseRules(yaml, path);
}

}  // namespace pilotlight::collector
