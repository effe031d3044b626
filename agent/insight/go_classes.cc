#include "agent/insight/go_classes.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace pilotlight::agent {
namespace {

constexpr GoClassRow kTable[] = {
    {GoClass::kGc, "runtime.gcBgMarkWorker*"},
    {GoClass::kGc, "runtime.gcDrain*"},
    {GoClass::kGc, "runtime.gcAssistAlloc*"},
    {GoClass::kGc, "runtime.gcParkAssist"},
    {GoClass::kGc, "runtime.gcStart*"},
    {GoClass::kGc, "runtime.gcMarkDone*"},
    {GoClass::kGc, "runtime.gcMarkTermination*"},
    {GoClass::kGc, "runtime.markroot*"},
    {GoClass::kGc, "runtime.scanobject"},         // to 1.25
    {GoClass::kGc, "runtime.scanObject"},         // from 1.26
    {GoClass::kGc, "runtime.scanObjectsSmall*"},  // from 1.26
    {GoClass::kGc, "runtime.scanSpan*"},          // from 1.26
    {GoClass::kGc, "runtime.scanblock"},
    {GoClass::kGc, "runtime.scanstack"},
    {GoClass::kGc, "runtime.greyobject"},
    {GoClass::kGc, "runtime.wbBufFlush*"},
    {GoClass::kGc, "runtime.gcWriteBarrier*"},
    {GoClass::kGc, "gcWriteBarrier"},  // from 1.21
    {GoClass::kGc, "runtime.bulkBarrierPreWrite*"},
    {GoClass::kGc, "runtime.bgsweep*"},
    {GoClass::kGc, "runtime.sweepone*"},
    {GoClass::kGc, "runtime.(*sweepLocked).sweep*"},
    {GoClass::kGc, "runtime.deductSweepCredit"},
    {GoClass::kGc, "runtime.(*mheap).reclaim*"},
    {GoClass::kGc, "runtime.bgscavenge*"},
    {GoClass::kGc, "runtime.(*scavengerState).*"},
    {GoClass::kGc, "runtime.(*pageAlloc).scavenge*"},
    {GoClass::kGc, "runtime._GC"},  // a frame that only net/http/pprof makes up

    {GoClass::kMcall, "runtime.mcall"},

    {GoClass::kScheduler, "runtime.schedule"},
    {GoClass::kScheduler, "runtime.findRunnable"},
    {GoClass::kScheduler, "runtime.findrunnable"},  // 1.18
    {GoClass::kScheduler, "runtime.sysmon"},
    {GoClass::kScheduler, "runtime.mstart*"},
    {GoClass::kScheduler, "runtime.stopm"},
    {GoClass::kScheduler, "runtime.startm"},
    {GoClass::kScheduler, "runtime.wakep"},
    {GoClass::kScheduler, "runtime.handoffp"},
    {GoClass::kScheduler, "runtime.ready"},
    {GoClass::kScheduler, "runtime.goready*"},
    {GoClass::kScheduler, "runtime.injectglist*"},
    {GoClass::kScheduler, "runtime.newproc*"},
    {GoClass::kScheduler, "runtime.gopreempt_m"},
    // Not its caller asyncPreempt: a Go program's own profiling signal often comes together with the one that
    // preempts, and then finds the interrupted function as if it had called asyncPreempt.
    {GoClass::kScheduler, "runtime.asyncPreempt2"},

    {GoClass::kStack, "runtime.morestack*"},
    {GoClass::kStack, "runtime.newstack*"},
    {GoClass::kStack, "runtime.copystack*"},
    {GoClass::kStack, "runtime.shrinkstack*"},
    {GoClass::kStack, "runtime.adjustframe*"},
    {GoClass::kStack, "runtime.adjustpointers*"},
    {GoClass::kStack, "runtime.stackalloc*"},
    {GoClass::kStack, "runtime.stackfree*"},

    {GoClass::kLock, "sync.(*Mutex).lockSlow"},             // to 1.23
    {GoClass::kLock, "sync.(*Mutex).unlockSlow"},           // to 1.23
    {GoClass::kLock, "internal/sync.(*Mutex).lockSlow"},    // from 1.24
    {GoClass::kLock, "internal/sync.(*Mutex).unlockSlow"},  // from 1.24
    {GoClass::kLock, "sync.(*RWMutex).*"},
    {GoClass::kLock, "runtime.semacquire1"},
    {GoClass::kLock, "runtime.semrelease1"},
    {GoClass::kLock, "runtime.lock2"},
    {GoClass::kLock, "runtime.unlock2"},
    {GoClass::kLock, "runtime.procyield*"},
    {GoClass::kLock, "runtime.osyield*"},
    {GoClass::kLock, "runtime.notifyList*"},
    {GoClass::kLock, "sync.runtime_notifyList*"},

    {GoClass::kCgo, "runtime.cgocall"},
    {GoClass::kCgo, "runtime.asmcgocall*"},
    {GoClass::kCgo, "runtime._ExternalCode"},  // a frame that only net/http/pprof makes up

    {GoClass::kSyscall, "syscall.Syscall*"},
    {GoClass::kSyscall, "syscall.RawSyscall*"},
    {GoClass::kSyscall, "syscall.rawSyscall*"},
    {GoClass::kSyscall, "syscall.syscall*"},                         // macOS and BSD, and 1.26
    {GoClass::kSyscall, "runtime/internal/syscall.Syscall6"},        // to 1.22
    {GoClass::kSyscall, "internal/runtime/syscall.Syscall6"},        // 1.23 to 1.25
    {GoClass::kSyscall, "internal/runtime/syscall/linux.Syscall6"},  // from 1.26
    {GoClass::kSyscall, "runtime.entersyscall*"},
    {GoClass::kSyscall, "runtime.exitsyscall*"},
    {GoClass::kSyscall, "runtime.netpoll*"},
    {GoClass::kSyscall, "internal/poll.runtime_poll*"},

    {GoClass::kAlloc, "runtime.mallocgc*"},
    {GoClass::kAlloc, "runtime.newobject"},
    {GoClass::kAlloc, "runtime.makeslice*"},
    {GoClass::kAlloc, "runtime.growslice*"},
    {GoClass::kAlloc, "runtime.(*mcache).*"},
    {GoClass::kAlloc, "runtime.(*mcentral).*"},
    {GoClass::kAlloc, "runtime.(*mheap).alloc*"},
};

bool Matches(absl::string_view function, absl::string_view pattern) {
  if (absl::ConsumeSuffix(&pattern, "*")) return absl::StartsWith(function, pattern);
  return function == pattern;
}

// Whether a row could match at all: nearly all names of a program are of its own packages.
bool MayBeOfTheRuntime(absl::string_view function) {
  return absl::StartsWith(function, "runtime") || absl::StartsWith(function, "sync.") ||
         absl::StartsWith(function, "syscall.") || absl::StartsWith(function, "internal/") ||
         absl::StartsWith(function, "gcWriteBarrier");
}

}  // namespace

absl::Span<const GoClassRow> GoClassTable() { return kTable; }

absl::string_view GoClassName(GoClass go_class) {
  constexpr absl::string_view kNames[] = {"gc",  "mcall",   "scheduler", "stack", "lock",
                                          "cgo", "syscall", "alloc",     "user"};
  static_assert(std::size(kNames) == kGoClasses);
  return kNames[static_cast<size_t>(go_class)];
}

GoClass ClassifyGoFunction(absl::string_view function) {
  function = absl::StripSuffix(function, ".abi0");
  if (!MayBeOfTheRuntime(function)) return GoClass::kUser;
  // A first-match search, as the rows stand in the classes' order.
  const auto row = std::ranges::find_if(
      kTable, [function](const GoClassRow& candidate) { return Matches(function, candidate.pattern); });
  return row == std::end(kTable) ? GoClass::kUser : row->go_class;
}

}  // namespace pilotlight::agent
