// What a Go program's CPU time goes to, judged by the functions in its stacks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pilotlight::agent {

// In the order in which they are tried: a stack is of the first class that any of its frames has.
enum class GoClass : uint8_t {
  kGc,         // marking, assists, write barriers, sweeping, scavenging; not finalizers, they are user code
  kMcall,      // runtime.mcall is in the stack: a goroutine parked, yielded or ended, and what came of it
  kScheduler,  // scheduling outside mcall: waking, spinning, sysmon, starting goroutines
  kStack,      // growing, shrinking and copying goroutines' stacks
  kLock,       // CPU burned on locks, not the waiting
  kCgo,        // C code that Go called; Go code that C calls is judged as any other
  kSyscall,    // with the kernel's frames below it, and waiting for the network poller
  kAlloc,
  kUser,  // everything else
};
inline constexpr size_t kGoClasses = static_cast<size_t>(GoClass::kUser) + 1;

// The value of the metrics' label `class`.
absl::string_view GoClassName(GoClass go_class);

// One row of the table: functions whose whole name is `pattern`, or begins with it when it ends in "*".
struct GoClassRow {
  GoClass go_class;
  absl::string_view pattern;
};
// Names as in the pclntab of Go 1.18 to 1.26.
absl::Span<const GoClassRow> GoClassTable();

// Of one function by its name, with or without ".abi0". kUser when no row matches.
GoClass ClassifyGoFunction(absl::string_view function);

}  // namespace pilotlight::agent
