// What taking a pushed profile costs: unpack, read, check, store durably. The profile is like a busy Go
// program's of 10 s: 60 kB of pprof before gzip.
#include <benchmark/benchmark.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/gzip.h"
#include "collector/ingest/push.h"
#include "collector/store/embedded/embedded_store.h"
#include "exporters/pprof.h"

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

void BM_Push(benchmark::State& state) {
  const std::string bytes = WritePprof(BusyProfile(static_cast<size_t>(state.range(0))));
  const TemporaryDirectory directory;
  EmbeddedStoreOptions options;
  options.path = directory.path() + "/store";
  auto store = EmbeddedStore::Open(options);
  CHECK(store.ok());
  const SystemClock clock;
  prometheus::Registry registry;
  IngestMetrics metrics(registry);
  IngestContext context(**store, {}, clock, metrics);
  PushIngest ingest(context);
  const Labels labels = {{"__name__", "process_cpu"}, {"service_name", "shop"}};
  for (auto _ : state) CHECK(ingest.PushPprof(labels, bytes).ok());
  state.counters["gzipped_bytes"] = static_cast<double>(bytes.size());
  state.counters["bytes"] = static_cast<double>(Gunzip(bytes, size_t{1} << 30)->size());
}
// Of all threads: RocksDB has its own.
BENCHMARK(BM_Push)->Arg(1100)->Arg(5000)->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pilotlight::collector
