#include "agent/capture/ebpf/python_programs.h"

#include <bpf/libbpf.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/capture/bpf/abi.h"
#include "sampler_bpf.skel.h"
#include "spdlog/spdlog.h"

namespace pilotlight::agent {
namespace {

constexpr int kRetriesOfWindow = 32;
// Of the functions of all processes; beyond it they are read again.
constexpr size_t kMaxFunctionBytes = size_t{16} << 20;
constexpr uint64_t kNoAddress = uint64_t{1} << 62;  // where nothing can be mapped
constexpr absl::string_view kPythonMapping = "[python]";

}  // namespace

void PythonPrograms::Add(pid_t pid, const PythonRuntime& runtime) {
  Program& program = programs_[pid];
  if (program.process != nullptr) {
    Remove(pid);
    retired_.push_back(std::move(program.process));
  }
  program = Program();
  program.process = std::make_unique<PythonProcess>(pid, runtime);
  program.retries = kRetriesOfWindow;
  Look(pid, program);
}

void PythonPrograms::Look(pid_t pid, Program& program) {
  const absl::StatusOr<pl_python_program> found = program.process->FindProgram();
  program.pending = absl::IsUnavailable(found.status());
  if (program.pending) return;
  if (!found.ok()) {
    program.note = absl::StrCat("[", found.status().message(), "]");
    return;
  }
  const uint32_t tgid = static_cast<uint32_t>(pid);
  const int error = bpf_map__update_elem(skeleton_.maps.python_programs, &tgid, sizeof(tgid), &*found,
                                         sizeof(*found), BPF_ANY);
  if (error != 0) spdlog::debug("ebpf: no Python functions of process {}: {}", pid, error);
  ++skeleton_.bss->programs_generation;
}

void PythonPrograms::Remove(pid_t pid) {
  const uint32_t tgid = static_cast<uint32_t>(pid);
  bpf_map__delete_elem(skeleton_.maps.python_programs, &tgid, sizeof(tgid), /*flags=*/0);
  ++skeleton_.bss->programs_generation;
}

void PythonPrograms::Forget() {
  for (auto& [pid, program] : programs_) {
    Remove(pid);
    retired_.push_back(std::move(program.process));
  }
  programs_.clear();
}

void PythonPrograms::BeginWindow() {
  numbers_.clear();
  retired_.clear();
  size_t bytes = 0;
  for (auto& [pid, program] : programs_) {
    program.retries = kRetriesOfWindow;
    bytes += program.process->byte_size();
  }
  if (bytes <= kMaxFunctionBytes) return;
  for (auto& [pid, program] : programs_) program.process->Forget();
}

void PythonPrograms::Retry() {
  for (auto& [pid, program] : programs_) {
    if (program.pending && program.retries-- > 0) Look(pid, program);
  }
}

absl::Span<const uint64_t> PythonPrograms::Name(pid_t pid, absl::Span<const uint64_t> words, uint8_t flags) {
  const auto found = programs_.find(pid);
  stack_.clear();
  if (found == programs_.end()) {
    const auto is_marked = [](uint64_t word) { return (word & kInterpretedFrame) != 0; };
    if (std::ranges::none_of(words, is_marked)) return words;
    // No address, but what a walk took for one.
    for (const uint64_t word : words) stack_.push_back(is_marked(word) ? kNoAddress : word);
    return stack_;
  }
  Program& program = found->second;
  for (size_t i = 0; i < words.size(); ++i) {
    if ((words[i] & PL_PYTHON_FRAME) == 0) {
      stack_.push_back(words[i]);
    } else if (i + 1 < words.size()) {
      stack_.push_back(FrameOf(program, words[i], words[i + 1]));
      ++i;
    }
  }
  if (!program.note.empty()) {
    stack_.push_back(frames_.Note(program.note));
  } else if ((flags & PL_STACK_WITHOUT_PYTHON) != 0) {
    stack_.push_back(frames_.Note("[python functions missing]"));
  }
  return stack_;
}

uint64_t PythonPrograms::FrameOf(Program& program, uint64_t word, uint64_t identity) {
  const PythonFunction* function = program.process->FunctionOf(word & PL_PYTHON_CODE, identity);
  const auto instruction =
      static_cast<uint32_t>(word >> PL_PYTHON_INSTRUCTION_SHIFT) & PL_PYTHON_NO_INSTRUCTION;
  uint32_t line = 0;
  if (function != nullptr) {
    line = instruction == PL_PYTHON_NO_INSTRUCTION ? 0 : function->lines.LineOf(instruction);
    if (line == 0) line = function->first_line;
  }
  const auto [number, is_new] = numbers_.try_emplace({function, line});
  if (!is_new) return number->second;
  if (function == nullptr) {
    number->second = frames_.Add({.function = std::string(kPythonMapping), .kind = FrameKind::kUnknown});
  } else {
    number->second = frames_.Add({.function = function->name,
                                  .file = function->file,
                                  .line = line,
                                  .start_line = function->first_line,
                                  .kind = FrameKind::kNative,
                                  .symbolized = true});
  }
  return number->second;
}

}  // namespace pilotlight::agent
