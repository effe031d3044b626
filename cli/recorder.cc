#include "cli/recorder.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <deque>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/fold/window_builder.h"
#include "agent/symbolize/caching_symbolizer.h"
#include "agent/symbolize/go_program_finder.h"
#include "agent/symbolize/runtime_finder.h"
#include "agent/targets/process_list.h"
#include "agent/targets/process_table.h"
#include "agent/unwind/unwind_table_keeper.h"
#include "base/mutex.h"
#include "base/unique_fd.h"

namespace pilotlight::cli {
namespace {

// Each piece is named while the next one is taken, so that a process is looked at soon, a long recording
// needs no more memory than a short one, and the progress moves. Between two pieces a source does not sample
// for some milliseconds.
constexpr absl::Duration kPiece = absl::Seconds(2);
// Naming is faster than sampling. If not, sampling pauses, which the watched time tells.
constexpr size_t kMaxPieces = 8;
constexpr absl::Duration kTick = absl::Milliseconds(200);
// A recording is short, and of what its user looks at.
constexpr size_t kDebugInfoBytes = size_t{1} << 30;
// Far beyond any recording; sources add it to their clock.
constexpr absl::Duration kForever = absl::Hours(24 * 365);

class Stopwatch {
 public:
  absl::Duration elapsed() const { return absl::FromChrono(std::chrono::steady_clock::now() - began_); }

 private:
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

// Stops `stop` when all of the processes have ended.
class EndOfProcesses {
 public:
  EndOfProcesses(const std::vector<pid_t>& pids, StopSignal& stop) : stop_(stop) {
    for (const pid_t pid : pids) {
      // Readable when the process has ended; Linux 5.3.
      UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
      if (fd.valid()) {
        fds_.push_back(std::move(fd));
      } else if (errno != ESRCH) {
        return;  // nothing can be known of the end
      }
    }
    if (pids.empty()) return;
    if (fds_.empty()) {
      stop_.Stop();  // all have ended already
    } else {
      thread_ = std::thread([this] { Run(); });
    }
  }
  ~EndOfProcesses() {
    closing_.Stop();
    if (thread_.joinable()) thread_.join();
  }
  EndOfProcesses(const EndOfProcesses&) = delete;
  EndOfProcesses& operator=(const EndOfProcesses&) = delete;

 private:
  void Run() {
    for (const UniqueFd& fd : fds_) {
      pollfd ends[] = {{fd.get(), POLLIN, 0}, {closing_.fd(), POLLIN, 0}};
      while (ends[0].revents == 0) {
        ::poll(ends, std::size(ends), -1);
        if (ends[1].revents != 0) return;
      }
    }
    stop_.Stop();
  }

  StopSignal& stop_;
  StopSignal closing_;
  std::vector<UniqueFd> fds_;
  std::thread thread_;
};

// Takes piece after piece in a thread of its own.
class CaptureThread {
 public:
  CaptureThread(agent::CaptureSource& source, const RecordOptions& options, std::function<void()> on_started,
                WatchedProcesses& watched, agent::ProcessTable& table, const StopSignal& stop)
      : source_(source),
        options_(options),
        on_started_(std::move(on_started)),
        go_programs_(watched, table, source),
        unwind_tables_(go_programs_, table, source, {.build_in_window = true}),
        runtimes_(unwind_tables_, table, source),
        watched_(watched),
        stop_(stop),
        thread_([this] { Run(); }) {}
  ~CaptureThread() { thread_.join(); }
  CaptureThread(const CaptureThread&) = delete;
  CaptureThread& operator=(const CaptureThread&) = delete;

  // The next piece; nothing when `wait` has passed or, with done(), when there are no more.
  std::optional<agent::Capture> Take(absl::Duration wait) {
    MutexLock lock(mutex_);
    if (pieces_.empty() && !done_) changed_.WaitFor(mutex_, wait);
    if (pieces_.empty()) return std::nullopt;
    agent::Capture piece = std::move(pieces_.front());
    pieces_.pop_front();
    changed_.NotifyAll();
    return piece;
  }
  bool done() {
    MutexLock lock(mutex_);
    return done_ && pieces_.empty();
  }
  // REQUIRES: done().
  absl::Status status() {
    MutexLock lock(mutex_);
    return status_;
  }

 private:
  void Run() {
    const std::vector<pid_t> running = options_.pids.empty() ? agent::ListProcesses() : options_.pids;
    agent::VisitProcesses(running, [this](const agent::Process& process) {
      unwind_tables_.AddProcess(process);
      runtimes_.AddProcess(process);
    });
    const Stopwatch stopwatch;
    absl::Status status;
    while (status.ok() && !stop_.stopped()) {
      const absl::Duration left = std::min(options_.limit - stopwatch.elapsed(), kForever);
      if (left <= absl::ZeroDuration()) break;
      agent::CaptureOptions piece_options;
      piece_options.duration = std::min(left, kPiece);
      piece_options.frequency_hz = options_.frequency_hz;
      piece_options.off_cpu_frequency_hz = options_.frequency_hz;
      piece_options.on_started = std::exchange(on_started_, nullptr);
      if (options_.scope == WatchScope::kProcesses) piece_options.pids = options_.pids;
      if (options_.scope == WatchScope::kTree && !options_.sort_out) {
        piece_options.pids = watched_.living();
        piece_options.with_children = true;
      }
      absl::StatusOr<agent::Capture> piece = source_.Run(piece_options, runtimes_, stop_);
      status = piece.status();
      unwind_tables_.EndWindow();
      if (!piece.ok()) break;
      MutexLock lock(mutex_);
      while (pieces_.size() >= kMaxPieces) changed_.Wait(mutex_);
      pieces_.push_back(*std::move(piece));
      changed_.NotifyAll();
    }
    MutexLock lock(mutex_);
    done_ = true;
    status_ = status;
    changed_.NotifyAll();
  }

  agent::CaptureSource& source_;
  const RecordOptions& options_;
  std::function<void()> on_started_;
  agent::GoProgramFinder go_programs_;
  agent::UnwindTableKeeper unwind_tables_;
  agent::RuntimeFinder runtimes_;
  WatchedProcesses& watched_;
  const StopSignal& stop_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<agent::Capture> pieces_ ABSL_GUARDED_BY(mutex_);
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // the last member: it uses the others
};

// Names pieces and adds them up.
class Gatherer {
 public:
  Gatherer(const RecordOptions& options, agent::ProcessTable& table, const WatchedProcesses& watched)
      : options_(options), table_(table), watched_(watched), builder_(table, symbolizer_, HostName()) {}

  void Add(agent::Capture piece, absl::string_view source) {
    if (options_.scope == WatchScope::kTree && options_.sort_out) {
      for (const agent::ProcessSamples& process : piece.processes) {
        if (watched_.IsUnknown(process.pid)) recording_.unknown_samples += SamplesOf(process);
      }
      std::erase_if(piece.processes,
                    [this](const agent::ProcessSamples& process) { return !watched_.Contains(process.pid); });
    }
    type_ = piece.type;
    for (const agent::LostSamples& lost : piece.lost) recording_.lost[lost.reason] += lost.count;
    const agent::FoldedWindow folded = builder_.Build(piece, source, piece.duration);
    table_.EndWindow();
    for (const Series& series : folded.window.series) {
      const auto service = series.labels.find(std::string(kServiceLabel));
      Profile& profile = profiles_[service == series.labels.end() ? "" : service->second];
      // Types are the same: a capture of processes has only one.
      MergeProfile(ToProfile(folded.window, series), profile).IgnoreError();
    }
    samples_ += folded.samples;
    recording_.vanished_samples += folded.vanished_samples;
    recording_.broken_samples += folded.broken_samples;
    watched_time_ += piece.duration;
    start_ = std::min(start_, piece.start);
  }

  uint64_t samples() const { return samples_; }

  Recording Finish() {
    recording_.executables = profiles_.size();
    recording_.profile = JoinExecutables(std::move(profiles_));
    if (recording_.profile.samples.empty()) recording_.profile.type = type_;
    if (start_ != absl::InfiniteFuture()) recording_.profile.start = start_;
    recording_.profile.duration = watched_time_;
    recording_.symbols = symbolizer_.stats();
    recording_.kernel_symbols = symbolizer_.kernel_status();
    return std::move(recording_);
  }

 private:
  static std::string HostName() {
    char name[256] = {};
    return ::gethostname(name, sizeof(name) - 1) == 0 ? name : "";
  }

  static uint64_t SamplesOf(const agent::ProcessSamples& process) {
    uint64_t count = process.stackless_samples;
    for (const agent::RawStack& stack : process.stacks) count += stack.count;
    return count;
  }

  const RecordOptions& options_;
  agent::ProcessTable& table_;
  const WatchedProcesses& watched_;
  agent::CachingSymbolizer symbolizer_{{.binaries = {.debug_info_bytes = kDebugInfoBytes}}};
  agent::WindowBuilder builder_;
  std::map<std::string, Profile> profiles_;
  ProfileType type_;
  Recording recording_;
  uint64_t samples_ = 0;
  absl::Duration watched_time_;
  absl::Time start_ = absl::InfiniteFuture();
};

}  // namespace

absl::StatusOr<Recording> Record(agent::CaptureSource& source, const RecordOptions& options,
                                 const RecordHooks& hooks, StopSignal& stop) {
  agent::ProcessTable table;
  WatchedProcesses watched(options.scope, options.pids, /*tree_root=*/::getpid(), table);
  watched.Start();
  Gatherer gatherer(options, table, watched);
  const Stopwatch stopwatch;
  const EndOfProcesses end(options.pids, stop);
  CaptureThread capture(source, options, hooks.on_started, watched, table, stop);
  bool any = false;
  while (!capture.done()) {
    std::optional<agent::Capture> piece = capture.Take(kTick);
    any = any || piece.has_value();
    if (piece) gatherer.Add(*std::move(piece), source.name());
    if (hooks.on_progress) hooks.on_progress(stopwatch.elapsed(), gatherer.samples());
  }
  const absl::Status status = capture.status();
  if (!any && !status.ok()) return status;
  Recording recording = gatherer.Finish();
  recording.ended_early = status;
  return recording;
}

absl::StatusOr<Recording> RecordUrl(agent::CaptureSource& source, const RecordOptions& options,
                                    const RecordHooks& hooks, StopSignal& stop) {
  agent::ProcessTable nobody;
  agent::CaptureOptions capture_options;
  capture_options.duration = options.limit;
  // Asked in a thread, so that the progress moves meanwhile.
  absl::StatusOr<agent::Capture> capture = absl::UnknownError("");
  StopSignal finished;
  std::thread asking([&] {
    capture = source.Run(capture_options, nobody, stop);
    finished.Stop();
  });
  const Stopwatch stopwatch;
  while (!finished.WaitFor(kTick)) {
    if (hooks.on_progress) hooks.on_progress(stopwatch.elapsed(), 0);
  }
  asking.join();
  if (!capture.ok()) return capture.status();
  if (capture->profiles.empty()) {
    const std::string reason = capture->lost.empty() ? "no profile" : capture->lost.front().reason;
    if (reason == "stopped") return absl::CancelledError("stopped; a Go program gives no part of a profile");
    // The source has logged what to do.
    return absl::UnavailableError(absl::StrCat("nothing was recorded: ", reason));
  }
  Recording recording;
  recording.executables = 1;
  recording.profile = std::move(capture->profiles.front());
  return recording;
}

Profile JoinExecutables(std::map<std::string, Profile> profiles) {
  if (profiles.empty()) return {};
  if (profiles.size() == 1) return std::move(profiles.begin()->second);
  Profile joined;
  for (auto& [name, profile] : profiles) {
    // Under one more node at the root, in place.
    Profile prefixed;
    prefixed.type = profile.type;
    prefixed.period = profile.period;
    prefixed.start = profile.start;
    prefixed.duration = profile.duration;
    prefixed.loss = profile.loss;
    TrieMapper mapper(profile.trie, prefixed.trie);
    std::vector<NodeId> nodes(profile.trie.node_count());
    FrameView frame;
    frame.function = name;
    frame.kind = FrameKind::kSynthetic;
    frame.symbolized = true;
    nodes[StackTrie::kRoot] = prefixed.trie.Child(StackTrie::kRoot, prefixed.trie.InternFrame(frame));
    for (NodeId node = 1; node < nodes.size(); ++node) {
      nodes[node] =
          prefixed.trie.Child(nodes[profile.trie.parent(node)], mapper.MapFrame(profile.trie.frame_of(node)));
    }
    for (const Sample& sample : profile.samples) {
      prefixed.samples.push_back({nodes[sample.node], sample.count, sample.value});
    }
    // Of the same type: a recording has only one.
    MergeProfile(prefixed, joined).IgnoreError();
  }
  return joined;
}

}  // namespace pilotlight::cli
