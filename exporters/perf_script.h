// What `perf script` prints of a recording, with its default fields or -F comm,tid,time,event,ip,sym and
// more:
//
//   my prog 4711 [001] 42805.078541:   10101010 cpu-clock:u:
//   	            11dc shop::Sum<int>(int)+0x1c (/usr/bin/my prog)
//   	           2724a __libc_start_call_main+0x7a (/usr/lib/x86_64-linux-gnu/libc.so.6)
//
// (tools/perf/Documentation/perf-script.txt of Linux; the innermost frame comes first, an empty line ends a
// sample, "#" begins a comment.) Without a call chain the one frame stands behind the event.
//
// The outermost frame of each stack is the thread's name, as stackcollapse-perf.pl has it. A frame
// without a name is "app+0x1234" where perf tells its place in the file, else "[unknown]".
#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "profile/profile.h"

namespace pilotlight {

struct PerfScriptLimits {
  size_t max_depth = 1024;        // deeper stacks lose their outermost callers, which is counted
  size_t max_name_bytes = 16384;  // longer names are cut
  size_t max_nodes = 8'000'000;   // different stacks, callers included, over all profiles
  size_t max_events = 64;
};

// Whether the first line that is no comment begins a sample of `perf script`.
bool LooksLikePerfScript(absl::string_view text);

// One profile for each event, CPU time first, then those with more samples. Of cpu-clock or task-clock the
// type is process_cpu:cpu:nanoseconds:cpu:nanoseconds; of others, EVENT:EVENT:events:EVENT:events with what
// the periods of the samples add up to as the value; without names of events, samples:samples:count::. An
// event's modifiers ("cycles:u") are left out, other ':' become '_'. `start` is not known, as perf's clock is
// not the wall clock; `duration` is that from the first sample to the last. What PERF_RECORD_LOST lines count
// (`perf script --show-lost-events`) is lost of the first profile.
// InvalidArgument names the line that is wrong, OutOfRange the limit that is exceeded.
absl::StatusOr<std::vector<Profile>> ReadPerfScript(absl::string_view text,
                                                    const PerfScriptLimits& limits = {});

}  // namespace pilotlight
