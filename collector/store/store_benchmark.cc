// What storing and merging profiles cost. Each figure is for 200 services with about 194 stacks a window,
// some 20 frames deep, from stacks of known popularity that keep turning up new ones, as real programs do.
// The baseline reads the same windows as protobuf messages and merges them stack by stack in a hash map.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/file.h"
#include "collector/store/embedded/embedded_store.h"
#include "profile/wire.h"

namespace pilotlight::collector {
namespace {

constexpr size_t kServices = 200;
constexpr size_t kStacks = 194;
constexpr size_t kPoolStacks = 600;
constexpr int64_t kHours = 6;
const absl::Time kStart = absl::FromCivil(absl::CivilHour(2026, 3, 10, 12), absl::UTCTimeZone());

// Makes the same windows in each run: one window with all stacks in its trie, whose series are drawn anew.
class Workload {
 public:
  explicit Workload(size_t services) {
    window_.agent = "agent";
    window_.boot = "boot";
    window_.duration = absl::Seconds(10);
    window_.interval = absl::Seconds(60);
    for (size_t service = 0; service < services; ++service) {
      std::vector<NodeId>& stacks = stacks_.emplace_back();
      for (size_t stack = 0; stack < kPoolStacks; ++stack) stacks.push_back(AddStack(service));
    }
  }

  const Window& Draw(uint64_t sequence, absl::Time start) {
    window_.sequence = sequence;
    window_.start = start;
    window_.series.clear();
    for (size_t service = 0; service < stacks_.size(); ++service) DrawSeries(service);
    return window_;
  }

 private:
  size_t Pick(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random_); }

  // The first frames are the same for all stacks, the last ones are seldom so.
  NodeId AddStack(size_t service) {
    NodeId node = StackTrie::kRoot;
    const size_t depth = 15 + Pick(10);
    for (size_t i = 0; i < depth; ++i) {
      const std::string function = i < 3 ? absl::StrCat("net/http.(*conn).serve.func", i)
                                         : absl::StrCat("example.com/service", service, "/internal/package",
                                                        i, ".(*Handler).method", Pick(2 + 3 * i));
      node = window_.trie.Child(
          node, window_.trie.InternFrame(FrameView{.function = function,
                                                   .file = "/go/src/example.com/handler.go",
                                                   .mapping = "server",
                                                   .line = static_cast<uint32_t>(function.size() * 7),
                                                   .kind = FrameKind::kGo,
                                                   .symbolized = true}));
    }
    return node;
  }

  // A quarter of the stacks make most of the samples; now and then a rare one turns up.
  void DrawSeries(size_t service) {
    Series& series = window_.series.emplace_back();
    series.labels = {{"service_name", absl::StrCat("service-", service)},
                     {"namespace", "shop"},
                     {"pod", absl::StrCat("service-", service, "-7f9c6d5b4-x2x4z")},
                     {"node", "node-1"}};
    series.period = 10'101'010;
    std::exponential_distribution<double> popularity(4.0 / kPoolStacks);
    std::vector<bool> taken(kPoolStacks);
    while (series.samples.size() < kStacks) {
      const auto stack = static_cast<size_t>(popularity(random_));
      if (stack >= kPoolStacks || taken[stack]) continue;
      taken[stack] = true;
      const uint64_t count = 1 + Pick(stack < kPoolStacks / 20 ? 30 : 3);
      series.samples.push_back({stacks_[service][stack], count, static_cast<int64_t>(count) * series.period});
    }
    MergeSamples(series.samples);
  }

  std::mt19937 random_{42};
  Window window_;
  std::vector<std::vector<NodeId>> stacks_;
};

struct Fixture {
  TemporaryDirectory directory;
  std::unique_ptr<EmbeddedStore> store;

  Fixture() {
    EmbeddedStoreOptions options;
    options.path = directory.path();
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
    const auto merged = fixture.store->Merge(selection);
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
    const auto series = fixture.store->SelectSeries(selection, absl::Minutes(5), {"service_name"}, nullptr);
    CHECK(series.ok() && series->size() == kServices);
  }
}
BENCHMARK(BM_SeriesByService)->Arg(60)->Arg(360)->Unit(benchmark::kMillisecond);

void BM_LabelValues(benchmark::State& state) {
  Fixture& fixture = SixHours();
  const TimeSpan span = Select(state.range(0), /*one_service=*/false).span;
  for (auto _ : state) {
    const auto values = fixture.store->LabelValues("pod", span, {});
    CHECK(values.ok() && values->size() == kServices);
  }
}
BENCHMARK(BM_LabelValues)->Arg(60)->Arg(360)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pilotlight::collector
