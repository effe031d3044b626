#include "agent/capture/perf_event.h"

#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace pilotlight::agent {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int kMaxFrequencyHz = 1000;
constexpr int kMaxCpu = 65535;  // above any NR_CPUS

std::string WhyPermissionDenied(pid_t pid) {
  const std::string missing = MissingCapabilities({kCapPerfmon});
  if (missing.empty()) return "refused although the capability is there (seccomp, or kernel lockdown?)";
  if (pid == -1) return absl::StrCat("needs ", missing, " or kernel.perf_event_paranoid=0");
  return absl::StrCat("needs ", missing,
                      ", or the process must be one's own and kernel.perf_event_paranoid at most 2");
}

}  // namespace

perf_event_attr CpuClockAttributes(uint64_t period_ns) {
  perf_event_attr attributes{};
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.size = sizeof(attributes);
  attributes.config = PERF_COUNT_SW_CPU_CLOCK;
  // A period and not a frequency: the kernel turns one into the other for this clock, but checks only
  // frequencies against kernel.perf_event_max_sample_rate, which it lowers by itself under load.
  attributes.sample_period = period_ns;
  attributes.disabled = 1;
  attributes.exclude_idle = 1;
  attributes.exclude_guest = 1;
  attributes.exclude_hv = 1;
  return attributes;
}

absl::Status SetPeriod(int event_fd, uint64_t period_ns) {
  if (ioctl(event_fd, PERF_EVENT_IOC_PERIOD, &period_ns) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "setting the period of a perf event");
}

int64_t CpuClockPeriodNs(int frequency_hz) { return kNsPerSecond / frequency_hz; }

absl::Status CheckFrequency(int frequency_hz) {
  if (frequency_hz >= 1 && frequency_hz <= kMaxFrequencyHz) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("sampling frequency of ", frequency_hz, " Hz: must be from 1 to ", kMaxFrequencyHz));
}

absl::StatusOr<UniqueFd> OpenPerfEvent(const perf_event_attr& attributes, pid_t pid, int cpu) {
  constexpr int kNoGroup = -1;
  const long fd = syscall(SYS_perf_event_open, &attributes, pid, cpu, kNoGroup, PERF_FLAG_FD_CLOEXEC);
  if (fd >= 0) return UniqueFd(static_cast<int>(fd));
  const int error = errno;
  const std::string subject =
      absl::StrCat("perf event of ", pid == -1 ? "all processes" : absl::StrCat("process ", pid),
                   cpu == -1 ? "" : absl::StrCat(" on CPU ", cpu), ": ");
  if (error == EACCES || error == EPERM) {
    return absl::PermissionDeniedError(absl::StrCat(subject, WhyPermissionDenied(pid)));
  }
  return absl::ErrnoToStatus(error == ENODEV || error == ESRCH ? ENOENT : error,
                             absl::StrCat(subject, std::strerror(error)));
}

absl::StatusOr<std::vector<int>> OnlineCpus(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  ASSIGN_OR_RETURN(std::vector<int> cpus, ParseCpuList(absl::StripSuffix(text, "\n")));
  return cpus;
}

absl::StatusOr<std::vector<int>> ParseCpuList(absl::string_view text) {
  std::vector<int> cpus;
  for (const absl::string_view range : absl::StrSplit(text, ',')) {
    const std::pair<absl::string_view, absl::string_view> ends =
        absl::StrSplit(range, absl::MaxSplits('-', 1));
    int first = 0;
    int last = 0;
    const bool single = ends.first.size() == range.size();
    if (!absl::SimpleAtoi(ends.first, &first) ||
        !absl::SimpleAtoi(single ? ends.first : ends.second, &last) || first < 0 || last < first ||
        last > kMaxCpu || (!cpus.empty() && first <= cpus.back())) {
      return absl::InvalidArgumentError(absl::StrCat("not a list of CPUs: \"", text, "\""));
    }
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
  }
  return cpus;
}

uint32_t MaxStackFrames(const std::string& path) {
  constexpr uint32_t kDefault = 127;
  const absl::StatusOr<std::string> text = ReadFile(path);
  uint32_t frames = 0;
  return text.ok() && absl::SimpleAtoi(*text, &frames) && frames > 0 ? frames : kDefault;
}

std::string MissingCapabilities(std::initializer_list<Capability> wanted, const std::string& status_path) {
  uint64_t effective = 0;
  const absl::StatusOr<std::string> status = ReadFile(status_path);
  if (status.ok()) {
    for (absl::string_view line : absl::StrSplit(*status, '\n')) {
      if (!absl::ConsumePrefix(&line, "CapEff:\t")) continue;
      std::from_chars(line.data(), line.data() + line.size(), effective, 16);
    }
  }
  const auto has = [effective](const Capability& capability) {
    return (effective >> capability.bit & 1) != 0;
  };
  std::vector<absl::string_view> missing;
  for (const Capability& capability : wanted) {
    if (!has(capability) && !has(kCapSysAdmin)) missing.push_back(capability.name);
  }
  return absl::StrJoin(missing, " and ");
}

}  // namespace pilotlight::agent
