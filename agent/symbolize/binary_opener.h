// Opening the file behind a mapping of another process, whatever its mount namespace.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/targets/process_table.h"
#include "base/unique_fd.h"
#include "objfile/elf_file.h"

namespace pilotlight::agent {

// Tries, in this order:
//   /proc/PID/map_files/START-END  the mapped file itself, deleted or not; needs CAP_CHECKPOINT_RESTORE or
//   CAP_SYS_ADMIN; /proc/PID/exe                  the same for the main program; needs ptrace rights only;
//   /proc/PID/root + path          looked up without leaving that root, and only if it is the file that was
//   mapped; /proc/1/root + path            the same when the process is gone.
// PermissionDenied, NotFound, or FailedPrecondition when the path holds another file by now.
absl::StatusOr<UniqueFd> OpenMappedFile(const Process& process, const Mapping& mapping,
                                        const std::string& proc_root);

// A file of a target, by its path as the target sees it; no link leads out of `root`, such as /proc/PID/root.
// Opening never waits, whatever the target has put there.
absl::StatusOr<UniqueFd> OpenInRoot(const std::string& root, const std::string& path);

// The main program. NotFound when it is not among the mappings, else as above and as ElfFile::FromFd().
absl::StatusOr<std::unique_ptr<ElfFile>> OpenMainBinary(const Process& process, const std::string& proc_root);

}  // namespace pilotlight::agent
