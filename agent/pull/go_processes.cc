#include "agent/pull/go_processes.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/targets/process_list.h"
#include "base/file.h"
#include "objfile/elf_file.h"
#include "objfile/go_symbols.h"

namespace pilotlight::agent {
namespace {

// When full, all are forgotten, and looked at again.
constexpr size_t kMaxExecutables = 4096;

}  // namespace

bool GoProcesses::IsGo(pid_t pid) {
  absl::StatusOr<UniqueFd> fd = OpenReadOnly(absl::StrCat(proc_root_, "/", pid, "/exe"));
  struct stat status {};
  if (!fd.ok() || ::fstat(fd->get(), &status) != 0) return false;
  if (is_go_.size() >= kMaxExecutables) is_go_.clear();
  const auto [known, is_new] = is_go_.try_emplace(FileIdentity(status));
  if (is_new) {
    const absl::StatusOr<std::unique_ptr<ElfFile>> elf = ElfFile::FromFd(*std::move(fd));
    known->second = elf.ok() && GoSymbols::Create(**elf).ok();
  }
  return known->second;
}

std::vector<std::shared_ptr<const Process>> GoProcesses::Find() {
  std::vector<std::shared_ptr<const Process>> found;
  for (const pid_t pid : ListProcesses(proc_root_)) {
    if (!IsGo(pid)) continue;
    processes_.OnProcess(pid);
    std::shared_ptr<const Process> process = processes_.Find(pid);
    if (process != nullptr && !process->dropped) found.push_back(std::move(process));
  }
  return found;
}

}  // namespace pilotlight::agent
