#include "base/yaml_fields.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace pilotlight {

absl::Status YamlFields::Error(const YAML::Mark& mark, absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(path_, ":", mark.line + 1, ": ", what));
}

absl::Status YamlFields::Error(const YAML::Node& node, absl::string_view field,
                               absl::string_view what) const {
  return Error(node.Mark(), absl::StrCat(field, ": ", what));
}

absl::Status YamlFields::Explained(const YAML::Node& node, absl::string_view field,
                                   const absl::Status& status) const {
  return status.ok() ? status : Error(node, field, status.message());
}

absl::Status YamlFields::CheckFields(const YAML::Node& map, absl::string_view what,
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

absl::StatusOr<std::string> YamlFields::Text(const YAML::Node& node, absl::string_view field) const {
  if (!node.IsDefined() || node.IsNull()) return "";
  if (!node.IsScalar()) {
    return Error(node, field, "must be one text; what starts with { or [ stands in single quotes");
  }
  return node.Scalar();
}

}  // namespace pilotlight
