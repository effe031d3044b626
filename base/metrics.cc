#include "base/metrics.h"

#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/file.h"
#include "base/version.h"

namespace pilotlight {
namespace {

void AppendMetric(std::string& text, absl::string_view name, absl::string_view type, absl::string_view help,
                  double value) {
  // Not six digits, as StrCat has: a start time needs ten.
  char number[32];
  std::snprintf(number, sizeof(number), "%.17g", value);
  absl::StrAppend(&text, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n", name, " ", number,
                  "\n");
}

}  // namespace

void AddBuildInfo(prometheus::Registry& registry, absl::string_view program) {
  prometheus::BuildGauge()
      .Name("pilotlight_build_info")
      .Help("Always 1; the labels tell the program and its version.")
      .Register(registry)
      .Add({{"program", std::string(program)}, {"version", std::string(kVersion)}})
      .Set(1);
}

std::string RenderProcessMetrics() {
  std::string text;
  // Fields are counted after the command's name, which may hold spaces: proc(5), /proc/pid/stat.
  const std::string stat = ReadFile("/proc/self/stat").value_or("");
  const std::vector<std::string> fields =
      absl::StrSplit(absl::string_view(stat).substr(stat.rfind(')') + 1), ' ', absl::SkipEmpty());
  constexpr size_t kUserTime = 11;
  constexpr size_t kSystemTime = 12;
  constexpr size_t kStartTime = 19;
  constexpr size_t kResidentPages = 21;
  if (fields.size() > kResidentPages) {
    const auto ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
    const auto number = [&fields](size_t i) {
      double value = 0;
      return absl::SimpleAtod(fields[i], &value) ? value : 0;
    };
    AppendMetric(text, "process_cpu_seconds_total", "counter", "User and system CPU time spent in seconds.",
                 (number(kUserTime) + number(kSystemTime)) / ticks_per_second);
    AppendMetric(text, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
                 number(kResidentPages) * static_cast<double>(::sysconf(_SC_PAGESIZE)));
    const std::string uptime = ReadFile("/proc/uptime").value_or("");
    double up_seconds = 0;
    if (absl::SimpleAtod(absl::string_view(uptime).substr(0, uptime.find(' ')), &up_seconds)) {
      AppendMetric(text, "process_start_time_seconds", "gauge",
                   "Start time of the process since the Unix epoch in seconds.",
                   absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()) - up_seconds +
                       number(kStartTime) / ticks_per_second);
    }
  }
  std::error_code error;
  size_t open_fds = 0;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", error), end; !error && entry != end;
       entry.increment(error)) {
    ++open_fds;
  }
  AppendMetric(text, "process_open_fds", "gauge", "Number of open file descriptors.",
               static_cast<double>(open_fds));
  return text;
}

HttpResponse RenderMetrics(const prometheus::Registry& registry) {
  HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = prometheus::TextSerializer().Serialize(registry.Collect()) + RenderProcessMetrics();
  return response;
}

}  // namespace pilotlight
