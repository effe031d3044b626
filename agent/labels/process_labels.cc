#include "agent/labels/process_labels.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agent/labels/workload.h"
#include "exporters/utf8.h"

namespace pilotlight::agent {
namespace {

constexpr absl::Duration kLongestWait = absl::Seconds(1);
// A collector refuses windows with longer ones (collector/ingest/ingest_limits.h).
constexpr size_t kMaxNameBytes = 128;
constexpr size_t kMaxValueBytes = 2048;

// What is known of a process, from all sides.
struct Facts {
  const Process& process;
  const Container& container;  // without anything in it when it is not known
  Workload workload;
};

void Add(Labels& labels, std::string name, std::string value) {
  if (!value.empty()) labels[std::move(name)] = std::move(value);
}

std::string PodLabel(const Container& container, const char* name) {
  const auto found = container.pod.labels.find(name);
  return found == container.pod.labels.end() ? "" : found->second;
}

// "postgresql@15-main.service": "postgresql".
std::string UnitName(absl::string_view unit) {
  return std::string(absl::StripSuffix(unit.substr(0, unit.find('@')), ".service"));
}

std::string ServiceName(const Facts& facts) {
  for (const std::string& name :
       {PodLabel(facts.container, "app.kubernetes.io/name"), PodLabel(facts.container, "app"),
        facts.workload.name, facts.container.name, UnitName(facts.process.cgroup.systemd_unit)}) {
    if (!name.empty()) return name;
  }
  return ExecutableName(facts.process);
}

Labels DefaultLabels(const Facts& facts) {
  Labels labels;
  Add(labels, std::string(kServiceLabel), ServiceName(facts));
  Add(labels, "namespace", facts.container.pod.namespace_name);
  Add(labels, "pod", facts.container.pod.name);
  Add(labels, "container", facts.container.name);
  Add(labels, "image", facts.container.image);
  Add(labels, "workload", facts.workload.name);
  Add(labels, "systemd_unit", facts.process.cgroup.systemd_unit);
  return labels;
}

// As Prometheus makes names of labels of Kubernetes.
std::string NamePart(absl::string_view text) {
  std::string part(text);
  std::ranges::replace_if(
      part, [](char c) { return !absl::ascii_isalnum(static_cast<unsigned char>(c)); }, '_');
  return part;
}

void AddAll(const Labels& of_pod, absl::string_view prefix, Labels& labels) {
  for (const auto& [name, value] : of_pod) {
    const std::string part = NamePart(name);
    Add(labels, absl::StrCat(prefix, "_", part), value);
    Add(labels, absl::StrCat(prefix, "present_", part), "true");
  }
}

void AddMetaLabels(const Facts& facts, Labels& labels) {
  const Process& process = facts.process;
  Add(labels, "__meta_process_pid", absl::StrCat(process.pid));
  Add(labels, "__meta_process_comm", ToValidUtf8(process.comm));
  Add(labels, "__meta_process_executable", ToValidUtf8(process.executable));
  Add(labels, "__meta_systemd_unit", process.cgroup.systemd_unit);
  Add(labels, "__meta_container_id", process.cgroup.container_id);
  Add(labels, "__meta_container_name", facts.container.name);
  Add(labels, "__meta_container_image", facts.container.image);
  const Pod& pod = facts.container.pod;
  Add(labels, "__meta_kubernetes_pod_uid", pod.uid.empty() ? process.cgroup.pod_uid : pod.uid);
  if (pod.name.empty()) return;
  Add(labels, "__meta_kubernetes_namespace", pod.namespace_name);
  Add(labels, "__meta_kubernetes_pod_name", pod.name);
  Add(labels, "__meta_kubernetes_pod_container_name", facts.container.name);
  Add(labels, "__meta_kubernetes_pod_container_image", facts.container.image);
  Add(labels, "__meta_kubernetes_workload_kind", facts.workload.kind);
  Add(labels, "__meta_kubernetes_workload_name", facts.workload.name);
  AddAll(pod.labels, "__meta_kubernetes_pod_label", labels);
  AddAll(pod.annotations, "__meta_kubernetes_pod_annotation", labels);
}

// What may be sent of them.
void Finish(Labels& labels) {
  std::erase_if(labels, [](const auto& label) {
    const auto& [name, value] = label;
    return value.empty() || name.size() > kMaxNameBytes || absl::StartsWith(name, "__") || !IsLabelName(name);
  });
  for (auto& [name, value] : labels) value = ToValidUtf8(value, kMaxValueBytes);
}

}  // namespace

ProcessLabelling ProcessLabels::LabelsOf(const Process& process) {
  static const auto& nothing = *new Container;
  ProcessLabelling labelling;
  std::shared_ptr<const Container> container;
  if (containers_ != nullptr && !process.cgroup.container_id.empty()) {
    container = containers_->Find(process.cgroup.container_id);
    labelling.may_change = container == nullptr;
  }
  const Facts facts = {.process = process,
                       .container = container == nullptr ? nothing : *container,
                       .workload = container == nullptr ? Workload{} : WorkloadOf(container->pod)};
  labelling.labels = DefaultLabels(facts);
  if (!rules_.empty()) {
    AddMetaLabels(facts, labelling.labels);
    labelling.dropped = !Relabel(rules_, labelling.labels);
  }
  Finish(labelling.labels);
  return labelling;
}

void ProcessLabels::Settle() {
  if (containers_ != nullptr) containers_->Settle(kLongestWait);
}

}  // namespace pilotlight::agent
