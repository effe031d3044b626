// A process that runs CPython: where its threads keep their frames, and the names of its functions, out of
// its memory. Nothing is asked of it. What is read is bounded, and its type checked before it is followed.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/capture/bpf/abi.h"
#include "agent/python/python_layout.h"
#include "agent/python/python_objects.h"

namespace pilotlight::agent {

struct PythonFunction {
  std::string name;
  std::string file;
  uint32_t first_line = 0;
  PythonLines lines;

  size_t byte_size() const { return sizeof(*this) + name.capacity() + file.capacity() + lines.byte_size(); }
};

// Not thread-safe.
class PythonProcess {
 public:
  PythonProcess(pid_t pid, const PythonRuntime& runtime, std::string proc_root = "/proc")
      : pid_(pid), runtime_(runtime), proc_root_(std::move(proc_root)) {}

  // What the BPF program needs to know of it. Unavailable while the interpreter is not set up: to be asked
  // again; Unimplemented when it is not supported, PermissionDenied without the right to read its memory: the
  // message says so in the words of a frame.
  absl::StatusOr<pl_python_program> FindProgram();

  // The function of the code object at this address; null when it is not, or no longer, the one that was seen
  // (pl_python_identity()). Valid until Forget().
  const PythonFunction* FunctionOf(uint64_t code, uint64_t identity);
  // Empties the cache of functions.
  void Forget();

  const PythonRuntime& runtime() const { return runtime_; }
  size_t byte_size() const { return bytes_; }

 private:
  using Code = std::pair<uint64_t, uint64_t>;  // address, identity

  absl::StatusOr<std::string> Read(uint64_t address, size_t size) const;
  absl::StatusOr<uint64_t> ReadWord(uint64_t address) const;
  // The text of a str; nothing when there is none at the address.
  std::optional<std::string> ReadString(uint64_t address) const;
  absl::string_view ReadBytes(uint64_t address, std::string& memory) const;
  // Its head, when the code object at the address has this identity.
  std::optional<std::string> ReadCode(uint64_t address, uint64_t identity) const;
  std::unique_ptr<PythonFunction> ReadFunction(uint64_t code, uint64_t identity) const;
  // Threads with their states.
  absl::StatusOr<std::vector<std::pair<uint64_t, uint64_t>>> ReadThreads() const;

  const pid_t pid_;
  const PythonRuntime runtime_;
  const std::string proc_root_;
  std::optional<PythonLayout> layout_;
  absl::flat_hash_map<Code, std::unique_ptr<PythonFunction>> functions_;
  size_t bytes_ = 0;  // of functions_
};

}  // namespace pilotlight::agent
