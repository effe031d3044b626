// What taking a pushed profile costs: unpack, read, check, store durably. The profile is like a busy Go
// program's of 10 s: 60 kB of pprof before gzip.
#include <benchmark/benchmark.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/gzip.h"
#include "collector/ingest/push.h"
#include "collector/store/embedded/embedded_stores.h"
#include "exporters/pprof.h"
#include "tests/support/otlp_request.h"

namespace pilotlight::collector {
namespace {

// Stacks of some 25 frames, of which most are shared.
Profile BusyProfile(size_t nodes) {
  Profile made;
  made.period = 10'000'000;
  made.duration = absl::Seconds(10);
  made.start = absl::Now() - absl::Minutes(1);
  uint64_t state = 1;
  const auto random = [&state](uint64_t below) {
    state = state * 6364136223846793005 + 1442695040888963407;  // Knuth's MMIX generator
    return (state >> 33) % below;
  };
  while (made.trie.node_count() < nodes) {
    const auto count = static_cast<NodeId>(made.trie.node_count());
    const NodeId parent = count < 40 ? count - 1 : count - 1 - static_cast<NodeId>(random(40));
    const uint64_t number = random(nodes / 3);
    const std::string package = absl::StrCat("example.com/shop/service", number % 37);
    const NodeId node = made.trie.Child(
        parent,
        made.trie.InternFrame(FrameView{.function = absl::StrCat(package, ".(*Handler).Process", number),
                                        .file = absl::StrCat("/src/", package, "/handler.go"),
                                        .mapping = "/usr/bin/shop",
                                        .line = static_cast<uint32_t>(number),
                                        .kind = FrameKind::kGo,
                                        .symbolized = true}));
    if (node % 3 == 0) made.samples.push_back({.node = node, .count = 1, .value = made.period});
  }
  MergeSamples(made.samples);
  return made;
}

// The same as an OTLP request.
std::string ToOtlp(const Profile& profile) {
  OtlpRequest request;
  request.SetAttribute("service.name", "shop");
  OtlpRequest::Profile& made = request.AddProfile("samples", "count");
  request.SetPeriod(made, "cpu", "nanoseconds", profile.period);
  made.set_time_unix_nano(static_cast<uint64_t>(absl::ToUnixNanos(profile.start)));
  made.set_duration_nano(static_cast<uint64_t>(absl::ToInt64Nanoseconds(profile.duration)));
  std::map<FrameId, int32_t> locations;
  for (const Sample& sample : profile.samples) {
    std::vector<int32_t> stack;
    for (const FrameId id : profile.trie.Stack(sample.node)) {
      int32_t& location = locations[id];
      if (location == 0) location = request.Location({std::string(profile.trie.view(id).function)});
      stack.insert(stack.begin(), location);
    }
    OtlpRequest::AddSample(made, request.Stack(stack), {static_cast<int64_t>(sample.count)});
  }
  return request.Current();
}

// `push` is called over and over, with a store of its own.
template <typename Push>
void Measure(benchmark::State& state, const Push& push) {
  const TemporaryDirectory directory;
  EmbeddedStoreOptions options;
  options.path = directory.path() + "/store";
  auto stores = EmbeddedStores::Open(options);
  CHECK(stores.ok());
  const SystemClock clock;
  prometheus::Registry registry;
  IngestMetrics metrics(registry);
  IngestContext context(**stores, {}, clock, metrics);
  PushIngest ingest(context);
  for (auto _ : state) CHECK(push(ingest));
}

void BM_Push(benchmark::State& state) {
  const std::string bytes = WritePprof(BusyProfile(static_cast<size_t>(state.range(0))));
  const Labels labels = {{"__name__", "process_cpu"}, {"service_name", "shop"}};
  Measure(state, [&](PushIngest& ingest) { return ingest.PushPprof("anonymous", labels, bytes).ok(); });
  state.counters["gzipped_bytes"] = static_cast<double>(bytes.size());
  state.counters["bytes"] = static_cast<double>(Gunzip(bytes, size_t{1} << 30)->size());
}
// Of all threads: RocksDB has its own.
BENCHMARK(BM_Push)->Arg(1100)->Arg(5000)->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);

void BM_PushOtlp(benchmark::State& state) {
  const std::string bytes = ToOtlp(BusyProfile(static_cast<size_t>(state.range(0))));
  Measure(state, [&](PushIngest& ingest) { return ingest.PushOtlp("anonymous", bytes, "").ok(); });
  state.counters["bytes"] = static_cast<double>(bytes.size());
}
BENCHMARK(BM_PushOtlp)->Arg(1100)->Arg(5000)->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pilotlight::collector
