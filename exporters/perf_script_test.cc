#include "exporters/perf_script.h"

#include "exporters/folded.h"
#include "exporters/pprof.h"
#include "exporters/profile_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pilotlight {
namespace {

using ::testing::HasSubstr;

constexpr const char* kCpuClock = "process_cpu:cpu:nanoseconds:cpu:nanoseconds";

std::string Folded(const Profile& profile) { return WriteFolded(profile, FoldedNumber::kCount); }

// One sample of cpu-clock with these frames, the innermost first.
Profile ReadFrames(const std::string& frames) {
  return std::move(ReadPerfScript("app 7 1.5: 10101010 cpu-clock: \n" + frames + "\n").value().front());
}

TEST(PerfScriptTest, StacksHangUnderTheNameOfTheThread) {
  const Profile profile =
      std::move(ReadPerfScript("# captured on    : Fri Nov 27 11:45:30 2026\n"
                               "#\n"
                               "my prog;x 15746 42805.078541:   10101010   cpu-clock:ppp: \n"
                               "\t            11dc Sum+0x1c (/tmp/my prog;x)\n"
                               "\t            108d main+0x2d (/tmp/my prog;x)\n"
                               "\n"
                               "my prog;x 15746/15747 [001] 42805.088643:   10101010   cpu-clock:ppp: \n"
                               "\t            11ef Sum+0x2f (/tmp/my prog;x)\n"
                               "\t            108d main+0x2d (/tmp/my prog;x)\n")
                    .value()
                    .front());
  EXPECT_EQ(Folded(profile), "my prog\\u003bx;main;Sum 2\n");
  EXPECT_EQ(profile.type.ToString(), kCpuClock);
  EXPECT_EQ(profile.period, 10101010);
  EXPECT_EQ(Totals(profile.samples).value, 20202020);
  EXPECT_EQ(absl::ToInt64Microseconds(profile.duration), 10102);
  EXPECT_EQ(profile.start, absl::UnixEpoch());
  EXPECT_EQ(profile.loss.frames, 6u);
  EXPECT_EQ(profile.loss.unsymbolized_frames, 0u);
}

TEST(PerfScriptTest, EveryEventIsAProfileAndCpuTimeComesFirst) {
  const std::vector<Profile> profiles = ReadPerfScript(
                                            "a 1 1.0: 3 page-faults: \n\t1 f (/a)\n\n"
                                            "a 1 1.1: 4 page-faults: \n\t1 f (/a)\n\n"
                                            "a 1 1.2: 500 cycles:u: \n\t1 f (/a)\n\n"
                                            "a 1 1.2: 500 cycles:k: \n\t1 g (/a)\n\n"
                                            "a 1 1.2: 500 cycles:k: \n\t1 g (/a)\n\n"
                                            "a 1 1.3: 9 task-clock: \n\t1 f (/a)\n\n"
                                            "a 1 1.4: sched:sched_switch: prev_comm=a (b)\n\t1 f (/a)\n\n")
                                            .value();
  ASSERT_EQ(profiles.size(), 4u);
  EXPECT_EQ(profiles[0].type.ToString(), kCpuClock);
  EXPECT_EQ(profiles[1].type.ToString(), "cycles:cycles:events:cycles:events");
  EXPECT_EQ(Folded(profiles[1]), "a;f 1\na;g 2\n");
  EXPECT_EQ(Totals(profiles[1].samples).value, 1500);
  EXPECT_EQ(profiles[2].type.sample_type, "page-faults");
  EXPECT_EQ(Totals(profiles[2].samples).value, 7);
  EXPECT_EQ(profiles[2].period, 0);
  EXPECT_EQ(profiles[3].type.sample_type, "sched_sched_switch");
  EXPECT_EQ(Folded(profiles[3]), "a;f 1\n");
}

TEST(PerfScriptTest, TwoClocksOfOneRecordingAreNotOneProfile) {
  const std::vector<Profile> profiles =
      ReadPerfScript("a 1 1.0: 3 cpu-clock: \n\t1 f (/a)\n\na 1 1.1: 4 task-clock: \n\t1 f (/a)\n\n").value();
  ASSERT_EQ(profiles.size(), 2u);
  EXPECT_EQ(profiles[0].type.ToString(), kCpuClock);
  EXPECT_EQ(profiles[1].type.ToString(), "task-clock:task-clock:nanoseconds:task-clock:nanoseconds");
}

TEST(PerfScriptTest, NamesSurviveWhateverTheyHold) {
  const Profile profile = ReadFrames(
      "\t   1 shop::Cart<int, char const*>::operator()(void (*)(int)) const+0x1f (/srv/a (b)/c)\n"
      "\t   2 (anonymous namespace)::größe \"x; y\"+0x2 (/srv/app (deleted))\n"
      "\t   3 operator new(unsigned long) (/srv/a)b)\n"
      "\t   4 a+0x1g (/srv/a(b)\n"
      "\t   5 f(void (*)(int))\n");
  ASSERT_EQ(profile.samples.size(), 1u);
  std::vector<std::string> functions;
  std::vector<std::string> binaries;
  for (const FrameId frame : profile.trie.Stack(profile.samples[0].node)) {
    functions.emplace_back(profile.trie.view(frame).function);
    binaries.emplace_back(profile.trie.view(frame).mapping);
  }
  EXPECT_THAT(functions,
              testing::ElementsAre("app", "f(void (*)(int))", "a+0x1g", "operator new(unsigned long)",
                                   "(anonymous namespace)::größe \"x; y\"",
                                   "shop::Cart<int, char const*>::operator()(void (*)(int)) const"));
  EXPECT_THAT(binaries, testing::ElementsAre("", "", "/srv/a(b", "/srv/a)b", "/srv/app", "/srv/a (b)/c"));
}

TEST(PerfScriptTest, FramesOfTheKernelAndWithoutANameAreTold) {
  const Profile profile = ReadFrames(
      "\tffffffff821f236b ksys_read+0xb ([kernel.kallsyms])\n"
      "\tffffffffc0a01234 nft_do_chain+0x10 ([nf_tables])\n"
      "\t    7f7a1a6f2ad7 [unknown] ([unknown])\n"
      "\t    55c3538f71d7 [unknown] (/usr/bin/old)\n"
      "\t            11dc [unknown] (/usr/lib/libx.so.6)\n");
  EXPECT_EQ(Folded(profile), "app;libx.so.6+0x11dc;[unknown];[unknown];nft_do_chain;ksys_read 1\n");
  EXPECT_EQ(profile.loss.unsymbolized_frames, 3u);
  const std::vector<FrameId> stack = profile.trie.Stack(profile.samples[0].node);
  EXPECT_EQ(profile.trie.view(stack[5]).kind, FrameKind::kKernel);
  EXPECT_EQ(profile.trie.view(stack[4]).mapping, "[kernel]");
  EXPECT_EQ(profile.trie.view(stack[1]).kind, FrameKind::kNative);
}

TEST(PerfScriptTest, InlinedFramesAreOfTheBinaryTheyAreIn) {
  const Profile profile = ReadFrames(
      "\t 11c1 mix (inlined)\n"
      "\t 11c1 work+0x21 (/srv/app)\n"
      "  work.cc:12\n"
      "\t 2724a start+0x7a (/lib/libc.so.6)\n"
      "  libc.so.6[2724a]\n");
  EXPECT_EQ(Folded(profile), "app;start;work;mix 1\n");
  const std::vector<FrameId> stack = profile.trie.Stack(profile.samples[0].node);
  const FrameView inlined = profile.trie.view(stack[3]);
  EXPECT_TRUE(inlined.inlined);
  EXPECT_EQ(inlined.mapping, "/srv/app");
  EXPECT_EQ(profile.trie.view(stack[2]).file, "work.cc");
  EXPECT_EQ(profile.trie.view(stack[2]).line, 12u);
}

TEST(PerfScriptTest, FramesMayStandBehindTheEvent) {
  const Profile profile = std::move(
      ReadPerfScript("             inl 17 42.15: 10 cpu-clock:ppp:      55c3538f71d7 work+0x37 (/tmp/inl)\n"
                     "             inl 17 42.16: 10 cpu-clock:ppp:  ffffffff82200809 irq+0x19 ([kernel])\n")
          .value()
          .front());
  EXPECT_EQ(Folded(profile), "inl;irq 1\ninl;work 1\n");
}

TEST(PerfScriptTest, FieldsMayBeMissing) {
  EXPECT_EQ(Folded(ReadPerfScript("a b 5 1.5: \n\t 11dc f\n").value()[0]), "a b;f 1\n");
  EXPECT_EQ(ReadPerfScript("a b 5 1.5: \n\t 11dc f\n").value()[0].type.ToString(), "samples:samples:count::");
  const Profile clock = std::move(ReadPerfScript("a 5 cpu-clock:u: \n\t 11dc f\n").value()[0]);
  EXPECT_EQ(clock.type.ToString(), "cpu-clock:cpu-clock:events:cpu-clock:events");
  EXPECT_EQ(Totals(clock.samples).value, 1);
}

TEST(PerfScriptTest, WhatIsNoSampleIsLeftOut) {
  EXPECT_EQ(Folded(ReadPerfScript("a 5 1.5: PERF_RECORD_MMAP2 5/5: [0x1(0x2) @ 0 fe:00 1 1]: r-xp /a\n"
                                  "a 5 1.5: 1 cycles: \n\t 11dc f\n")
                       .value()[0]),
            "a;f 1\n");
}

TEST(PerfScriptTest, CountsWhatWasLost) {
  const std::vector<Profile> profiles = *ReadPerfScript(
      "app 1 1.0: 1 cycles:\n\t10 f (/a)\n\n"
      "app 1 [000] 1.1: PERF_RECORD_LOST lost 25\n"
      "app 1 [000] 1.2: PERF_RECORD_LOST lost 18446744073709551615\n"
      "app 1 [000] 1.3: PERF_RECORD_MMAP2 1/1: [0x1000(0x1000) @ 0]: r-xp /bin/lost 7\n");
  EXPECT_EQ(profiles[0].loss.lost_samples, uint64_t{1} << 60);
  EXPECT_EQ(Totals(profiles[0].samples).count, 1u);
}

TEST(PerfScriptTest, ErrorsNameTheLine) {
  EXPECT_THAT(ReadPerfScript("a 5 1.5: 1 cycles: \n\t 1 f\n\nmain;f 3\n").status().message(),
              HasSubstr("line 4: "));
  EXPECT_THAT(ReadPerfScript("a 5 1.5: 99999999999999999999 cycles: \n").status().message(),
              HasSubstr("line 1: "));
  EXPECT_FALSE(ReadPerfScript("# only\n").ok());
}

TEST(PerfScriptTest, LimitsHold) {
  const std::string text =
      "abc 5 1.5: 1 cycles: \n\t 1 f\n\t 2 g\n\t 3 h\n\nabc 5 1.5: 1 faults: \n\t 1 f\n\n";
  const Profile cut = std::move(ReadPerfScript(text, {.max_depth = 2, .max_name_bytes = 2}).value()[0]);
  EXPECT_EQ(Folded(cut), "ab;[truncated];g;f 1\n");
  EXPECT_EQ(cut.loss.truncated_stacks, 1u);
  EXPECT_EQ(ReadPerfScript(text, {.max_nodes = 2}).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReadPerfScript(text, {.max_events = 1}).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReadPerfScript("a 5 1.5: 1152921504606846976 c: \n\na 5 1.5: 1 c: \n\n").status().code(),
            absl::StatusCode::kOutOfRange);
}

TEST(PerfScriptTest, IsToldFromFoldedStacks) {
  EXPECT_TRUE(LooksLikePerfScript("# x\n\na 5 1.5: 1 cycles: \n"));
  EXPECT_TRUE(LooksLikePerfScript("a 5 cycles: \n\t 1 f\n"));
  EXPECT_FALSE(LooksLikePerfScript("main;f 3\n"));
  EXPECT_FALSE(LooksLikePerfScript("main;std::f 12 x: 3\nb 2\n"));
  EXPECT_FALSE(LooksLikePerfScript("goroutine 1 [running]:\n"));
  EXPECT_EQ(ParseProfileFile("a 5 1.5: 1 cycles: \n\t 1 f\n").value()[0].type.name, "cycles");
}

TEST(PerfScriptTest, ProfilesSurviveAsPprof) {
  const Profile profile =
      std::move(ReadPerfScript("a 5 1.5: 250 cycles:u: \n\t 1 f (/a)\n\t 2 [unknown] (/a)\n").value()[0]);
  const Profile again = std::move(ReadPprof(WritePprof(profile)).value()[0]);
  EXPECT_EQ(again.type, profile.type);
  EXPECT_EQ(Folded(again), Folded(profile));
  EXPECT_EQ(Totals(again.samples).count, 1u);
  EXPECT_EQ(Totals(again.samples).value, 250);
}

}  // namespace
}  // namespace pilotlight
