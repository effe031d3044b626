// What is known of a container, and who knows it.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "profile/profile.h"

namespace pilotlight::agent {

// Longer ones are documents that nobody matches: the last configuration of kubectl.
inline constexpr size_t kMaxAnnotationBytes = 512;

// Of Kubernetes; empty when the container is in no pod.
struct Pod {
  std::string name;
  std::string namespace_name;
  std::string uid;
  // As they were when the pod was started: "app.kubernetes.io/name", …
  Labels labels;
  Labels annotations;  // those of up to kMaxAnnotationBytes
};

struct Container {
  std::string name;   // empty of the process that only holds a pod's namespaces
  std::string image;  // "registry.example/shop:1.4"; what the runtime calls it
  Pod pod;
};

class ContainerRuntime {
 public:
  virtual ~ContainerRuntime() = default;
  // Blocks for a few seconds at most. NotFound when it has no such container, FailedPrecondition when there
  // is no runtime to be asked, DeadlineExceeded, Unavailable and others when it does not answer. One thread
  // at a time.
  virtual absl::StatusOr<Container> Find(const std::string& id) = 0;
};

}  // namespace pilotlight::agent
