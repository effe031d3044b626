// The processes that run Python: what the BPF program finds their frames by, and the names of what it finds.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "agent/capture/ebpf/interpreted_frames.h"
#include "agent/python/python_process.h"

struct sampler_bpf;

namespace pilotlight::agent {

// Names are read while the window goes on: the process may end any moment. Not thread-safe.
class PythonPrograms {
 public:
  PythonPrograms(sampler_bpf& skeleton, InterpretedFrames& frames) : skeleton_(skeleton), frames_(frames) {}

  // From now on `pid` is this program.
  void Add(pid_t pid, const PythonRuntime& runtime);
  void Forget();
  bool empty() const { return programs_.empty(); }

  void BeginWindow();
  // Looks again for interpreters that were not set up yet.
  void Retry();
  // A stack's words as in RawStack::user, with the window's numbers for frames of Python. `words` as in
  // pl_stack, with its flags. Valid until the next call.
  absl::Span<const uint64_t> Name(pid_t pid, absl::Span<const uint64_t> words, uint8_t flags);

 private:
  struct Program {
    std::unique_ptr<PythonProcess> process;
    bool pending = true;
    int retries = 0;   // left in this window
    std::string note;  // why there are no frames of it: a frame of its own
  };

  void Look(pid_t pid, Program& program);
  void Remove(pid_t pid);
  uint64_t FrameOf(Program& program, uint64_t word, uint64_t identity);

  sampler_bpf& skeleton_;
  InterpretedFrames& frames_;
  absl::flat_hash_map<pid_t, Program> programs_;
  // Of the window:
  std::vector<std::unique_ptr<PythonProcess>> retired_;  // their functions are keys of `numbers_`
  absl::flat_hash_map<std::pair<const PythonFunction*, uint32_t>, uint64_t> numbers_;  // by function and line
  std::vector<uint64_t> stack_;
};

}  // namespace pilotlight::agent
