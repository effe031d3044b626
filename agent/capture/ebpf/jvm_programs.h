// The processes that are a JVM: what the BPF program walks their code by.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "agent/capture/ebpf/interpreted_frames.h"
#include "agent/java/jvm_process.h"

struct sampler_bpf;

namespace pilotlight::agent {

// Not thread-safe.
class JvmPrograms {
 public:
  JvmPrograms(sampler_bpf& skeleton, InterpretedFrames& frames) : skeleton_(skeleton), frames_(frames) {}

  // From now on `pid` is this program.
  void Add(pid_t pid, const HotSpotSymbols& symbols);
  void Forget(pid_t pid);

  void BeginWindow();
  // Looks again for machines that were not set up yet.
  void Retry();
  // A stack's words as in RawStack::user, with a note in place of each address in the interpreter, whose code
  // is the same for all functions. Valid until the next call.
  absl::Span<const uint64_t> Name(pid_t pid, absl::Span<const uint64_t> words);

 private:
  struct Program {
    JvmProcess process;
    bool pending = true;
    int retries = 0;           // left in this window
    uint64_t interpreter = 0;  // where its code is
    uint64_t interpreter_bytes = 0;
  };

  void Look(pid_t pid, Program& program);

  sampler_bpf& skeleton_;
  InterpretedFrames& frames_;
  absl::flat_hash_map<pid_t, Program> programs_;
  std::vector<uint64_t> stack_;
};

}  // namespace pilotlight::agent
