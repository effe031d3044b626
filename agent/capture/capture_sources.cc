#include "agent/capture/capture_sources.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/capture/ebpf/ebpf_source.h"

namespace pilotlight::agent {

absl::StatusOr<CaptureSourceChoice> CreateCaptureSource(absl::string_view name) {
  if (name != "auto" && name != "ebpf") {
    return absl::InvalidArgumentError(absl::StrCat("capture source \"", name, "\": must be auto or ebpf"));
  }
  absl::StatusOr<std::unique_ptr<EbpfSource>> source = EbpfSource::Create();
  if (!source.ok()) return source.status();
  return CaptureSourceChoice{.source = *std::move(source), .passed_over = ""};
}

}  // namespace pilotlight::agent
