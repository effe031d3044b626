#include "agent/capture/ebpf/wait_reason.h"

#include <sys/syscall.h>

#include "absl/container/flat_hash_map.h"
#include "agent/capture/bpf/abi.h"

namespace pilotlight::agent {
namespace {

absl::string_view ReasonOfCall(uint32_t call) {
  constexpr uint32_t kFutexWait = 455;  // Linux 6.7, the same for all architectures; newer than the headers
  constexpr absl::string_view kLock = "[lock]";
  constexpr absl::string_view kSleep = "[sleep]";
  constexpr absl::string_view kPoll = "[poll]";
  constexpr absl::string_view kIo = "[io]";
  constexpr absl::string_view kChild = "[child]";
  constexpr absl::string_view kSignal = "[signal]";
  // Those of all architectures; then those of the older ones alone.
  static const auto& reasons = *new absl::flat_hash_map<uint32_t, absl::string_view>{
      {SYS_futex, kLock},
      {SYS_futex_waitv, kLock},
      {kFutexWait, kLock},
      {SYS_flock, kLock},
      {SYS_semop, kLock},
      {SYS_semtimedop, kLock},
      {SYS_nanosleep, kSleep},
      {SYS_clock_nanosleep, kSleep},
      {SYS_epoll_pwait, kPoll},
      {SYS_epoll_pwait2, kPoll},
      {SYS_ppoll, kPoll},
      {SYS_pselect6, kPoll},
      {SYS_io_getevents, kPoll},
      {SYS_io_pgetevents, kPoll},
      {SYS_io_uring_enter, kPoll},
      {SYS_read, kIo},
      {SYS_write, kIo},
      {SYS_readv, kIo},
      {SYS_writev, kIo},
      {SYS_pread64, kIo},
      {SYS_pwrite64, kIo},
      {SYS_preadv, kIo},
      {SYS_pwritev, kIo},
      {SYS_preadv2, kIo},
      {SYS_pwritev2, kIo},
      {SYS_recvfrom, kIo},
      {SYS_recvmsg, kIo},
      {SYS_recvmmsg, kIo},
      {SYS_sendto, kIo},
      {SYS_sendmsg, kIo},
      {SYS_sendmmsg, kIo},
      {SYS_accept, kIo},
      {SYS_accept4, kIo},
      {SYS_connect, kIo},
      {SYS_sendfile, kIo},
      {SYS_splice, kIo},
      {SYS_tee, kIo},
      {SYS_vmsplice, kIo},
      {SYS_copy_file_range, kIo},
      {SYS_fsync, kIo},
      {SYS_fdatasync, kIo},
      {SYS_sync, kIo},
      {SYS_syncfs, kIo},
      {SYS_sync_file_range, kIo},
      {SYS_msgrcv, kIo},
      {SYS_msgsnd, kIo},
      {SYS_mq_timedreceive, kIo},
      {SYS_mq_timedsend, kIo},
      {SYS_openat, kIo},
      {SYS_wait4, kChild},
      {SYS_waitid, kChild},
      {SYS_rt_sigtimedwait, kSignal},
      {SYS_rt_sigsuspend, kSignal},
#ifdef __x86_64__
      {SYS_epoll_wait, kPoll},
      {SYS_poll, kPoll},
      {SYS_select, kPoll},
      {SYS_open, kIo},
      {SYS_pause, kSignal},
#endif
  };
  const auto reason = reasons.find(call);
  return reason == reasons.end() ? "[other]" : reason->second;
}

}  // namespace

absl::string_view WaitReason(uint32_t wait) {
  if ((wait & PL_WAIT_BLOCKED) == 0) return "";
  if ((wait & PL_WAIT_DISK) != 0) return "[disk]";
  if ((wait & PL_WAIT_UNINTERRUPTIBLE) != 0) return "[kernel]";
  const uint32_t call = wait & PL_WAIT_CALL;
  return call == 0 ? "[fault]" : ReasonOfCall(call - 1);
}

}  // namespace pilotlight::agent
