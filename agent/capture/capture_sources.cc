#include "agent/capture/capture_sources.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/capture/ebpf/ebpf_source.h"
#include "agent/capture/perf/perf_source.h"
#include "base/status_macros.h"
#include "spdlog/spdlog.h"

namespace pilotlight::agent {
namespace {

absl::StatusOr<std::unique_ptr<CaptureSource>> CreateEbpf(bool off_cpu) {
  if (off_cpu) {
    absl::StatusOr<std::unique_ptr<CaptureSource>> with_off_cpu =
        EbpfSource::Create(/*limits=*/{}, /*off_cpu=*/true);
    if (with_off_cpu.ok()) return with_off_cpu;
    spdlog::warn("no off-CPU profiles: {}", std::string(with_off_cpu.status().message()));
  }
  ASSIGN_OR_RETURN(std::unique_ptr<CaptureSource> source, EbpfSource::Create());
  return source;
}

absl::StatusOr<std::unique_ptr<CaptureSource>> CreatePerf(CaptureScope scope) {
  ASSIGN_OR_RETURN(std::unique_ptr<PerfSource> source, PerfSource::Create());
  if (scope == CaptureScope::kNode) RETURN_IF_ERROR(source->node_access());
  return source;
}

}  // namespace

absl::StatusOr<CaptureSourceChoice> CreateCaptureSource(absl::string_view name, CaptureScope scope,
                                                        bool off_cpu) {
  if (name != "auto" && name != "ebpf" && name != "perf") {
    return absl::InvalidArgumentError(
        absl::StrCat("capture source \"", name, "\": must be auto, ebpf or perf"));
  }
  std::string passed_over;
  if (name != "perf") {
    absl::StatusOr<std::unique_ptr<CaptureSource>> ebpf = CreateEbpf(off_cpu);
    if (ebpf.ok()) return CaptureSourceChoice{.source = *std::move(ebpf), .passed_over = ""};
    if (name == "ebpf") return ebpf.status();
    passed_over = absl::StrCat("ebpf: ", ebpf.status().message());
  }
  absl::StatusOr<std::unique_ptr<CaptureSource>> perf = CreatePerf(scope);
  if (perf.ok())
    return CaptureSourceChoice{.source = *std::move(perf), .passed_over = std::move(passed_over)};
  if (name == "perf") return perf.status();
  return absl::Status(perf.status().code(), absl::StrCat("no capture source works: ", passed_over,
                                                         "; perf: ", perf.status().message()));
}

}  // namespace pilotlight::agent
