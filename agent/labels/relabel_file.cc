#include "agent/labels/relabel_file.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/yaml_fields.h"

namespace pilotlight::agent {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;

class RelabelReader : private YamlFields {
 public:
  using YamlFields::YamlFields;

  absl::StatusOr<std::vector<RelabelRule>> Read(const YAML::Node& root) const {
    std::vector<RelabelRule> rules;
    if (root.IsNull()) return rules;
    RETURN_IF_ERROR(CheckFields(root, "the file", {"relabel_configs"}));
    const YAML::Node list = root["relabel_configs"];
    if (!list.IsDefined() || list.IsNull()) return rules;
    if (!list.IsSequence()) return Error(list, "relabel_configs", "must be a list");
    for (const YAML::Node& node : list) {
      ASSIGN_OR_RETURN(RelabelRule rule, ReadRule(node));
      rules.push_back(std::move(rule));
    }
    return rules;
  }

 private:
  absl::StatusOr<RelabelRule> ReadRule(const YAML::Node& node) const {
    RETURN_IF_ERROR(CheckFields(
        node, "a rule",
        {"action", "source_labels", "separator", "regex", "modulus", "target_label", "replacement"}));
    RelabelRule rule;
    if (const YAML::Node action = node["action"]; action.IsDefined()) {
      ASSIGN_OR_RETURN(const std::string name, Text(action, "action"));
      const absl::StatusOr<RelabelAction> parsed = ParseRelabelAction(name);
      RETURN_IF_ERROR(Explained(action, "action", parsed.status()));
      rule.action = *parsed;
    }
    if (const YAML::Node labels = node["source_labels"]; labels.IsDefined() && !labels.IsNull()) {
      if (!labels.IsSequence())
        return Error(labels, "source_labels", "must be a list, such as [namespace, pod]");
      for (const YAML::Node& label : labels) {
        ASSIGN_OR_RETURN(rule.source_labels.emplace_back(), Text(label, "source_labels"));
      }
    }
    if (const YAML::Node regex = node["regex"]; regex.IsDefined()) {
      ASSIGN_OR_RETURN(const std::string pattern, Text(regex, "regex"));
      absl::StatusOr<std::shared_ptr<const RE2>> compiled = CompileRelabelRegex(pattern);
      RETURN_IF_ERROR(Explained(regex, "regex", compiled.status()));
      rule.regex = *std::move(compiled);
    }
    if (const YAML::Node modulus = node["modulus"]; modulus.IsDefined()) {
      ASSIGN_OR_RETURN(const std::string number, Text(modulus, "modulus"));
      if (!absl::SimpleAtoi(number, &rule.modulus)) return Error(modulus, "modulus", "must be a number");
    }
    RETURN_IF_ERROR(ReadText(node, "separator", rule.separator));
    RETURN_IF_ERROR(ReadText(node, "target_label", rule.target_label));
    RETURN_IF_ERROR(ReadText(node, "replacement", rule.replacement));
    if (const absl::Status status = ValidateRelabelRule(rule); !status.ok()) {
      return Error(node.Mark(), status.message());
    }
    return rule;
  }

  // An empty text is one too.
  absl::Status ReadText(const YAML::Node& rule, const char* field, std::string& text) const {
    const YAML::Node node = rule[field];
    if (!node.IsDefined()) return absl::OkStatus();
    ASSIGN_OR_RETURN(text, Text(node, field));
    return absl::OkStatus();
  }
};

}  // namespace

absl::StatusOr<std::vector<RelabelRule>> ParseRelabelFile(const std::string& yaml, absl::string_view path) {
  return ReadYaml(yaml, path, [path](const YAML::Node& root) { return RelabelReader(path).Read(root); });
}

absl::StatusOr<std::vector<RelabelRule>> ReadRelabelFile(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string yaml, ReadFile(path, kMaxFileBytes));
  return ParseRelabelFile(yaml, path);
}

}  // namespace pilotlight::agent
