// Where CPython keeps what is needed to name its functions: offsets in its structures, of 3.11 to 3.13.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/capture/bpf/abi.h"

namespace pilotlight::agent {

// What the file of an interpreter tells. Addresses are those of the process.
struct PythonRuntime {
  int minor = 0;         // of its version 3.x; 0 when the file does not say
  uint64_t runtime = 0;  // _PyRuntime
  uint64_t code_type = 0;
  uint64_t string_type = 0;
  uint64_t bytes_type = 0;

  friend bool operator==(const PythonRuntime&, const PythonRuntime&) = default;
};

struct PythonLayout {
  uint32_t interpreters_head = 0;  // of _PyRuntime: the first PyInterpreterState
  uint32_t interpreter_next = 0;
  uint32_t threads_head = 0;  // of PyInterpreterState: the first PyThreadState
  uint32_t thread_next = 0;
  // Of PyCodeObject; the names and the table are within pl_python_identity().
  uint32_t code_first_line = 0;
  uint32_t code_file = 0;
  uint32_t code_name = 0;
  uint32_t code_lines = 0;
  // Of PyASCIIObject and PyCompactUnicodeObject.
  uint32_t string_data = 0;        // of ASCII
  uint32_t unicode_data = 0;       // of other text
  pl_python_program program = {};  // without thread_state
};

inline constexpr size_t kPythonDebugOffsetsBytes = 584;  // _Py_DebugOffsets of 3.13

// By the version; from 3.13 on by what the interpreter says of itself at the start of _PyRuntime, in `start`,
// kPythonDebugOffsetsBytes of it. Unimplemented, with the reason for people, for what is not known.
absl::StatusOr<PythonLayout> FindPythonLayout(int minor, absl::string_view start);

}  // namespace pilotlight::agent
