#include "agent/fold/window_builder.h"

#include <gmock/gmock.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "tests/support/fake_proc.h"
#include "tests/support/stacks.h"

namespace pilotlight::agent {
namespace {

using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr int64_t kPeriod = 1000;
constexpr char kMaps[] = "1000-2000 r-xp 00000000 fd:01 9 /usr/bin/app\n";

// "u1010" for a user address, "r1010" for a return address, "k…" for the kernel's. An address in `inlined`
// yields two frames; one without a mapping yields "[unknown]".
class FakeSymbolizer : public Symbolizer {
 public:
  void SymbolizeUser(const Process& process, uint64_t address, bool is_return_address, StackTrie& trie,
                     std::vector<FrameId>& frames) override {
    ++calls;
    if (process.maps.Find(address) == nullptr) {
      frames.push_back(trie.InternFrame(FrameView{.function = "[unknown]"}));
      return;
    }
    if (!is_return_address && address == kTrampoline) {
      Append("__restore_rt", trie, frames);
      return;
    }
    if (address == kGoRoot || address == kMcall) {
      frames.push_back(
          trie.InternFrame(FrameView{.function = address == kMcall ? "runtime.mcall" : "runtime.mstart",
                                     .kind = FrameKind::kGo,
                                     .symbolized = true}));
      return;
    }
    const std::string name = absl::StrFormat("%s%x%s", is_return_address ? "r" : "u", address, name_suffix);
    if (inlined.count(address) != 0) Append(name + "inner", trie, frames);
    Append(name, trie, frames);
  }

  bool IsFrameless(const Process&, uint64_t address) override { return address == kFrameless; }

  void SymbolizeKernel(uint64_t address, bool is_return_address, StackTrie& trie,
                       std::vector<FrameId>& frames) override {
    Append(absl::StrFormat("k%s%x", is_return_address ? "r" : "", address & 0xffff), trie, frames);
  }

  static void Append(const std::string& name, StackTrie& trie, std::vector<FrameId>& frames) {
    frames.push_back(trie.InternFrame(FrameView{.function = name, .symbolized = true}));
  }

  static constexpr uint64_t kTrampoline = 0x1550;
  static constexpr uint64_t kGoRoot = 0x1661;
  static constexpr uint64_t kMcall = 0x1771;
  static constexpr uint64_t kFrameless = 0x1880;
  std::set<uint64_t> inlined;
  std::string name_suffix;
  int calls = 0;
};

class WindowBuilderTest : public testing::Test {
 protected:
  WindowBuilderTest() { capture_.period_ns = kPeriod; }

  void StartProcess(pid_t pid, const std::string& executable = "/usr/bin/app", const char* maps = kMaps) {
    proc_.Put({.pid = pid, .executable = executable, .maps = maps});
    processes_.OnProcess(pid);
  }

  FoldedWindow Build() { return builder_.Build(capture_, "ebpf", absl::Seconds(60)); }
  // REQUIRES: the window has one series.
  std::map<std::string, uint64_t> Counts(const FoldedWindow& folded) {
    EXPECT_EQ(folded.window.series.size(), 1u);
    return FoldedCounts(folded.window.trie, folded.window.series.at(0).samples);
  }

  FakeProc proc_;
  ProcessTable processes_{proc_.root()};
  FakeSymbolizer symbolizer_;
  WindowBuilder builder_{processes_, symbolizer_, "node-1"};
  Capture capture_;
};

TEST_F(WindowBuilderTest, PutsTheOutermostCallerFirstAndTheKernelLast) {
  StartProcess(10);
  capture_.processes = {{.pid = 10,
                         .stacks = {{.user = {0x1010, 0x1021, 0x1031},
                                     .kernel = {0xffffffff80000001, 0xffffffff80000002},
                                     .count = 3}}}};
  EXPECT_THAT(Counts(Build()), ElementsAre(Pair("r1031;r1021;u1010;kr2;k1", 3)));
}

TEST_F(WindowBuilderTest, PutsTheReasonToWaitAtTheLeaf) {
  StartProcess(10);
  capture_.type = OffCpuType();
  capture_.processes = {
      {.pid = 10,
       .stacks = {{.user = {0x1010}, .kernel = {0xffffffff80000001}, .count = 3, .wait_reason = "[lock]"}}}};
  const FoldedWindow folded = Build();
  EXPECT_THAT(Counts(folded), ElementsAre(Pair("u1010;k1;[lock]", 3)));
  EXPECT_EQ(folded.window.series.at(0).type, OffCpuType());
  EXPECT_EQ(folded.window.series.at(0).loss.frames, 6u);
}

// Drops what is called "noise".
class DropNoise : public ProcessLabeller {
 public:
  ProcessLabelling LabelsOf(const Process& process) override {
    const std::string name = ExecutableName(process);
    return {.labels = {{"service_name", name}}, .dropped = name == "noise"};
  }
  void Settle() override {}
};

TEST_F(WindowBuilderTest, CountsSamplesOfDroppedProcessesAndKeepsNothingElseOfThem) {
  DropNoise labeller;
  ProcessTable processes(proc_.root(), &labeller);
  proc_.Put({.pid = 10, .executable = "/usr/bin/app", .maps = kMaps});
  proc_.Put({.pid = 11, .executable = "/usr/bin/noise", .maps = kMaps});
  processes.OnProcess(10);
  processes.OnProcess(11);
  capture_.processes = {{.pid = 10, .stacks = {{.user = {0x1010}, .count = 3}}},
                        {.pid = 11,
                         .stacks = {{.user = {0x1010}, .count = 4}, {.user = {0x1020}, .count = 5}},
                         .stackless_samples = 6}};
  const FoldedWindow folded =
      WindowBuilder(processes, symbolizer_, "node-1").Build(capture_, "ebpf", absl::Seconds(60));
  EXPECT_THAT(Counts(folded), ElementsAre(Pair("u1010", 3)));
  EXPECT_EQ(folded.samples, 3u);
  EXPECT_EQ(folded.dropped_samples, 15u);
  EXPECT_THAT(folded.dropped_processes, ElementsAre(11));
}

TEST_F(WindowBuilderTest, PutsInlinedCallsBelowTheirCaller) {
  StartProcess(10);
  symbolizer_.inlined = {0x1021};
  capture_.processes = {{.pid = 10, .stacks = {{.user = {0x1010, 0x1021}, .count = 1}}}};
  EXPECT_THAT(Counts(Build()), ElementsAre(Pair("r1021;r1021inner;u1010", 1)));
}

TEST_F(WindowBuilderTest, TakesASignalTrampolineForWhatItIs) {
  StartProcess(10);
  capture_.processes = {
      {.pid = 10, .stacks = {{.user = {0x1010, 0x1021, FakeSymbolizer::kTrampoline, 0x1031}, .count = 1}}}};
  EXPECT_THAT(Counts(Build()), ElementsAre(Pair("r1031;__restore_rt;r1021;u1010", 1)));
}

TEST_F(WindowBuilderTest, DropsRemainsOfOtherStacksBeyondTheRootOfAGoStack) {
  StartProcess(10);
  capture_.processes = {
      {.pid = 10, .stacks = {{.user = {0x1010, FakeSymbolizer::kGoRoot, 0x1021, 0x999999}, .count = 2}}}};
  const FoldedWindow folded = Build();
  EXPECT_THAT(Counts(folded), ElementsAre(Pair("runtime.mstart;u1010", 2)));
  EXPECT_EQ(folded.window.series.at(0).loss.frames, 4u);
  EXPECT_EQ(folded.window.series.at(0).loss.unsymbolized_frames, 0u);
}

TEST_F(WindowBuilderTest, MarksAStackThatCouldNotBeWalkedToItsEnd) {
  StartProcess(10);
  capture_.processes = {
      {.pid = 10,
       .stacks = {{.user = {0x1010, 0x1021}, .count = 3, .broken = true},
                  {.user = {0x1010, 0x1021}, .count = 4},
                  // What lies beyond a root, or beyond mcall, does not matter.
                  {.user = {0x1010, FakeSymbolizer::kGoRoot, 0x1021}, .count = 5, .broken = true},
                  {.user = {0x1010, FakeSymbolizer::kMcall, 0x1021}, .count = 6, .broken = true}}}};
  const FoldedWindow folded = Build();
  EXPECT_THAT(Counts(folded), ElementsAre(Pair("[broken];r1021;u1010", 3), Pair("r1021;u1010", 4),
                                          Pair("runtime.mcall;u1010", 6), Pair("runtime.mstart;u1010", 5)));
  EXPECT_EQ(folded.broken_samples, 3u);
  EXPECT_EQ(folded.window.series.at(0).loss.truncated_stacks, 3u);
}

TEST_F(WindowBuilderTest, EndsAStackAtMcallUnlessItWasJoined) {
  StartProcess(10);
  const std::vector<uint64_t> stack = {0x1010, FakeSymbolizer::kMcall, 0x1021, FakeSymbolizer::kGoRoot};
  const std::vector<uint64_t> rootless = {0x1010, FakeSymbolizer::kMcall, 0x1021};
  capture_.processes = {{.pid = 10,
                         .stacks = {{.user = rootless, .count = 2, .joined = true},
                                    {.user = stack, .count = 3, .joined = true},
                                    {.user = {FakeSymbolizer::kMcall, 0x1031}, .count = 4}}}};
  EXPECT_THAT(Counts(Build()), UnorderedElementsAre(Pair("runtime.mcall;u1010", 2),
                                                    Pair("runtime.mstart;r1021;runtime.mcall;u1010", 3),
                                                    Pair("runtime.mcall", 4)));
}

TEST_F(WindowBuilderTest, TakesTheTopOfTheStackForTheCallerOfAFramelessLeafOnly) {
  StartProcess(10);
  const std::vector<uint64_t> frameless = {FakeSymbolizer::kFrameless, 0x1021, 0x1031};
  capture_.processes = {{.pid = 10,
                         .stacks = {{.user = frameless, .count = 2, .with_top = true},
                                    {.user = {0x1010, 0x1021, 0x1031}, .count = 3, .with_top = true},
                                    {.user = {0x1010, 0x1021, 0x1041}, .count = 4}}}};
  EXPECT_THAT(Counts(Build()), UnorderedElementsAre(Pair("r1031;r1021;u1880", 2), Pair("r1031;u1010", 3),
                                                    Pair("r1041;r1021;u1010", 4)));
}

TEST_F(WindowBuilderTest, NamesTheProcessesWithGoCode) {
  StartProcess(10);
  StartProcess(11);
  capture_.processes = {{.pid = 10, .stacks = {{.user = {0x1010}, .count = 1}}},
                        {.pid = 11, .stacks = {{.user = {0x1010, FakeSymbolizer::kGoRoot}, .count = 1}}}};
  const FoldedWindow folded = Build();
  ASSERT_EQ(folded.go_processes.size(), 1u);
  EXPECT_EQ(folded.go_processes[0]->pid, 11);
}

TEST_F(WindowBuilderTest, ValuesAreCountsTimesThePeriod) {
  StartProcess(10);
  capture_.processes = {{.pid = 10, .stacks = {{.user = {0x1010}, .count = 7}}, .stackless_samples = 2}};
  const FoldedWindow folded = Build();
  EXPECT_EQ(Totals(folded.window.series.at(0).samples).value, 9 * kPeriod);
  EXPECT_EQ(folded.window.series.at(0).period, kPeriod);
  EXPECT_EQ(folded.samples, 9u);
}

TEST_F(WindowBuilderTest, MarksTruncatedStacksAtTheirRoot) {
  StartProcess(10);
  capture_.processes = {
      {.pid = 10,
       .stacks = {{.user = {0x1010}, .count = 3, .truncated = true}, {.user = {0x1010}, .count = 4}}}};
  const FoldedWindow folded = Build();
  EXPECT_THAT(Counts(folded), ElementsAre(Pair("[truncated];u1010", 3), Pair("u1010", 4)));
  EXPECT_EQ(folded.window.series.at(0).loss.truncated_stacks, 3u);
}

TEST_F(WindowBuilderTest, PutsSamplesWithoutAStackUnderOneSyntheticFrame) {
  StartProcess(10);
  capture_.processes = {{.pid = 10, .stacks = {{.count = 1}}, .stackless_samples = 5}};
  const FoldedWindow folded = Build();
  EXPECT_THAT(Counts(folded), ElementsAre(Pair("[truncated]", 6)));
  const Series& series = folded.window.series.at(0);
  EXPECT_EQ(series.samples.size(), 1u);
  EXPECT_EQ(series.loss.truncated_stacks, 6u);
  const FrameId frame = folded.window.trie.frame_of(series.samples[0].node);
  EXPECT_EQ(folded.window.trie.view(frame).kind, FrameKind::kSynthetic);
}

TEST_F(WindowBuilderTest, CutsStacksThatTheWireWouldRefuse) {
  StartProcess(10);
  capture_.processes = {{.pid = 10, .stacks = {{.user = std::vector<uint64_t>(1500, 0x1011), .count = 2}}}};
  const FoldedWindow folded = Build();
  const Series& series = folded.window.series.at(0);
  EXPECT_EQ(folded.window.trie.Stack(series.samples.at(0).node).size(), 1001u);
  EXPECT_EQ(series.loss.truncated_stacks, 2u);
}

TEST_F(WindowBuilderTest, MergesProcessesOfEqualLabels) {
  StartProcess(10);
  StartProcess(11);
  StartProcess(12, "/usr/bin/other");
  for (const pid_t pid : {10, 11, 12}) {
    capture_.processes.push_back({.pid = pid, .stacks = {{.user = {0x1010}, .count = 2}}});
  }
  const FoldedWindow folded = Build();
  std::map<std::string, uint64_t> counts;
  for (const Series& series : folded.window.series) {
    counts[series.labels.at("service_name")] += Totals(series.samples).count;
    EXPECT_EQ(series.samples.size(), 1u);
  }
  EXPECT_EQ(folded.window.series.size(), 2u);
  EXPECT_THAT(counts, ElementsAre(Pair("app", 4), Pair("other", 2)));
}

TEST_F(WindowBuilderTest, AddsTheNodeToEverySeries) {
  StartProcess(10);
  capture_.processes = {{.pid = 10, .stacks = {{.user = {0x1010}, .count = 1}}}};
  Profile profile = MakeProfile({{"main", 1}});
  profile.labels = {{"service_name", "shop"}};
  capture_.profiles.push_back(std::move(profile));
  for (const Series& series : Build().window.series) EXPECT_EQ(series.labels.at("node"), "node-1");
}

TEST_F(WindowBuilderTest, KeepsTheSamplesOfAVanishedProcess) {
  capture_.processes = {
      {.pid = 10, .stacks = {{.user = {0x1010, 0x1021}, .kernel = {0xffffffff80000001}, .count = 3}}}};
  const FoldedWindow folded = Build();
  EXPECT_THAT(Counts(folded), ElementsAre(Pair("[unknown];[unknown];k1", 3)));
  const Series& series = folded.window.series.at(0);
  EXPECT_EQ(series.labels.at("service_name"), "unknown");
  EXPECT_EQ(series.loss.frames, 9u);
  EXPECT_EQ(series.loss.unsymbolized_frames, 6u);
  EXPECT_EQ(folded.vanished_processes, 1u);
  EXPECT_EQ(folded.vanished_samples, 3u);
}

TEST_F(WindowBuilderTest, AVanishedProcessHasTheNameThatTheKernelTold) {
  processes_.OnNamedProcess(10, "ls");
  capture_.processes = {{.pid = 10, .stacks = {{.user = {0x1010}, .count = 3}}}};
  const FoldedWindow folded = Build();
  EXPECT_THAT(Counts(folded), ElementsAre(Pair("[unknown]", 3)));
  EXPECT_EQ(folded.window.series.at(0).labels.at("service_name"), "ls");
  EXPECT_EQ(folded.vanished_processes, 1u);
  EXPECT_EQ(folded.vanished_samples, 3u);
}

TEST_F(WindowBuilderTest, RefreshesMapsForALibraryOpenedSince) {
  StartProcess(10);
  proc_.Put({.pid = 10, .maps = "5000-6000 r-xp 00000000 fd:01 9 /new.so\n"});
  capture_.processes = {{.pid = 10, .stacks = {{.user = {0x5010}, .count = 1}}}};
  EXPECT_THAT(Counts(Build()), ElementsAre(Pair("u5010", 1)));
}

TEST_F(WindowBuilderTest, CountsUnnamedFramesBySamples) {
  StartProcess(10);
  capture_.processes = {{.pid = 10, .stacks = {{.user = {0x1010, 0x9001}, .count = 4}}}};
  const LossCounters loss = Build().window.series.at(0).loss;
  EXPECT_EQ(loss.frames, 8u);
  EXPECT_EQ(loss.unsymbolized_frames, 4u);
}

TEST_F(WindowBuilderTest, PutsFramesOfAnInterpreterBetweenThoseOfItsCode) {
  StartProcess(10);
  capture_.interpreted = {{.function = "main.py:handler", .line = 7, .symbolized = true},
                          {.function = "[python]"}};
  capture_.processes = {
      {.pid = 10,
       .stacks = {
           {.user = {0x1010, kInterpretedFrame | 0, 0x1021, kInterpretedFrame | 1, 0x1031}, .count = 2}}}};
  const FoldedWindow folded = Build();
  EXPECT_THAT(Counts(folded), ElementsAre(Pair("r1031;[python];r1021;main.py:handler;u1010", 2)));
  EXPECT_EQ(folded.window.series.at(0).loss.frames, 10u);
  EXPECT_GE(folded.window.series.at(0).loss.unsymbolized_frames, 2u);
}

TEST_F(WindowBuilderTest, WhatIsNoAddressIsNoFrameOfAnInterpreterEither) {
  StartProcess(10);
  for (const uint64_t word : {UINT64_MAX, uint64_t{1} << 63, kInterpretedFrame | 1}) {
    capture_.processes = {{.pid = 10, .stacks = {{.user = {0x1010, word}, .count = 2}}}};
    for (const size_t interpreted : {0U, 1U}) {
      capture_.interpreted.assign(interpreted, {.function = "main.py:handler", .symbolized = true});
      if (word == uint64_t{1} << 63 && interpreted == 1) continue;  // it is one
      EXPECT_EQ(Build().window.series.at(0).loss.unsymbolized_frames, 2u) << word;
    }
  }
}

TEST_F(WindowBuilderTest, SharesLostSamplesOutBySize) {
  StartProcess(10);
  StartProcess(11, "/usr/bin/other");
  capture_.processes = {{.pid = 10, .stacks = {{.user = {0x1010}, .count = 30}}},
                        {.pid = 11, .stacks = {{.user = {0x1010}, .count = 10}}}};
  capture_.lost = {{"ring_full", 3}, {"map_full", 2}};
  std::map<std::string, uint64_t> lost;
  for (const Series& series : Build().window.series) {
    lost[series.labels.at("service_name")] = series.loss.lost_samples;
  }
  EXPECT_THAT(lost, ElementsAre(Pair("app", 4), Pair("other", 1)));
}

TEST_F(WindowBuilderTest, TakesNamedProfilesAsTheyAre) {
  Profile profile = MakeProfile({{"main;work", 3}, {"main", 2}}, 10'000'000);
  profile.labels = {{"service_name", "shop"}};
  profile.loss.frames = 8;
  capture_.profiles.push_back(std::move(profile));
  const FoldedWindow folded = Build();
  EXPECT_THAT(Counts(folded), UnorderedElementsAre(Pair("main;work", 3), Pair("main", 2)));
  const Series& series = folded.window.series.at(0);
  EXPECT_EQ(series.period, 10'000'000);
  EXPECT_EQ(Totals(series.samples).value, 50'000'000);
  EXPECT_EQ(series.loss.frames, 8u);
  EXPECT_EQ(folded.samples, 5u);
}

TEST_F(WindowBuilderTest, NamesEachAddressOnce) {
  StartProcess(10);
  capture_.processes = {{.pid = 10,
                         .stacks = {{.user = {0x1010, 0x1021}, .count = 1},
                                    {.user = {0x1012, 0x1021}, .count = 1},
                                    {.user = {0x1014, 0x1021}, .count = 1}}}};
  Build();
  EXPECT_EQ(symbolizer_.calls, 4);
}

TEST_F(WindowBuilderTest, MakesForeignBytesFitForTheWire) {
  StartProcess(10, "/usr/bin/a\xffpp");
  symbolizer_.name_suffix = "\xff" + std::string(20000, 'x');
  capture_.processes = {{.pid = 10, .stacks = {{.user = {0x1010}, .count = 1}}}};
  const FoldedWindow folded = Build();
  const Series& series = folded.window.series.at(0);
  EXPECT_EQ(series.labels.at("service_name"), "a\uFFFDpp");
  const FrameView frame = folded.window.trie.view(folded.window.trie.frame_of(series.samples.at(0).node));
  EXPECT_TRUE(absl::StartsWith(frame.function, "u1010\uFFFDxxx"));
  EXPECT_LE(frame.function.size(), 16384u);
  EXPECT_TRUE(frame.symbolized);
}

TEST_F(WindowBuilderTest, SaysWhatTheWindowStandsFor) {
  capture_.start = absl::FromUnixSeconds(100);
  capture_.duration = absl::Seconds(10);
  const Window window = Build().window;
  EXPECT_EQ(window.start, absl::FromUnixSeconds(100));
  EXPECT_EQ(window.duration, absl::Seconds(10));
  EXPECT_EQ(window.interval, absl::Seconds(60));
  EXPECT_EQ(window.source, "ebpf");
}

}  // namespace
}  // namespace pilotlight::agent
