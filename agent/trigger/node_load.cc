#include "agent/trigger/node_load.h"

#include <unistd.h>

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace pilotlight::agent {
namespace {

// Of the line "cpu": user nice system idle iowait irq softirq.
constexpr size_t kUser = 0;
constexpr size_t kNice = 1;
constexpr size_t kSystem = 2;
constexpr size_t kIrq = 5;
constexpr size_t kSoftirq = 6;

std::vector<uint64_t> Numbers(absl::string_view text) {
  std::vector<uint64_t> numbers;
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    uint64_t number = 0;
    if (!absl::SimpleAtoi(word, &number)) break;
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace

absl::StatusOr<NodeLoad> ParseStat(absl::string_view text, int64_t ticks_per_second) {
  NodeLoad load;
  bool has_cpu = false;
  bool has_running = false;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::ConsumePrefix(&line, "cpu ")) {
      const std::vector<uint64_t> ticks = Numbers(line);
      if (ticks.size() <= kSoftirq) break;
      const uint64_t busy = ticks[kUser] + ticks[kNice] + ticks[kSystem] + ticks[kIrq] + ticks[kSoftirq];
      load.busy = absl::Seconds(static_cast<double>(busy) / static_cast<double>(ticks_per_second));
      has_cpu = true;
    } else if (absl::ConsumePrefix(&line, "procs_running ")) {
      has_running = absl::SimpleAtoi(line, &load.running);
      break;
    }
  }
  if (!has_cpu || !has_running) return absl::InvalidArgumentError("/proc/stat lacks cpu or procs_running");
  return load;
}

absl::StatusOr<absl::Duration> ParseSchedstat(absl::string_view text) {
  absl::Duration waited;
  bool has_cpu = false;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::StartsWith(line, "cpu")) continue;
    const std::vector<uint64_t> numbers = Numbers(line.substr(std::min(line.find(' '), line.size())));
    // The last three: time run, time waited, time slices; both times in nanoseconds.
    if (numbers.size() < 3)
      return absl::InvalidArgumentError(absl::StrCat("/proc/schedstat has \"", line, "\""));
    waited += absl::Nanoseconds(static_cast<int64_t>(numbers[numbers.size() - 2]));
    has_cpu = true;
  }
  if (!has_cpu) return absl::InvalidArgumentError("/proc/schedstat has no CPU");
  return waited;
}

absl::StatusOr<NodeLoad> ReadNodeLoad(const std::string& proc_root) {
  ASSIGN_OR_RETURN(const std::string stat, ReadFile(absl::StrCat(proc_root, "/stat")));
  ASSIGN_OR_RETURN(NodeLoad load, ParseStat(stat, sysconf(_SC_CLK_TCK)));
  if (const auto schedstat = ReadFile(absl::StrCat(proc_root, "/schedstat")); schedstat.ok()) {
    ASSIGN_OR_RETURN(load.waited, ParseSchedstat(*schedstat));
  }
  return load;
}

}  // namespace pilotlight::agent
