#include "collector/ingest/otlp_labels.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "exporters/label_name.h"

namespace pilotlight::collector {
namespace {

constexpr std::array<std::pair<absl::string_view, absl::string_view>, 6> kKnown = {{
    {kServiceLabel, "service.name"},
    {"namespace", "k8s.namespace.name"},
    {"pod", "k8s.pod.name"},
    {"container", "k8s.container.name"},
    {"node", "k8s.node.name"},
    {"node", "host.name"},
}};

bool IsKnown(absl::string_view attribute) {
  return std::ranges::any_of(kKnown, [attribute](const auto& known) { return known.second == attribute; });
}

}  // namespace

Labels LabelsOfResource(const std::map<std::string, std::string>& attributes) {
  Labels labels;
  const auto add = [&](absl::string_view label, absl::string_view attribute) {
    const auto found = attributes.find(std::string(attribute));
    if (found != attributes.end() && !found->second.empty())
      labels.try_emplace(std::string(label), found->second);
  };
  for (const auto& [label, attribute] : kKnown) add(label, attribute);
  add(kServiceLabel, "k8s.container.name");
  add(kServiceLabel, "container.name");
  add(kServiceLabel, "process.executable.name");
  labels.try_emplace(std::string(kServiceLabel), "unknown_service");
  for (const auto& [attribute, value] : attributes) {
    if (attribute.empty() || IsKnown(attribute) || absl::StartsWith(attribute, "process.") ||
        absl::StartsWith(attribute, "telemetry.")) {
      continue;
    }
    labels.try_emplace(ToLabelName(attribute), value);
  }
  return labels;
}

}  // namespace pilotlight::collector
