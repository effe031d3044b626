// What a window costs the agent from the end of its capture to the wire, without the network itself.
#include <benchmark/benchmark.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "agent/uplink/spool.h"
#include "agent/uplink/spool_record.h"
#include "base/file.h"
#include "pilotlight/v1/profile.pb.h"
#include "profile/wire.h"
#include "tests/support/windows.h"

namespace pilotlight::agent {
namespace {

constexpr int kStacks = 200;
constexpr int kDepth = 23;

// Stacks that share their outer half, with names as long as Go's usually are.
Window BusyWindow(uint64_t variant) {
  Window window = MakeWindow("shop");
  window.agent = "0123456789abcdef0123456789abcdef";
  window.boot = "0123456789abcdef";
  window.sequence = 1;
  Series& series = window.series[0];
  series.samples.clear();
  for (uint64_t stack = 0; stack < kStacks; ++stack) {
    NodeId node = StackTrie::kRoot;
    for (uint64_t depth = 0; depth < kDepth; ++depth) {
      const uint64_t function = depth * 31 + (depth < kDepth / 2 ? stack % 8 : (stack + variant) % 97);
      node = window.trie.Child(
          node,
          window.trie.InternFrame(FrameView{
              .function = absl::StrCat("github.com/example/shop/internal/handlers.(*Server).call", function),
              .file = absl::StrCat("/src/shop/internal/handlers/file", function % 60, ".go"),
              .mapping = "shop",
              .line = static_cast<uint32_t>(function),
              .kind = FrameKind::kGo,
              .symbolized = true}));
    }
    series.samples.push_back({node, stack % 7 + 1, static_cast<int64_t>(stack % 7 + 1) * series.period});
  }
  MergeSamples(series.samples);
  return window;
}

void BM_EncodeSpoolRecord(benchmark::State& state) {
  const Window window = BusyWindow(0);
  size_t bytes = 0;
  for (auto _ : state) bytes = EncodeSpoolRecord(window, size_t{1} << 24)->size();
  state.counters["record_bytes"] = static_cast<double>(bytes);
  state.counters["plain_bytes"] = static_cast<double>(SerializeWindow(window).size());
}
BENCHMARK(BM_EncodeSpoolRecord);

void BM_DecodeSpoolRecord(benchmark::State& state) {
  const std::string record = EncodeSpoolRecord(BusyWindow(0), size_t{1} << 24).value();
  for (auto _ : state) benchmark::DoNotOptimize(DecodeSpoolRecord(record, size_t{1} << 24));
}
BENCHMARK(BM_DecodeSpoolRecord);

// The stream has seen the names, as after the first minutes.
void BM_EncodeForTheStream(benchmark::State& state) {
  const Window window = BusyWindow(0);
  WindowEncoder encoder;
  v1::Window message;
  encoder.Encode(window, message);
  for (auto _ : state) encoder.Encode(window, message);
  state.counters["message_bytes"] = static_cast<double>(message.ByteSizeLong());
}
BENCHMARK(BM_EncodeForTheStream);

// All of it, syncs included: CPU time is what counts, the time on the wall is the disk's.
void BM_WindowThroughTheSpool(benchmark::State& state) {
  const TemporaryDirectory directory;
  SpoolOptions options;
  options.directory = directory.path();
  const auto spool = Spool::Open(options).value();
  WindowEncoder encoder;
  v1::Window message;
  for (auto _ : state) {
    state.PauseTiming();
    Window window = BusyWindow(0);
    state.ResumeTiming();
    spool->BeginWindow();
    spool->Commit(std::move(window));
    const auto spooled = spool->NextAfter(0);
    encoder.Encode(spooled->window, message);
    benchmark::DoNotOptimize(message.SerializeAsString());
    spool->Remove(spooled->position);
  }
}
BENCHMARK(BM_WindowThroughTheSpool);

}  // namespace
}  // namespace pilotlight::agent
