#include "agent/capture/ebpf/jvm_programs.h"

#include <bpf/libbpf.h>

#include "absl/status/status.h"
#include "agent/capture/bpf/abi.h"
#include "sampler_bpf.skel.h"
#include "spdlog/spdlog.h"

namespace pilotlight::agent {
namespace {

constexpr int kRetriesOfWindow = 32;

}  // namespace

void JvmPrograms::Add(pid_t pid, const HotSpotSymbols& symbols) {
  Forget(pid);
  Program& program = programs_.emplace(pid, Program{.process = JvmProcess(pid, symbols)}).first->second;
  program.retries = kRetriesOfWindow;
  Look(pid, program);
}

void JvmPrograms::Look(pid_t pid, Program& program) {
  const absl::StatusOr<pl_jvm_program> found = program.process.FindProgram();
  program.pending = absl::IsUnavailable(found.status());
  if (program.pending) return;
  if (!found.ok()) {
    spdlog::debug("ebpf: process {} is walked by frame pointers in Java: {}", pid,
                  std::string(found.status().message()));
    return;
  }
  program.interpreter = found->interpreter;
  program.interpreter_bytes = found->interpreter_bytes;
  const uint32_t tgid = static_cast<uint32_t>(pid);
  const int error = bpf_map__update_elem(skeleton_.maps.jvm_programs, &tgid, sizeof(tgid), &*found,
                                         sizeof(*found), BPF_ANY);
  if (error != 0) spdlog::debug("ebpf: process {} is walked by frame pointers in Java: {}", pid, error);
  ++skeleton_.bss->programs_generation;
}

void JvmPrograms::Forget(pid_t pid) {
  if (programs_.erase(pid) == 0) return;
  const uint32_t tgid = static_cast<uint32_t>(pid);
  bpf_map__delete_elem(skeleton_.maps.jvm_programs, &tgid, sizeof(tgid), /*flags=*/0);
  ++skeleton_.bss->programs_generation;
}

void JvmPrograms::BeginWindow() {
  for (auto& [pid, program] : programs_) program.retries = kRetriesOfWindow;
}

void JvmPrograms::Retry() {
  for (auto& [pid, program] : programs_) {
    if (program.pending && program.retries-- > 0) Look(pid, program);
  }
}

absl::Span<const uint64_t> JvmPrograms::Name(pid_t pid, absl::Span<const uint64_t> words) {
  const auto found = programs_.find(pid);
  if (found == programs_.end()) return words;
  const Program& program = found->second;
  stack_.assign(words.begin(), words.end());
  for (uint64_t& word : stack_) {
    if (word - program.interpreter < program.interpreter_bytes) word = frames_.Note("[jvm interpreter]");
  }
  return stack_;
}

}  // namespace pilotlight::agent
