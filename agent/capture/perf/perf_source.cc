#include "agent/capture/perf/perf_source.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "agent/capture/monotonic_time.h"
#include "agent/capture/perf/perf_records.h"
#include "agent/capture/perf_event.h"
#include "agent/capture/sampling_clock.h"
#include "base/status_macros.h"

namespace pilotlight::agent {
namespace {

// What the eBPF source takes too, and the kernel's default limit.
constexpr uint32_t kMaxFrames = 127;

// So that processes are looked at while they live, and rings stay far from full.
constexpr absl::Duration kDrainInterval = absl::Milliseconds(250);

}  // namespace

// What one window has seen so far.
class PerfSource::Window {
 public:
  Window(const CaptureOptions& options, const StackAggregator::Limits& limits, uint32_t max_frames,
         ProcessObserver& observer)
      : watched_(options.pids.begin(), options.pids.end()),
        with_children_(options.with_children),
        max_frames_(max_frames),
        observer_(observer),
        aggregator_(limits) {}

  void Drain(PerfEvents& events) {
    for (PerfRing& ring : events.rings()) {
      const bool whole = ring.reader().Drain([this](absl::Span<const uint64_t> record) {
        std::visit(*this, ParsePerfRecord(record, max_frames_));
      });
      if (!whole) ++malformed_;
    }
  }

  void operator()(const PerfSample& sample) {
    if (sample.pid < 0) {
      ++exited_;
      return;
    }
    if (sample.pid == 0) {
      ++other_namespace_;
      return;
    }
    if (!watched_.empty() && !with_children_ && !watched_.contains(sample.pid)) return;
    if (seen_.insert(sample.pid).second) observer_.OnProcess(sample.pid);
    aggregator_.Add(sample.pid, sample.stack, 1);
  }
  void operator()(const PerfLost& lost) { ring_full_ += lost.records; }
  void operator()(const PerfOther&) {}
  void operator()(const PerfMalformed&) { ++malformed_; }

  void Finish(Capture& capture) && {
    // Which process they were of is not known, so a filtered window cannot tell whether they were due.
    if (!watched_.empty() && !with_children_) other_namespace_ = exited_ = 0;
    AddLoss(capture, "ring_full", ring_full_);
    AddLoss(capture, "map_full", aggregator_.lost());
    AddLoss(capture, "malformed", malformed_);
    AddLoss(capture, "exited", exited_);
    AddLoss(capture, "other_pid_namespace", other_namespace_);
    capture.processes = std::move(aggregator_).Take();
  }

 private:
  static void AddLoss(Capture& capture, const char* reason, uint64_t count) {
    if (count > 0) capture.lost.push_back({.reason = reason, .count = count});
  }

  const absl::flat_hash_set<pid_t> watched_;
  const bool with_children_;
  const uint32_t max_frames_;
  ProcessObserver& observer_;
  StackAggregator aggregator_;
  absl::flat_hash_set<pid_t> seen_;
  uint64_t ring_full_ = 0;
  uint64_t malformed_ = 0;
  uint64_t exited_ = 0;
  uint64_t other_namespace_ = 0;
};

absl::StatusOr<std::unique_ptr<PerfSource>> PerfSource::Create(const StackAggregator::Limits& limits) {
  ASSIGN_OR_RETURN(const std::vector<int> cpus, OnlineCpus());
  perf_event_attr attributes = CpuClockAttributes(CpuClockPeriodNs(1));
  absl::Status node_access = OpenPerfEvent(attributes, /*pid=*/-1, cpus.front()).status();
  if (!node_access.ok()) {
    attributes.exclude_kernel = 1;
    RETURN_IF_ERROR(OpenPerfEvent(attributes, getpid(), /*cpu=*/-1).status());
  }
  return std::unique_ptr<PerfSource>(new PerfSource(limits, std::move(node_access)));
}

PerfSource::PerfSource(const StackAggregator::Limits& limits, absl::Status node_access)
    : limits_(limits),
      node_access_(std::move(node_access)),
      max_frames_(std::min(kMaxFrames, MaxStackFrames())) {}

bool PerfSource::SamplesNode(const CaptureOptions& options) const {
  return node_access_.ok() && !options.with_children;
}

absl::StatusOr<PerfEvents> PerfSource::Open(const CaptureOptions& options, uint64_t period_ns) const {
  const PerfEventOptions event_options{.period_ns = period_ns,
                                       .kernel_frames = options.kernel_frames,
                                       .user_mode_only = !node_access_.ok(),
                                       .max_frames = max_frames_};
  // With the right to all, a filter is simpler than events for each thread; but it knows no children.
  if (SamplesNode(options)) return PerfEvents::OpenForNode(event_options);
  if (options.pids.empty()) return node_access_;
  return PerfEvents::OpenForProcesses(event_options, options.pids);
}

absl::StatusOr<Capture> PerfSource::Run(const CaptureOptions& options, ProcessObserver& observer,
                                        const StopSignal& stop) {
  RETURN_IF_ERROR(CheckFrequency(options.frequency_hz));
  Capture capture;
  capture.period_ns = CpuClockPeriodNs(options.frequency_hz);
  absl::BitGen random;
  SamplingClock clock(options.frequency_hz, MonotonicTime::Now(), random);
  const bool varies = SamplesNode(options);
  ASSIGN_OR_RETURN(PerfEvents events,
                   Open(options, varies ? clock.period_ns() : static_cast<uint64_t>(capture.period_ns)));
  std::vector<pollfd> descriptors = {{.fd = stop.fd(), .events = POLLIN, .revents = 0}};
  for (const int fd : events.ring_fds()) descriptors.push_back({.fd = fd, .events = POLLIN, .revents = 0});

  Window window(options, limits_, max_frames_, observer);
  capture.start = absl::Now();
  RETURN_IF_ERROR(events.Enable());
  const MonotonicTime began = MonotonicTime::Now();
  if (options.on_started) options.on_started();
  while (true) {
    const MonotonicTime now = MonotonicTime::Now();
    capture.duration = now - began;
    if (capture.duration >= options.duration || stop.stopped()) break;
    if (varies && clock.Left(now) <= absl::ZeroDuration()) {
      clock.Advance(now);
      RETURN_IF_ERROR(events.SetPeriods(clock.period_ns()));
    }
    const timespec timeout = absl::ToTimespec(std::min(
        {options.duration - capture.duration, kDrainInterval, varies ? clock.Left(now) : kDrainInterval}));
    if (ppoll(descriptors.data(), descriptors.size(), &timeout, /*sigmask=*/nullptr) < 0 && errno != EINTR) {
      return absl::ErrnoToStatus(errno, "waiting for perf events");
    }
    for (pollfd& descriptor : descriptors) {
      // The event's thread has ended. It would be reported again at once, and others may still use its ring.
      if ((descriptor.revents & (POLLHUP | POLLERR)) != 0) descriptor.fd = -1;
    }
    window.Drain(events);
  }
  events.Disable();
  window.Drain(events);
  std::move(window).Finish(capture);
  return capture;
}

}  // namespace pilotlight::agent
