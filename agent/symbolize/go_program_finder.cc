#include "agent/symbolize/go_program_finder.h"

#include <elf.h>
#include <sys/stat.h>

#include <memory>
#include <utility>

#include "absl/strings/strip.h"
#include "agent/symbolize/binary_opener.h"
#include "objfile/go_symbols.h"

namespace pilotlight::agent {
namespace {

// When full, all are forgotten, and found again.
constexpr size_t kMaxProcesses = 4096;
constexpr size_t kMaxFiles = 1024;

// Of runtime/asm_amd64.s behind runtime.mcall.
constexpr uint32_t kFunctionsBehindMcall = 16;

GoProgram::Function ExtentOf(const GoSymbols::Function& function) {
  return {.start = function.entry, .bytes = static_cast<uint32_t>(function.end - function.entry)};
}

}  // namespace

std::optional<GoProgram> FindGoProgram(const ElfFile& elf) {
  if (elf.machine() != EM_X86_64) return std::nullopt;
  const absl::StatusOr<std::unique_ptr<GoSymbols>> go = GoSymbols::Create(elf);
  if (!go.ok()) return std::nullopt;
  if (!(*go)->has_known_runtime()) return std::nullopt;
  const int version = (*go)->go_minor_version();
  for (uint32_t i = 0; i < (*go)->function_count(); ++i) {
    const std::optional<GoSymbols::Function> mcall = (*go)->FunctionAt(i);
    if (!mcall.has_value() || !(*go)->IsMcall(*mcall)) continue;
    // runtime.gobuf lost its field ret in Go 1.25, and runtime.m has one before curg.
    const std::optional<GoSymbols::Function> last = (*go)->FunctionAt((*go)->function_count() - 1);
    if (!last.has_value() || last->end < (*go)->tables().text) return std::nullopt;
    GoProgram program = {.mcall = ExtentOf(*mcall),
                         .text_start = (*go)->tables().text,
                         .text_bytes = last->end - (*go)->tables().text,
                         .gobuf_bp = version < 25 ? 48U : 40U,
                         .m_curg = version < 25 ? 192U : 184U};
    for (uint32_t next = i + 1; next <= i + kFunctionsBehindMcall; ++next) {
      const std::optional<GoSymbols::Function> function = (*go)->FunctionAt(next);
      if (!function.has_value()) break;
      const absl::string_view name = absl::StripSuffix(function->name, ".abi0");
      if ((*go)->IsMorestack(*function)) program.morestack = ExtentOf(*function);
      if (name == "runtime.morestack_noctxt" && program.morestack.bytes != 0) {
        program.morestack.bytes = static_cast<uint32_t>(function->end - program.morestack.start);
      }
      if (name == "runtime.systemstack" && version <= 20) program.systemstack = ExtentOf(*function);
    }
    return program;
  }
  return std::nullopt;
}

void GoProgramFinder::Look(pid_t pid) {
  const std::shared_ptr<const Process> process = processes_.Find(pid);
  if (process == nullptr || process->executable.empty()) return;
  if (seen_.size() >= kMaxProcesses) {
    seen_.clear();
    source_.ForgetGoPrograms();
  }
  const auto [seen, is_new] = seen_.try_emplace(pid, process->start_ticks);
  if (!is_new && seen->second == process->start_ticks) return;
  seen->second = process->start_ticks;
  for (const Mapping& mapping : process->maps.mappings()) {
    if (mapping.inode == 0 || mapping.path != process->executable) continue;
    std::optional<GoProgram> program = FindInFile(*process, mapping);
    if (!program.has_value()) continue;
    source_.OnGoProgram(pid, *program);
    return;
  }
}

std::optional<GoProgram> GoProgramFinder::FindInFile(const Process& process, const Mapping& mapping) {
  absl::StatusOr<UniqueFd> fd = OpenMappedFile(process, mapping, proc_root_);
  struct stat status {};
  if (!fd.ok() || ::fstat(fd->get(), &status) != 0) return std::nullopt;
  if (by_file_.size() >= kMaxFiles) by_file_.clear();
  const FileIdentity file(status);
  const auto [known, is_new] = by_file_.try_emplace(file);
  if (!is_new && !known->second.has_value()) return std::nullopt;
  absl::StatusOr<std::unique_ptr<ElfFile>> elf = ElfFile::FromFd(*std::move(fd));
  if (!elf.ok()) return std::nullopt;
  if (is_new) known->second = FindGoProgram(**elf);
  if (!known->second.has_value()) return std::nullopt;
  const std::optional<uint64_t> vaddr = (*elf)->OffsetToVaddr(mapping.file_offset);
  if (!vaddr.has_value()) return std::nullopt;
  GoProgram program = *known->second;
  for (GoProgram::Function* function : {&program.mcall, &program.morestack, &program.systemstack}) {
    function->start += mapping.start - *vaddr;
  }
  program.text_start += mapping.start - *vaddr;
  return program;
}

}  // namespace pilotlight::agent
