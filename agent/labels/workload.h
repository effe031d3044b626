// What a pod belongs to, as far as its own name and labels tell: a container runtime knows no owners.
#pragma once

#include <string>

#include "agent/containers/container.h"

namespace pilotlight::agent {

// Both empty when it is not known.
struct Workload {
  std::string kind;  // "Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job"
  std::string name;

  friend bool operator==(const Workload&, const Workload&) = default;
};

// Of these labels the first that is there:
//
//   label                                                        kind         name: the pod's, without
//   pod-template-hash                                            Deployment   -HASH-RANDOM
//   apps.kubernetes.io/pod-index, statefulset.kubernetes.io/pod-name
//                                                                StatefulSet  -INDEX
//   batch.kubernetes.io/job-name, job-name                       Job          (the label's value)
//   controller-revision-hash                                     DaemonSet    -RANDOM
//
// A job whose name ends in the minute that it was scheduled for is of a CronJob, named without it. Not told
// apart or not known: a ReplicaSet of its own, a ReplicationController, controllers that others have written,
// and a Deployment whose name is so long (48 characters) that the pod's holds only a part of the hash.
Workload WorkloadOf(const Pod& pod);

}  // namespace pilotlight::agent
