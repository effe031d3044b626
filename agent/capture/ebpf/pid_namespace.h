// The pid namespace that BPF programs are to count in.
#pragma once

#include <sys/stat.h>

namespace pilotlight::agent {

// Tells `rodata` of a program with bpf/pid_namespace.h of ours. False when it is the initial one, or not
// known: then all processes are seen.
template <typename Rodata>
bool SetPidNamespace(Rodata& rodata) {
  // PROC_PID_INIT_INO in include/linux/proc_ns.h.
  constexpr ino_t kInitial = 0xEFFFFFFC;
  struct stat own {};
  if (stat("/proc/self/ns/pid", &own) != 0 || own.st_ino == kInitial) return false;
  rodata.pid_namespace_device = own.st_dev;
  rodata.pid_namespace_inode = own.st_ino;
  return true;
}

}  // namespace pilotlight::agent
