#include "agent/trigger/node_watch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

namespace pilotlight::agent {
namespace {

constexpr absl::Duration kSpan = absl::Seconds(1);
// After a longer silence, of a capture, the last reading says nothing of the last second.
constexpr absl::Duration kTooOld = absl::Seconds(2);
constexpr double kOverloadedPerCpu = 3;

// A jump by half a core, or by a twentieth of a large node.
double BusyFloor(int cpus) { return std::max(0.5, cpus / 20.0); }

}  // namespace

NodeWatch::NodeWatch(int cpus, ReadLoad read_load)
    : cpus_(cpus),
      read_load_(std::move(read_load)),
      busy_({.floor = BusyFloor(cpus)}),
      waiting_({.floor = static_cast<double>(cpus)}) {}

std::optional<ExtraCapture> NodeWatch::Poll(absl::Duration now) {
  if (!readings_.empty() && now - readings_.back().time > kTooOld) readings_.clear();
  const absl::StatusOr<NodeLoad> load = read_load_();
  if (!load.ok()) return std::nullopt;
  const absl::Duration since_last = readings_.empty() ? absl::ZeroDuration() : now - readings_.back().time;
  readings_.push_back({now, *load});
  while (readings_.size() > 2 && now - readings_[1].time >= kSpan) readings_.pop_front();
  const Reading& from = readings_.front();
  if (now - from.time < kSpan) return std::nullopt;

  const double busy = absl::FDivDuration(load->busy - from.load.busy, now - from.time);
  const double busy_before = busy_.mean();
  waiting_now_ = Waiting(from, readings_.back());
  const double waiting_before = waiting_.mean();
  const bool busy_spike = busy_.Add(busy, since_last);
  const bool waiting_spike = waiting_.Add(waiting_now_, since_last);
  if (busy_spike) {
    return ExtraCapture{
        .trigger = "cpu",
        .reason = absl::StrFormat("the node went from %.1f to %.1f busy cores", busy_before, busy)};
  }
  if (waiting_spike) {
    return ExtraCapture{.trigger = "run_queue",
                        .reason = absl::StrFormat("%.1f threads wait for a CPU, %.1f did before",
                                                  waiting_now_, waiting_before)};
  }
  return std::nullopt;
}

bool NodeWatch::overloaded() const { return waiting_now_ > kOverloadedPerCpu * cpus_; }

double NodeWatch::Waiting(const Reading& from, const Reading& to) const {
  if (from.load.waited.has_value() && to.load.waited.has_value()) {
    return absl::FDivDuration(*to.load.waited - *from.load.waited, to.time - from.time);
  }
  // The kernel does not count it: what was seen at the moments of reading. This thread is one that runs.
  double waiting = 0;
  for (const Reading& reading : readings_) {
    waiting += std::max(0.0, static_cast<double>(reading.load.running) - 1 - cpus_);
  }
  return waiting / static_cast<double>(readings_.size());
}

}  // namespace pilotlight::agent
