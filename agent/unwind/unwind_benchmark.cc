// What unwind tables cost to make and to keep: those of the largest libraries of this machine.
#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "agent/capture/ebpf/ebpf_source.h"
#include "base/unique_fd.h"
#include "benchmark/benchmark.h"
#include "objfile/elf_file.h"
#include "objfile/unwind_table.h"

namespace pilotlight::agent {
namespace {

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

double PeakMebibytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

std::vector<std::string> LargestLibraries(size_t count) {
  std::vector<std::pair<uintmax_t, std::string>> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(
           "/usr/lib", std::filesystem::directory_options::skip_permission_denied, error)) {
    if (!entry.is_regular_file(error) || entry.is_symlink(error)) continue;
    if (entry.path().filename().string().find(".so") == std::string::npos) continue;
    found.emplace_back(entry.file_size(error), entry.path().string());
  }
  std::ranges::sort(found, std::greater<>());
  std::vector<std::string> paths;
  for (size_t i = 0; i < std::min(count, found.size()); ++i) paths.push_back(found[i].second);
  return paths;
}

void MakeTables(benchmark::State& state) {
  const std::vector<std::string> paths = LargestLibraries(static_cast<size_t>(state.range(0)));
  absl::StatusOr<std::unique_ptr<EbpfSource>> source = EbpfSource::Create();
  if (!source.ok()) return state.SkipWithError(source.status().ToString().c_str());
  UnwindMaps& maps = *(*source)->unwind_maps();
  double text = 0;
  double cpu = 0;
  double libraries = 0;
  for (auto _ : state) {
    maps.Clear();
    std::set<std::string> seen;
    text = 0;
    libraries = 0;
    const double before = CpuSeconds();
    for (const std::string& path : paths) {
      const auto elf = ElfFile::FromFd(UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
      if (!elf.ok() || !seen.insert((*elf)->build_id()).second) continue;
      const auto table = maps.AddTable([&](RowSink sink) { return ReadUnwindTable(**elf, sink).status(); });
      if (!table.ok()) continue;
      ++libraries;
      for (const ElfSegment& segment : (*elf)->segments()) {
        if (segment.executable) text += static_cast<double>(segment.file_size);
      }
    }
    cpu += CpuSeconds() - before;
  }
  const double rows = static_cast<double>(maps.rows());
  constexpr double kMebibyte = 1 << 20;
  state.counters["libraries"] = libraries;
  state.counters["text_MiB"] = text / kMebibyte;
  state.counters["rows"] = rows;
  state.counters["table_MiB"] = static_cast<double>(maps.table_bytes()) / kMebibyte;
  state.counters["bytes/row"] = static_cast<double>(maps.table_bytes()) / rows;
  state.counters["cpu_s/100MiB_text"] =
      cpu / static_cast<double>(state.iterations()) / (text / (100 * kMebibyte));
  state.counters["peak_rss_MiB"] = PeakMebibytes();
}
BENCHMARK(MakeTables)->Arg(10)->Arg(200)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pilotlight::agent
