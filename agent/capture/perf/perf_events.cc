#include "agent/capture/perf/perf_events.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/capture/perf_event.h"
#include "base/directory.h"
#include "base/status_macros.h"

namespace pilotlight::agent {
namespace {

perf_event_attr Attributes(const PerfEventOptions& options) {
  perf_event_attr attributes = CpuClockAttributes(options.period_ns);
  attributes.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_CALLCHAIN;
  attributes.sample_max_stack = static_cast<uint16_t>(options.max_frames);
  attributes.exclude_kernel = options.user_mode_only ? 1 : 0;
  attributes.exclude_callchain_kernel = options.kernel_frames && !options.user_mode_only ? 0 : 1;
  attributes.watermark = 1;
  attributes.wakeup_watermark = PerfRing::kDataBytes / 2;
  return attributes;
}

std::vector<pid_t> ThreadsOf(pid_t pid, const std::string& proc_root) {
  std::vector<pid_t> threads;
  for (const std::string& task : ListDirectory(absl::StrCat(proc_root, "/", pid, "/task"))) {
    pid_t thread = 0;
    if (absl::SimpleAtoi(task, &thread)) threads.push_back(thread);
  }
  return threads;
}

// An error that says what to do when there are more threads than file descriptors.
absl::Status OpenError(const absl::Status& status, size_t threads, size_t cpus) {
  if (!absl::IsResourceExhausted(status)) return status;
  return absl::ResourceExhaustedError(absl::StrCat(status.message(), ": ", threads, " threads on ", cpus,
                                                   " CPUs need a file descriptor each (ulimit -n)"));
}

}  // namespace

absl::StatusOr<PerfEvents> PerfEvents::OpenForNode(const PerfEventOptions& options) {
  ASSIGN_OR_RETURN(const std::vector<int> cpus, OnlineCpus());
  const perf_event_attr attributes = Attributes(options);
  PerfEvents events;
  for (const int cpu : cpus) {
    absl::StatusOr<UniqueFd> event = OpenPerfEvent(attributes, /*pid=*/-1, cpu);
    if (absl::IsNotFound(event.status())) continue;  // went offline just now
    RETURN_IF_ERROR(event.status());
    RETURN_IF_ERROR(events.AddRing(*std::move(event)));
  }
  return events;
}

absl::StatusOr<PerfEvents> PerfEvents::OpenForProcesses(const PerfEventOptions& options,
                                                        const std::vector<pid_t>& pids,
                                                        const std::string& proc_root) {
  ASSIGN_OR_RETURN(const std::vector<int> cpus, OnlineCpus());
  perf_event_attr attributes = Attributes(options);
  // Not inherit_thread, which is of Linux 5.13; a child process's samples are told by their pid.
  attributes.inherit = 1;
  PerfEvents events;
  // The kernel maps the ring of an inherited event only when the event is bound to a CPU: hence one per
  // thread and CPU, all of a CPU into one ring.
  std::vector<int> ring_of_cpu(cpus.size(), -1);
  absl::flat_hash_set<pid_t> opened;
  // Threads that were started while the events of others were being opened turn up in another look.
  for (bool found_new = true; found_new;) {
    found_new = false;
    for (const pid_t pid : pids) {
      for (const pid_t thread : ThreadsOf(pid, proc_root)) {
        if (!opened.insert(thread).second) continue;
        for (size_t i = 0; i < cpus.size(); ++i) {
          absl::StatusOr<UniqueFd> event = OpenPerfEvent(attributes, thread, cpus[i]);
          if (absl::IsNotFound(event.status())) continue;  // the thread has ended, or the CPU went offline
          if (!event.ok()) return OpenError(event.status(), opened.size(), cpus.size());
          found_new = true;
          if (ring_of_cpu[i] < 0) {
            ring_of_cpu[i] = event->get();
            RETURN_IF_ERROR(events.AddRing(*std::move(event)));
          } else if (ioctl(event->get(), PERF_EVENT_IOC_SET_OUTPUT, ring_of_cpu[i]) != 0) {
            return absl::ErrnoToStatus(errno, "joining perf events in one ring buffer");
          } else {
            events.events_.push_back(*std::move(event));
          }
        }
      }
    }
  }
  if (events.events_.empty())
    return absl::NotFoundError(absl::StrCat("no process ", absl::StrJoin(pids, ", ")));
  return events;
}

absl::Status PerfEvents::AddRing(UniqueFd event) {
  ASSIGN_OR_RETURN(PerfRing ring, PerfRing::Map(event.get()));
  rings_.push_back(std::move(ring));
  ring_fds_.push_back(event.get());
  events_.push_back(std::move(event));
  return absl::OkStatus();
}

absl::Status PerfEvents::Enable() const {
  for (const UniqueFd& event : events_) {
    if (ioctl(event.get(), PERF_EVENT_IOC_ENABLE, 0) != 0)
      return absl::ErrnoToStatus(errno, "enabling a perf event");
  }
  return absl::OkStatus();
}

absl::Status PerfEvents::SetPeriods(uint64_t period_ns) const {
  for (const UniqueFd& event : events_) RETURN_IF_ERROR(SetPeriod(event.get(), period_ns));
  return absl::OkStatus();
}

void PerfEvents::Disable() const {
  // Cannot fail for an event that was enabled; closing it ends it in any case.
  for (const UniqueFd& event : events_) static_cast<void>(ioctl(event.get(), PERF_EVENT_IOC_DISABLE, 0));
}

}  // namespace pilotlight::agent
