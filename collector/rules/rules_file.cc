#include "collector/rules/rules_file.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/yaml_fields.h"
#include "collector/store/matcher.h"
#include "exporters/label_name.h"
#include "profile/stack_filter.h"

namespace pilotlight::collector {
namespace {

constexpr size_t kMaxNameBytes = 128;

class RulesReader : private YamlFields {
 public:
  using YamlFields::YamlFields;

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

 private:
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
      if (label == kTenantLabel) {
        return Error(entry, "group_by", "the label \"tenant\" is the name of the tenant");
      }
      if (std::ranges::find(labels, label) != labels.end()) {
        return Error(entry, "group_by", absl::StrCat("\"", label, "\" is there twice"));
      }
      labels.push_back(std::move(label));
    }
    return labels;
  }
};

}  // namespace

absl::StatusOr<std::vector<Rule>> ParseRules(const std::string& yaml, absl::string_view path) {
  return ReadYaml(yaml, path, [path](const YAML::Node& root) { return RulesReader(path).Read(root); });
}

absl::StatusOr<std::vector<Rule>> ReadRules(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string yaml, ReadFile(path));
  return ParseRules(yaml, path);
}

}  // namespace pilotlight::collector
