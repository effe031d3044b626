// A link of the chain from a capture source to those who are told of its processes.
#pragma once

#include <sys/types.h>

#include "absl/strings/string_view.h"
#include "agent/capture/capture_source.h"

namespace pilotlight::agent {

// Tells the next one first, and then looks at the process itself.
class ProcessWatcher : public ProcessObserver {
 public:
  void OnProcess(pid_t pid) final {
    next_.OnProcess(pid);
    Look(pid);
  }
  void OnNamedProcess(pid_t pid, absl::string_view comm) final {
    next_.OnNamedProcess(pid, comm);
    Look(pid);
  }
  void OnUnmappedCode(pid_t pid) override { next_.OnUnmappedCode(pid); }

 protected:
  // `next` is borrowed.
  explicit ProcessWatcher(ProcessObserver& next) : next_(next) {}

 private:
  virtual void Look(pid_t pid) = 0;

  ProcessObserver& next_;
};

}  // namespace pilotlight::agent
