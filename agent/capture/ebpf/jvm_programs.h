// The processes that are a JVM: what the BPF program walks their code by.
#pragma once

#include <sys/types.h>

#include "absl/container/flat_hash_map.h"
#include "agent/java/jvm_process.h"

struct sampler_bpf;

namespace pilotlight::agent {

// Not thread-safe.
class JvmPrograms {
 public:
  explicit JvmPrograms(sampler_bpf& skeleton) : skeleton_(skeleton) {}

  // From now on `pid` is this program.
  void Add(pid_t pid, const HotSpotSymbols& symbols);
  void Forget(pid_t pid);

  void BeginWindow();
  // Looks again for machines that were not set up yet.
  void Retry();

 private:
  struct Program {
    JvmProcess process;
    bool pending = true;
    int retries = 0;  // left in this window
  };

  void Look(pid_t pid, Program& program);

  sampler_bpf& skeleton_;
  absl::flat_hash_map<pid_t, Program> programs_;
};

}  // namespace pilotlight::agent
