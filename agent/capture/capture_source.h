// A capture source watches processes for one window and yields what they did.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/gc/go_memstats.h"
#include "agent/java/hotspot_tables.h"
#include "agent/python/python_layout.h"
#include "base/stop_signal.h"
#include "profile/profile.h"

namespace pilotlight::agent {

struct CaptureOptions {
  absl::Duration duration = absl::Seconds(10);
  int frequency_hz = 99;
  std::vector<pid_t> pids;  // of processes (thread groups); empty watches all but the agent's own idle time
  // Also what the processes start from now on. Only perf can do it; with ebpf, watch the node and sort out
  // the others.
  bool with_children = false;
  bool kernel_frames = true;
  // For off-CPU profiles in place of `frequency_hz`: for each second that a thread is blocked.
  int off_cpu_frequency_hz = 10;
  // Those end early when they have cost the kernel so much.
  absl::Duration max_kernel_time = absl::InfiniteDuration();
  // Called once sampling has begun, in the thread that captures: what starts now is seen from its start. Not
  // by sources that ask others for their profiles.
  std::function<void()> on_started;
};

// A frame in RawStack::user that is no address has this bit, and its number in Capture::interpreted.
inline constexpr uint64_t kInterpretedFrame = uint64_t{1} << 63;

// A function of an interpreter's language, or what is said in its place.
struct InterpretedFrame {
  std::string function;
  std::string file = {};
  uint32_t line = 0;
  uint32_t start_line = 0;
  FrameKind kind = FrameKind::kUnknown;
  bool symbolized = false;
};

// Equal stacks of one process, counted. Addresses have the leaf first. All but the leaf are return
// addresses, unless a signal frame is in between.
struct RawStack {
  std::vector<uint64_t> user;
  std::vector<uint64_t> kernel;  // nearer to the leaf than `user`; empty when interrupted in user mode
  uint64_t count = 0;
  bool truncated = false;  // the outermost callers are cut off
  // What lies beyond where a Go program changed stacks is of who called for it; else it is not to be trusted.
  bool joined = false;
  // user[1] was on the top of the stack: the leaf's caller, if that has no frame of its own there.
  bool with_top = false;
  // The walk of `user` ended before the outermost caller was reached, because it could not go on.
  bool broken = false;
  // Why the thread was blocked, a frame of its own at the leaf; static. Empty when it ran.
  absl::string_view wait_reason;
};

struct ProcessSamples {
  pid_t pid = 0;
  std::vector<RawStack> stacks;
  // Samples of the process whose stacks found no room: they go under one "[truncated]" frame.
  uint64_t stackless_samples = 0;
};

// Samples that were due but are in no stack, by reason.
struct LostSamples {
  std::string reason;  // a metric label: "ring_full", "map_full", …
  uint64_t count = 0;
};

// What a Go program has told of its collections so far.
struct ToldGcPauses {
  std::string program;  // the same each time
  Labels labels;
  GoMemStats stats;
};

struct Capture {
  absl::Time start;
  absl::Duration duration;  // really watched: shorter when stopped early
  int turns = 1;            // until the same processes have theirs again
  ProfileType type;         // of `processes`
  int64_t period_ns = 0;    // time of one sample of `processes`
  std::vector<ProcessSamples> processes;
  std::vector<InterpretedFrame> interpreted;
  // Profiles that came with their names, of a source that asks the process itself.
  std::vector<Profile> profiles;
  std::vector<ToldGcPauses> gc_pauses;
  std::vector<LostSamples> lost;
  absl::Duration kernel_time;  // CPU time spent in the kernel for taking the samples, as far as known
};

// Told of each process when its first sample arrives, while it is likely still alive. Called in the thread
// that captures; must be quick.
class ProcessObserver {
 public:
  virtual ~ProcessObserver() = default;
  virtual void OnProcess(pid_t pid) = 0;
  // The same with the name that the kernel has given it at the sample (/proc/PID/comm): all that is left of a
  // process that has ended since.
  virtual void OnNamedProcess(pid_t pid, absl::string_view comm);
  // It runs code that is in none of the mappings by which its stacks are unwound.
  virtual void OnUnmappedCode(pid_t /*pid*/) {}
};

inline void ProcessObserver::OnNamedProcess(pid_t pid, absl::string_view /*comm*/) { OnProcess(pid); }

// What joins the stacks of a Go program where it goes over to the stack of g0: what the runtime then does
// would lose its caller, the goroutine that gave up the CPU, or whose stack grows.
struct GoProgram {
  struct Function {
    uint64_t start = 0;  // an address in the process
    uint32_t bytes = 0;  // 0 when it is not to be looked for
  };

  Function mcall;
  Function morestack;       // with morestack_noctxt
  Function systemstack;     // where frame pointers do not lead to its caller
  uint64_t text_start = 0;  // of the code of Go's compiler, an address in the process
  uint64_t text_bytes = 0;
  uint32_t gobuf_bp = 0;  // offset of bp in runtime.gobuf
  uint32_t m_curg = 0;    // of curg in runtime.m
};

class UnwindMaps;

// One capture at a time per source. Between captures nothing is attached to a clock.
class CaptureSource {
 public:
  virtual ~CaptureSource() = default;
  virtual absl::string_view name() const = 0;  // "ebpf", "perf", "pprof"
  // Blocks for options.duration or until `stop`, which still yields what was seen. An error means that the
  // window is lost; the next one may work.
  virtual absl::StatusOr<Capture> Run(const CaptureOptions& options, ProcessObserver& observer,
                                      const StopSignal& stop) = 0;
  // From now on `pid` is this program. May be called by the observer in mid-window. Sources that cannot make
  // use of it ignore it.
  virtual void OnGoProgram(pid_t /*pid*/, const GoProgram& /*program*/) {}
  virtual void ForgetGoPrograms() {}
  // The same for one that runs Python.
  virtual void OnPythonProgram(pid_t /*pid*/, const PythonRuntime& /*runtime*/) {}
  virtual void ForgetPythonPrograms() {}
  // The same for a JVM.
  virtual void OnJvm(pid_t /*pid*/, const HotSpotSymbols& /*symbols*/) {}
  virtual void ForgetJvm(pid_t /*pid*/) {}
  // Where there is one: takes off-CPU profiles, and is not to run at the same time. It shares what this
  // source knows of processes.
  virtual CaptureSource* off_cpu() { return nullptr; }
  // What it unwinds by besides frame pointers; nullptr when that is nothing.
  virtual UnwindMaps* unwind_maps() { return nullptr; }
};

}  // namespace pilotlight::agent
