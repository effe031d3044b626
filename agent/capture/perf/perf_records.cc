#include "agent/capture/perf/perf_records.h"

#include <linux/perf_event.h>

#include <cstring>

namespace pilotlight::agent {
namespace {

// A call chain is sections of frames, each behind a marker that says in which context they ran.
StackView SplitCallChain(absl::Span<const uint64_t> chain, uint32_t frame_limit) {
  StackView stack;
  size_t frames = 0;
  size_t at = 0;
  while (at < chain.size()) {
    const uint64_t marker = chain[at];
    size_t end = at + 1;
    while (end < chain.size() && chain[end] < PERF_CONTEXT_MAX) ++end;
    const absl::Span<const uint64_t> section = chain.subspan(at + 1, end - at - 1);
    // Frames without a marker, and of virtual machines, belong to nothing that can be named.
    if (marker == PERF_CONTEXT_KERNEL && stack.kernel.empty()) stack.kernel = section;
    if (marker == PERF_CONTEXT_USER && stack.user.empty()) stack.user = section;
    frames += section.size();
    at = end;
  }
  stack.truncated = frames >= frame_limit;
  return stack;
}

PerfRecord ParseSample(absl::Span<const uint64_t> body, uint32_t frame_limit) {
  // { u32 pid, tid; u64 nr; u64 ips[nr]; }
  if (body.size() < 2 || body[1] > body.size() - 2) return PerfMalformed{};
  int32_t pid = 0;
  std::memcpy(&pid, body.data(), sizeof(pid));
  return PerfSample{.pid = pid, .stack = SplitCallChain(body.subspan(2, body[1]), frame_limit)};
}

}  // namespace

PerfRecord ParsePerfRecord(absl::Span<const uint64_t> record, uint32_t frame_limit) {
  if (record.empty()) return PerfMalformed{};
  perf_event_header header;
  std::memcpy(&header, record.data(), sizeof(header));
  const absl::Span<const uint64_t> body = record.subspan(1);
  switch (header.type) {
    case PERF_RECORD_SAMPLE:
      return ParseSample(body, frame_limit);
    case PERF_RECORD_LOST:  // { u64 id; u64 lost; }
      if (body.size() < 2) return PerfMalformed{};
      return PerfLost{.records = body[1]};
    default:
      return PerfOther{};
  }
}

}  // namespace pilotlight::agent
