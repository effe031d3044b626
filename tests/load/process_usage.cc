#include "tests/load/process_usage.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"

namespace pilotlight::load {

absl::Duration ProcessCpu(pid_t pid) {
  const std::string stat = ReadFile(absl::StrCat("/proc/", pid, "/stat")).value_or("");
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return absl::ZeroDuration();
  const std::vector<std::string> fields = absl::StrSplit(stat.substr(name_end + 2), ' ');
  constexpr size_t kUserTime = 11;
  return absl::Seconds((std::atof(fields[kUserTime].c_str()) + std::atof(fields[kUserTime + 1].c_str())) /
                       static_cast<double>(::sysconf(_SC_CLK_TCK)));
}

absl::Duration OwnCpu() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

ProcessMemory MemoryOf(pid_t pid) {
  const std::string status = ReadFile(absl::StrCat("/proc/", pid, "/status")).value_or("");
  const auto bytes = [&status](absl::string_view field) -> uint64_t {
    const size_t at = status.find(field.data(), 0, field.size());
    return at == std::string::npos ? 0
                                   : std::strtoull(status.c_str() + at + field.size(), nullptr, 10) * 1024;
  };
  return {bytes("VmRSS:"), bytes("VmHWM:")};
}

void ResetMaxRss(pid_t pid) { std::ofstream(absl::StrCat("/proc/", pid, "/clear_refs")) << "5"; }

uint64_t DirectoryBytes(const std::string& path) {
  uint64_t bytes = 0;
  std::error_code gone;  // a file that is removed meanwhile
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path, gone)) {
    struct stat info {};
    if (::stat(entry.path().c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
      bytes += static_cast<uint64_t>(info.st_blocks) * 512;
    }
  }
  return bytes;
}

void RaiseFileLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace pilotlight::load
