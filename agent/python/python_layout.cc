#include "agent/python/python_layout.h"

#include <array>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace pilotlight::agent {
namespace {

// Include/cpython/code.h and Include/internal/pycore_frame.h: the same in all three versions.
constexpr uint32_t kCodeFile = 112;
constexpr uint32_t kCodeName = 128;  // co_qualname
constexpr uint32_t kCodeLines = 136;

PythonLayout Layout311() {
  return {.interpreters_head = 40,
          .interpreter_next = 0,
          .threads_head = 16,
          .thread_next = 8,
          .code_first_line = 72,
          .code_file = kCodeFile,
          .code_name = kCodeName,
          .code_lines = kCodeLines,
          .string_data = 48,
          .unicode_data = 72,
          .program = {.thread_state = 0,
                      .thread_id = 152,
                      .current = 56,
                      .has_cframes = 1,
                      .cframe_frame = 8,
                      .has_entry_flag = 1,
                      .frame_entry_flag = 68,
                      .frame_owner = 69,
                      .frame_previous = 48,
                      .frame_code = 32,
                      .frame_instruction = 56,
                      .code_instructions = 184,
                      .hashes_name = 1}};
}

PythonLayout Layout312() {
  return {.interpreters_head = 40,
          .interpreter_next = 0,
          .threads_head = 72,
          .thread_next = 8,
          .code_first_line = 68,
          .code_file = kCodeFile,
          .code_name = kCodeName,
          .code_lines = kCodeLines,
          .string_data = 40,
          .unicode_data = 56,
          .program = {.thread_state = 0,
                      .thread_id = 136,
                      .current = 56,
                      .has_cframes = 1,
                      .cframe_frame = 0,
                      .has_entry_flag = 0,
                      .frame_entry_flag = 0,
                      .frame_owner = 70,
                      .frame_previous = 8,
                      .frame_code = 0,
                      .frame_instruction = 56,
                      .code_instructions = 192,
                      .hashes_name = 0}};
}

// Include/internal/pycore_runtime.h of 3.13. What is not looked at has no name.
struct DebugOffsets {
  char cookie[8];
  uint64_t version;
  uint64_t free_threaded;
  uint64_t runtime_state_size, finalizing, interpreters_head;
  uint64_t interpreter_size, interpreter_id, interpreter_next, threads_head;
  uint64_t other_of_interpreter[9];
  uint64_t thread_size, thread_previous, thread_next, thread_interpreter, current_frame, thread_id;
  uint64_t other_of_thread[3];
  uint64_t frame_size, frame_previous, frame_code, frame_instruction, frame_locals, frame_owner;
  uint64_t code_size, code_file, code_short_name, code_name, code_lines, code_first_line;
  uint64_t other_of_code[3];
  uint64_t code_instructions;
  uint64_t object_size, object_type;
  uint64_t other_types[21];
  uint64_t string_size, string_state, string_length, string_data;
  uint64_t other[2];
};
static_assert(sizeof(DebugOffsets) == kPythonDebugOffsetsBytes);

absl::StatusOr<PythonLayout> LayoutBy(absl::string_view start) {
  DebugOffsets offsets;
  if (start.size() < sizeof(offsets)) return absl::UnavailableError("_PyRuntime is not there");
  std::memcpy(&offsets, start.data(), sizeof(offsets));
  if (absl::string_view(offsets.cookie, sizeof(offsets.cookie)) != "xdebugpy") {
    return absl::UnavailableError("_PyRuntime is not set up");
  }
  if (offsets.version >> 16 != 0x030d) {
    return absl::UnimplementedError(absl::StrCat("python ", offsets.version >> 24, ".",
                                                 (offsets.version >> 16) & 0xff, " not supported"));
  }
  if (offsets.free_threaded != 0) return absl::UnimplementedError("free-threaded python not supported");
  // The BPF program reads these with one look, and knows code objects by what lies around their names.
  const bool fits = offsets.frame_previous + 8 <= PL_PYTHON_FRAME_BYTES && offsets.frame_previous % 8 == 0 &&
                    offsets.frame_code + 8 <= PL_PYTHON_FRAME_BYTES && offsets.frame_code % 8 == 0 &&
                    offsets.frame_instruction + 8 <= PL_PYTHON_FRAME_BYTES &&
                    offsets.frame_instruction % 8 == 0 && offsets.frame_owner < PL_PYTHON_FRAME_BYTES &&
                    offsets.code_file == kCodeFile && offsets.code_name == kCodeName &&
                    offsets.code_lines == kCodeLines && offsets.code_first_line < PL_PYTHON_IDENTITY_OFFSET &&
                    offsets.code_instructions <= 0xffff && offsets.thread_id <= 0xffff &&
                    offsets.current_frame <= 0xffff && offsets.object_type == 8 &&
                    offsets.string_length == 16 && offsets.string_state == 32 && offsets.string_data == 40 &&
                    offsets.interpreters_head < (1U << 30) && offsets.interpreter_next < (1U << 30) &&
                    offsets.threads_head < (1U << 30) && offsets.thread_next < (1U << 30);
  if (!fits) return absl::UnimplementedError("python 3.13 of another layout not supported");
  PythonLayout layout = Layout312();
  layout.interpreters_head = static_cast<uint32_t>(offsets.interpreters_head);
  layout.interpreter_next = static_cast<uint32_t>(offsets.interpreter_next);
  layout.threads_head = static_cast<uint32_t>(offsets.threads_head);
  layout.thread_next = static_cast<uint32_t>(offsets.thread_next);
  layout.code_first_line = static_cast<uint32_t>(offsets.code_first_line);
  pl_python_program& program = layout.program;
  program.thread_id = static_cast<uint16_t>(offsets.thread_id);
  program.current = static_cast<uint16_t>(offsets.current_frame);
  program.has_cframes = 0;
  program.frame_owner = static_cast<uint8_t>(offsets.frame_owner);
  program.frame_previous = static_cast<uint8_t>(offsets.frame_previous);
  program.frame_code = static_cast<uint8_t>(offsets.frame_code);
  program.frame_instruction = static_cast<uint8_t>(offsets.frame_instruction);
  program.code_instructions = static_cast<uint16_t>(offsets.code_instructions);
  return layout;
}

}  // namespace

absl::StatusOr<PythonLayout> FindPythonLayout(int minor, absl::string_view start) {
  switch (minor) {
    case 0:
      return absl::UnimplementedError("python of an unknown version not supported");
    case 11:
      return Layout311();
    case 12:
      return Layout312();
    case 13:
      return LayoutBy(start);
    default:
      return absl::UnimplementedError(absl::StrCat("python 3.", minor, " not supported"));
  }
}

}  // namespace pilotlight::agent
