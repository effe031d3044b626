// What storing and merging profiles cost. Each figure is for 200 services with about 195 stacks a window,
// some 30 frames deep, of a pool of 2,000 (tests/load/fleet_windows.h).
// The baseline reads the same windows as protobuf messages and merges them stack by stack in a hash map.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/file.h"
#include "collector/store/embedded/embedded_store.h"
#include "profile/wire.h"
#include "tests/load/fleet_windows.h"

namespace pilotlight::collector {
namespace {

constexpr size_t kServices = 200;
constexpr int64_t kHours = 6;
const absl::Time kStart = absl::FromCivil(absl::CivilHour(2026, 3, 10, 12), absl::UTCTimeZone());

// Makes the same windows in each run, all services in each.
class Workload {
 public:
  explicit Workload(size_t services) : windows_(Options(services)) {}

  const Window& Draw(uint64_t sequence, absl::Time start) {
    windows_.Draw(/*agent=*/0, sequence, window_);
    window_.start = start;
    return window_;
  }

 private:
  static load::FleetOptions Options(size_t services) {
    load::FleetOptions options;
    options.agents = 1;
    options.services = services;
    return options;
  }

  const load::FleetWindows windows_;
  Window window_;
};

struct Fixture {
  TemporaryDirectory directory;
  std::unique_ptr<EmbeddedStore> store;

  Fixture() {
    EmbeddedStoreOptions options;
    options.path = directory.path();
    options.merge_cache_bytes = 0;  // each question as if it were new
    auto opened = EmbeddedStore::Open(options);
    CHECK(opened.ok());  // a fresh temporary directory
    store = *std::move(opened);
  }
  void Append(const Window& window) { CHECK(store->Append(window).ok()); }
};

// Six hours of windows of one minute, all services in each: filled once for all questions.
Fixture& SixHours() {
  static Fixture* const fixture = [] {
    auto* filled = new Fixture;  // lives as long as the program
    Workload workload(kServices);
    for (int64_t minute = 0; minute < kHours * 60; ++minute) {
      filled->Append(workload.Draw(static_cast<uint64_t>(minute + 1), kStart + absl::Minutes(minute)));
    }
    return filled;
  }();
  return *fixture;
}

StoreSelection Select(int64_t minutes, bool one_service) {
  StoreSelection selection;
  selection.span = {kStart + absl::Hours(kHours) - absl::Minutes(minutes), kStart + absl::Hours(kHours)};
  if (one_service) selection.matchers = *ParseSelector(R"({service="service-77"})");
  return selection;
}

// Windows of `range(0)` services each; time is per window, "per_profile" per service in it.
void BM_Append(benchmark::State& state) {
  const auto services = static_cast<size_t>(state.range(0));
  Fixture fixture;
  Workload workload(services);
  uint64_t sequence = 0;
  for (auto _ : state) {
    state.PauseTiming();
    ++sequence;
    const auto minute = static_cast<int64_t>(sequence % 600);
    const Window& window = workload.Draw(sequence, kStart + absl::Minutes(minute));
    state.ResumeTiming();
    fixture.Append(window);
  }
  const auto profiles = static_cast<double>(state.iterations()) * static_cast<double>(services);
  state.counters["cpu_per_profile"] =
      benchmark::Counter(profiles, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["profiles/s"] = benchmark::Counter(profiles, benchmark::Counter::kIsRate);
}
BENCHMARK(BM_Append)->Arg(1)->Arg(200)->MeasureProcessCPUTime()->Unit(benchmark::kMicrosecond);

// Not a time: bytes on disk for each profile, as they lie after six hours and after compaction.
void BM_DiskBytesPerProfile(benchmark::State& state) {
  Fixture& fixture = SixHours();
  const double profiles = static_cast<double>(kServices) * kHours * 60;
  for (auto _ : state) {
    state.counters["before"] = static_cast<double>(fixture.store->counters().disk_bytes) / profiles;
    CHECK(fixture.store->Compact().ok());
    state.counters["compacted"] = static_cast<double>(fixture.store->counters().disk_bytes) / profiles;
  }
}
BENCHMARK(BM_DiskBytesPerProfile)->Iterations(1)->Unit(benchmark::kMillisecond);

void BM_Merge(benchmark::State& state, bool one_service) {
  Fixture& fixture = SixHours();
  const StoreSelection selection = Select(state.range(0), one_service);
  uint64_t nodes = 0;
  for (auto _ : state) {
    const auto merged = fixture.store->Merge(selection, {});
    CHECK(merged.ok() && merged->coverage.windows > 0);
    nodes = merged->profile.trie.node_count();
  }
  state.counters["nodes"] = static_cast<double>(nodes);
}
BENCHMARK_CAPTURE(BM_Merge, OneService, true)->Arg(15)->Arg(60)->Arg(360)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_Merge, AllServices, false)->Arg(15)->Arg(60)->Arg(360)->Unit(benchmark::kMillisecond);

// The baseline: each window's protobuf parsed, its stacks joined into text and added up in a hash map.
void BM_MergeProtobuf(benchmark::State& state) {
  Workload workload(1);
  std::vector<std::string> messages;
  for (uint64_t minute = 0; minute < 15; ++minute) {
    messages.push_back(SerializeWindow(workload.Draw(minute + 1, kStart)));
  }
  for (auto _ : state) {
    absl::flat_hash_map<std::string, uint64_t> sums;
    for (int64_t i = 0; i < state.range(0); ++i) {
      const auto window = ParseWindow(messages[static_cast<size_t>(i) % messages.size()]);
      CHECK(window.ok());
      for (const Sample& sample : window->series[0].samples) {
        std::string stack;
        for (const FrameId frame : window->trie.Stack(sample.node)) {
          absl::StrAppend(&stack, window->trie.view(frame).function, ";");
        }
        sums[stack] += sample.count;
      }
    }
    benchmark::DoNotOptimize(sums);
  }
  state.counters["message_bytes"] = static_cast<double>(messages[0].size());
}
BENCHMARK(BM_MergeProtobuf)
    ->Name("BM_MergeProtobuf/OneService")
    ->Arg(15)
    ->Arg(60)
    ->Arg(360)
    ->Unit(benchmark::kMicrosecond);

void BM_SeriesByService(benchmark::State& state) {
  Fixture& fixture = SixHours();
  const StoreSelection selection = Select(state.range(0), /*one_service=*/false);
  for (auto _ : state) {
    const auto series =
        fixture.store->SelectSeries(selection, absl::Minutes(5), {"service_name"}, nullptr, {});
    CHECK(series.ok() && series->size() == kServices);
  }
}
BENCHMARK(BM_SeriesByService)->Arg(60)->Arg(360)->Unit(benchmark::kMillisecond);

void BM_LabelValues(benchmark::State& state) {
  Fixture& fixture = SixHours();
  const TimeSpan span = Select(state.range(0), /*one_service=*/false).span;
  for (auto _ : state) {
    const auto values = fixture.store->LabelValues("pod", span, {}, {});
    CHECK(values.ok() && values->size() == kServices);
  }
}
BENCHMARK(BM_LabelValues)->Arg(60)->Arg(360)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pilotlight::collector
