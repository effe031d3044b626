// The file of --labels.relabel-config, YAML, as in Prometheus's own:
//
//   relabel_configs:
//     - source_labels: [namespace]
//       regex: kube-.*
//       action: drop
//     - action: labelmap
//       regex: __meta_kubernetes_pod_label_(team|version)
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/labels/relabel.h"

namespace pilotlight::agent {

// InvalidArgument says "file:line: field: what is wrong"; `path` is for that.
absl::StatusOr<std::vector<RelabelRule>> ParseRelabelFile(const std::string& yaml, absl::string_view path);
absl::StatusOr<std::vector<RelabelRule>> ReadRelabelFile(const std::string& path);

}  // namespace pilotlight::agent
