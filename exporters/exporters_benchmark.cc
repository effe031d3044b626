// Formats of one profile with 50,000 stacks of Go-like names. zlib alone on the same bytes is the yardstick
// for pprof: nothing that writes or reads the format can be faster.
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/gzip.h"
#include "benchmark/benchmark.h"
#include "exporters/folded.h"
#include "exporters/json.h"
#include "exporters/pprof.h"
#include "exporters/svg.h"
#include "profile/flame_graph.h"

namespace pilotlight {
namespace {

constexpr size_t kNodes = 50000;
constexpr size_t kLimit = size_t{1} << 30;

// Every node is a child of one of the last 2,000, so stacks are some 25 deep; every second one has samples.
const Profile& LargeProfile() {
  static const Profile profile = [] {
    Profile made;
    made.period = 10'000'000;
    made.duration = absl::Seconds(10);
    uint64_t state = 1;
    const auto random = [&state](uint64_t below) {
      state = state * 6364136223846793005 + 1442695040888963407;  // Knuth's MMIX generator
      return (state >> 33) % below;
    };
    std::vector<FrameId> frames;
    for (uint32_t i = 0; i < 5000; ++i) {
      const std::string package = absl::StrCat("example.com/shop/service", i % 97);
      frames.push_back(made.trie.InternFrame(
          FrameView{.function = absl::StrCat(package, ".(*Handler", i % 13, ").Process", i),
                    .file = absl::StrCat("/src/", package, "/handler.go"),
                    .mapping = "/usr/bin/shop",
                    .line = i,
                    .kind = FrameKind::kGo,
                    .inlined = i % 5 == 0,
                    .symbolized = true}));
    }
    while (made.trie.node_count() < kNodes) {
      const auto count = static_cast<NodeId>(made.trie.node_count());
      const NodeId parent =
          count < 2000 ? static_cast<NodeId>(random(count)) : count - 1 - static_cast<NodeId>(random(2000));
      const NodeId node = made.trie.Child(parent, frames[random(frames.size())]);
      const uint64_t samples = 1 + random(20);
      if (node % 2 == 0) {
        made.samples.push_back(
            {.node = node, .count = samples, .value = static_cast<int64_t>(samples) * made.period});
      }
    }
    MergeSamples(made.samples);
    return made;
  }();
  return profile;
}

const std::string& PlainPprof() {
  static const std::string bytes = Gunzip(WritePprof(LargeProfile()), kLimit).value();
  return bytes;
}

void SetSize(benchmark::State& state, size_t bytes) { state.counters["bytes"] = static_cast<double>(bytes); }

void BM_WritePprof(benchmark::State& state) {
  std::string bytes;
  for (auto _ : state) bytes = WritePprof(LargeProfile());
  SetSize(state, bytes.size());
}

void BM_GzipOfTheSame(benchmark::State& state) {
  std::string bytes;
  for (auto _ : state) bytes = Gzip(PlainPprof());
  SetSize(state, bytes.size());
}

void BM_ReadPprof(benchmark::State& state) {
  const std::string bytes = WritePprof(LargeProfile());
  for (auto _ : state) benchmark::DoNotOptimize(ReadPprof(bytes).value());
  SetSize(state, bytes.size());
}

void BM_GunzipOfTheSame(benchmark::State& state) {
  const std::string bytes = Gzip(PlainPprof());
  for (auto _ : state) benchmark::DoNotOptimize(Gunzip(bytes, kLimit).value());
  SetSize(state, PlainPprof().size());
}

void BM_WriteFolded(benchmark::State& state) {
  std::string text;
  for (auto _ : state) text = WriteFolded(LargeProfile());
  SetSize(state, text.size());
}

void BM_ReadFolded(benchmark::State& state) {
  const std::string text = WriteFolded(LargeProfile());
  for (auto _ : state) benchmark::DoNotOptimize(ReadFolded(text).value());
  SetSize(state, text.size());
}

// The argument is the limit of nodes; 8192 is the query API's.
void BM_WriteSvg(benchmark::State& state) {
  const FlameGraph graph = BuildFlameGraph(LargeProfile(), static_cast<size_t>(state.range(0)));
  std::string text;
  for (auto _ : state) text = WriteSvg(graph);
  SetSize(state, text.size());
}

void BM_WriteFlameGraphJson(benchmark::State& state) {
  const FlameGraph graph = BuildFlameGraph(LargeProfile(), 8192);
  std::string text;
  for (auto _ : state) text = WriteFlameGraphJson(graph, LargeProfile().type);
  SetSize(state, text.size());
}

BENCHMARK(BM_WritePprof)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_GzipOfTheSame)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_ReadPprof)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_GunzipOfTheSame)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_WriteFolded)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_ReadFolded)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_WriteSvg)->Arg(8192)->Arg(0)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_WriteFlameGraphJson)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pilotlight
