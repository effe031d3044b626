// Configuration files in YAML, read field by field, with errors that name the line. yaml-cpp throws: YamlFile
// catches.
#pragma once

#include <yaml-cpp/yaml.h>

#include <initializer_list>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pilotlight {

// The errors are InvalidArgument, "file:line: field: what is wrong".
class YamlFields {
 public:
  // Borrows the path of the file, which is for the errors alone.
  explicit YamlFields(absl::string_view path) : path_(path) {}

  absl::Status Error(const YAML::Mark& mark, absl::string_view what) const;
  absl::Status Error(const YAML::Node& node, absl::string_view field, absl::string_view what) const;
  // The status of a check of this field's value.
  absl::Status Explained(const YAML::Node& node, absl::string_view field, const absl::Status& status) const;

  // An error unless the node is a map that has some of these fields, each once, and no others. `what` is how
  // the map is called.
  absl::Status CheckFields(const YAML::Node& map, absl::string_view what,
                           std::initializer_list<absl::string_view> known) const;
  // Empty when the field is not there.
  absl::StatusOr<std::string> Text(const YAML::Node& node, absl::string_view field) const;

 private:
  const absl::string_view path_;
};

// `read(root)` of the parsed text, a StatusOr; what is not YAML is an error too.
template <typename Read>
auto ReadYaml(const std::string& yaml, absl::string_view path, const Read& read)
    -> decltype(read(YAML::Node())) {
  try {
    return read(YAML::Load(yaml));
  } catch (const YAML::Exception& error) {
    return YamlFields(path).Error(error.mark, "not YAML: " + error.msg);
  }
}

}  // namespace pilotlight
