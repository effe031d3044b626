// Whose profile it is: what Kubernetes, the container runtime and systemd know of a process, as labels.
#pragma once

#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "agent/containers/container_directory.h"
#include "agent/labels/relabel.h"
#include "agent/targets/process_table.h"

namespace pilotlight::agent {

// service_name is the first that there is of: the pod's labels app.kubernetes.io/name and app, its workload,
// the container's name, the systemd unit without its instance, the executable's name. Other labels are
// namespace, pod, container, image, workload and systemd_unit, as far as each is known.
//
// Rules of relabelling see these and, as __meta_…, all else that is known (docs/labels.md). Names with "__"
// in front, and those that are none, are taken away in the end; values are cut to what a collector takes.
class ProcessLabels : public ProcessLabeller {
 public:
  // `containers` is borrowed; null when nobody is to be asked for them.
  ProcessLabels(ContainerDirectory* containers, std::vector<RelabelRule> rules)
      : containers_(containers), rules_(std::move(rules)) {}

  ProcessLabelling LabelsOf(const Process& process) override;
  void Settle() override;

 private:
  ContainerDirectory* const containers_;
  const std::vector<RelabelRule> rules_;
};

}  // namespace pilotlight::agent
