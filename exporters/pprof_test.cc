#include "exporters/pprof.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/gzip.h"
#include "exporters/test_profiles.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pprof/profile.pb.h"

namespace pilotlight {
namespace {

namespace pb = perftools::profiles;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// "main.main:10 main.outer:31 main.inner:41(inlined) = 12 120000000" for each sample.
std::vector<std::string> Describe(const Profile& profile) {
  std::vector<std::string> lines;
  for (const Sample& sample : profile.samples) {
    std::string line;
    for (const FrameId id : profile.trie.Stack(sample.node)) {
      const FrameView frame = profile.trie.view(id);
      absl::StrAppend(&line, frame.function, ":", frame.line, frame.inlined ? "(inlined) " : " ");
    }
    lines.push_back(absl::StrCat(line, "= ", sample.count, " ", sample.value));
  }
  return lines;
}

// A message with the given columns and one function f with one sample for each row of values.
pb::Profile Message(const std::vector<std::pair<std::string, std::string>>& columns,
                    const std::vector<std::vector<int64_t>>& rows, const std::string& function = "f") {
  pb::Profile message;
  message.add_string_table("");
  const auto string = [&message](const std::string& text) {
    message.add_string_table(text);
    return message.string_table_size() - 1;
  };
  for (const auto& [type, unit] : columns) {
    pb::ValueType& column = *message.add_sample_type();
    column.set_type(string(type));
    column.set_unit(string(unit));
  }
  pb::Function& f = *message.add_function();
  f.set_id(1);
  f.set_name(string(function));
  f.set_filename(string("a.go"));
  pb::Location& location = *message.add_location();
  location.set_id(1);
  location.add_line()->set_function_id(1);
  for (const std::vector<int64_t>& row : rows) {
    pb::Sample& sample = *message.add_sample();
    sample.add_location_id(1);
    for (const int64_t value : row) sample.add_value(value);
  }
  return message;
}

absl::StatusOr<std::vector<Profile>> Read(const pb::Profile& message, const PprofLimits& limits = {}) {
  return ReadPprof(message.SerializeAsString(), limits);
}

std::vector<std::string> Types(const std::vector<Profile>& profiles) {
  std::vector<std::string> types;
  types.reserve(profiles.size());
  for (const Profile& profile : profiles) types.push_back(profile.type.ToString());
  return types;
}

TEST(PprofTest, ReadingGivesBackWhatWasWritten) {
  const Profile written = CpuProfile();
  const std::vector<Profile> profiles = ReadPprof(WritePprof(written)).value();
  ASSERT_EQ(profiles.size(), 1u);
  const Profile& read = profiles[0];
  EXPECT_EQ(read.type, written.type);
  EXPECT_EQ(read.period, written.period);
  EXPECT_EQ(read.start, written.start);
  EXPECT_EQ(read.duration, written.duration);
  EXPECT_EQ(Describe(read), Describe(written));
  for (size_t i = 0; i < read.samples.size(); ++i) {
    const std::vector<FrameId> expected = written.trie.Stack(written.samples[i].node);
    const std::vector<FrameId> stack = read.trie.Stack(read.samples[i].node);
    for (size_t j = 0; j < stack.size(); ++j) {
      const FrameView frame = read.trie.view(stack[j]);
      const FrameView wanted = written.trie.view(expected[j]);
      EXPECT_EQ(frame.file, wanted.file);
      EXPECT_EQ(frame.start_line, wanted.start_line);
      EXPECT_EQ(frame.mapping, wanted.mapping);
      EXPECT_EQ(frame.kind, wanted.kind) << frame.function;
      EXPECT_EQ(frame.symbolized, wanted.symbolized) << frame.function;
    }
  }
}

TEST(PprofTest, EqualProfilesGiveEqualBytes) {
  EXPECT_EQ(WritePprof(CpuProfile()), WritePprof(CpuProfile()));
}

TEST(PprofTest, InlinedFramesShareTheLocationOfTheirCaller) {
  pb::Profile message;
  ASSERT_TRUE(message.ParseFromString(Gunzip(WritePprof(CpuProfile()), 1 << 20).value()));
  ASSERT_EQ(message.sample(1).location_id_size(), 2);
  const pb::Location& location = message.location(static_cast<int>(message.sample(1).location_id(0)) - 1);
  ASSERT_EQ(location.line_size(), 2);
  EXPECT_EQ(location.line(0).line(), 41);
  EXPECT_EQ(location.line(1).line(), 31);
}

TEST(PprofTest, TheFirstMappingIsTheProgram) {
  Profile profile;
  AddStack(profile, {{.function = "read", .mapping = "[kernel]"}}, 1, 1);
  AddStack(profile, {{.function = "malloc", .mapping = "/lib/libc.so.6"}}, 1, 1);
  AddStack(profile, {{.function = "main", .mapping = "/usr/bin/app"}}, 1, 1);
  pb::Profile message;
  ASSERT_TRUE(message.ParseFromString(Gunzip(WritePprof(profile), 1 << 20).value()));
  EXPECT_EQ(message.string_table(static_cast<int>(message.mapping(0).filename())), "/usr/bin/app");
}

TEST(PprofTest, SamplesWithoutFramesAndNamesAreUnknown) {
  Profile profile;
  AddStack(profile, {}, 2, 20);
  AddStack(profile, {{.function = ""}}, 3, 30);
  EXPECT_THAT(Describe(ReadPprof(WritePprof(profile)).value()[0]), ElementsAre("[unknown]:0 = 5 50"));
}

TEST(PprofTest, IllFormedNamesAreWrittenAsValidUtf8) {
  Profile profile;
  AddStack(profile, {{.function = "a\xFFz"}}, 1, 1);
  EXPECT_THAT(Describe(ReadPprof(WritePprof(profile)).value()[0]), ElementsAre("a\uFFFDz:0 = 1 1"));
}

TEST(PprofTest, AHeapProfileIsTwoProfilesWithTheDefaultFirst) {
  pb::Profile message = Message({{"alloc_objects", "count"},
                                 {"alloc_space", "bytes"},
                                 {"inuse_objects", "count"},
                                 {"inuse_space", "bytes"}},
                                {{7, 700, 3, 300}, {1, 100, 0, 0}});
  message.add_string_table("space");
  message.mutable_period_type()->set_type(message.string_table_size() - 1);
  message.mutable_period_type()->set_unit(4);
  const std::vector<Profile> profiles = Read(message).value();
  EXPECT_THAT(Types(profiles),
              ElementsAre("memory:inuse_space:bytes:space:bytes", "memory:alloc_space:bytes:space:bytes"));
  EXPECT_THAT(Describe(profiles[0]), ElementsAre("f:0 = 3 300"));
  EXPECT_THAT(Describe(profiles[1]), ElementsAre("f:0 = 8 800"));
}

TEST(PprofTest, ADefaultSampleTypeIsTheFirstProfile) {
  pb::Profile message = Message({{"alloc_space", "bytes"}, {"inuse_space", "bytes"}}, {{1, 2}});
  message.set_default_sample_type(message.sample_type(0).type());
  EXPECT_EQ(Read(message).value()[0].type.sample_type, "alloc_space");
}

TEST(PprofTest, LeavesThatUnlockMakeAMutexProfile) {
  const std::vector<std::pair<std::string, std::string>> columns = {{"contentions", "count"},
                                                                    {"delay", "nanoseconds"}};
  EXPECT_EQ(Read(Message(columns, {{1, 5}}, "sync.(*Mutex).Unlock")).value()[0].type.name, "mutex");
  EXPECT_EQ(Read(Message(columns, {{1, 5}}, "runtime.chanrecv1")).value()[0].type.name, "block");
}

TEST(PprofTest, AGoroutineProfileCountsGoroutines) {
  const std::vector<Profile> profiles = Read(Message({{"goroutine", "count"}}, {{4}})).value();
  EXPECT_EQ(profiles[0].type.name, "goroutine");
  EXPECT_THAT(Describe(profiles[0]), ElementsAre("f:0 = 4 4"));
}

TEST(PprofTest, UnknownColumnsAreAProfileEach) {
  const std::vector<Profile> profiles =
      Read(Message({{"wall", "seconds"}, {"io", "bytes"}}, {{4, 5}})).value();
  EXPECT_THAT(Types(profiles), ElementsAre("io:io:bytes::", "wall:wall:seconds::"));
}

TEST(PprofTest, CpuTimeOfOtherMakersIsCpuTime) {
  pb::Profile python = Message({{"sample", "count"}, {"CPU", "nanoseconds"}}, {{2, 20}});
  python.mutable_period_type()->set_type(python.sample_type(1).type());
  python.mutable_period_type()->set_unit(python.sample_type(1).unit());
  EXPECT_THAT(Types(Read(python).value()), ElementsAre("process_cpu:cpu:nanoseconds:cpu:nanoseconds"));
  EXPECT_THAT(Describe(Read(python).value()[0]), ElementsAre("f:0 = 2 20"));
  EXPECT_THAT(Types(Read(Message({{"cpu", "count"}}, {{3}})).value()),
              ElementsAre("process_cpu:samples:count:cpu:nanoseconds"));
}

TEST(PprofTest, AProfileWithoutSamplesIsNoError) {
  const std::vector<Profile> profiles =
      Read(Message({{"contentions", "count"}, {"delay", "nanoseconds"}}, {})).value();
  ASSERT_EQ(profiles.size(), 1u);
  EXPECT_TRUE(profiles[0].samples.empty());
}

TEST(PprofTest, AddressesWithoutNamesAreNamedByTheirBinary) {
  pb::Profile message = Message({{"samples", "count"}, {"cpu", "nanoseconds"}}, {{1, 10}});
  message.add_string_table("/usr/bin/app");
  pb::Mapping& mapping = *message.add_mapping();
  mapping.set_id(1);
  mapping.set_memory_start(0x400000);
  mapping.set_file_offset(0x1000);
  mapping.set_filename(message.string_table_size() - 1);
  pb::Location& location = *message.mutable_location(0);
  location.clear_line();
  location.set_mapping_id(1);
  location.set_address(0x400234);
  const Profile profile = std::move(Read(message).value()[0]);
  EXPECT_THAT(Describe(profile), ElementsAre("app+0x1234:0 = 1 10"));
  EXPECT_EQ(profile.loss.frames, 1u);
  EXPECT_EQ(profile.loss.unsymbolized_frames, 1u);
}

TEST(PprofTest, TooDeepStacksLoseTheirOutermostCallers) {
  pb::Profile message = Message({{"samples", "count"}, {"cpu", "nanoseconds"}}, {{2, 20}});
  for (int i = 0; i < 9; ++i) message.mutable_sample(0)->add_location_id(1);
  PprofLimits limits;
  limits.max_depth = 3;
  const Profile profile = std::move(Read(message, limits).value()[0]);
  EXPECT_THAT(Describe(profile), ElementsAre("[truncated]:0 f:0 f:0 f:0 = 2 20"));
  EXPECT_EQ(profile.loss.truncated_stacks, 2u);
}

TEST(PprofTest, LongNamesAreCut) {
  PprofLimits limits;
  limits.max_name_bytes = 4;
  const pb::Profile message = Message({{"goroutine", "count"}}, {{1}}, "abcdefgh");
  EXPECT_THAT(Describe(Read(message, limits).value()[0]), ElementsAre("abcd:0 = 1 1"));
}

TEST(PprofTest, EveryLimitIsAnErrorThatNamesIt) {
  const pb::Profile message = Message({{"goroutine", "count"}}, {{1}, {2}});
  const auto error = [&message](const std::function<void(PprofLimits&)>& lower) {
    PprofLimits limits;
    lower(limits);
    return std::string(Read(message, limits).status().message());
  };
  EXPECT_THAT(error([](PprofLimits& l) { l.max_bytes = 10; }), HasSubstr("more than 10 bytes"));
  EXPECT_THAT(error([](PprofLimits& l) { l.max_samples = 1; }), HasSubstr("more than 1 samples"));
  EXPECT_THAT(error([](PprofLimits& l) { l.max_strings = 2; }), HasSubstr("more than 2 strings"));
  EXPECT_THAT(error([](PprofLimits& l) { l.max_locations = 0; }), HasSubstr("more than 0 "));
  EXPECT_THAT(error([](PprofLimits& l) { l.max_nodes = 0; }), HasSubstr("more than 0 different stacks"));
  EXPECT_THAT(error([](PprofLimits& l) { l.max_frames = 1; }), HasSubstr("more than 1 frames"));
  EXPECT_THAT(error([](PprofLimits& l) { l.max_sample_types = 0; }), HasSubstr("more than 0 sample types"));
}

TEST(PprofTest, BrokenReferencesAreErrors) {
  const pb::Profile good = Message({{"samples", "count"}, {"cpu", "nanoseconds"}}, {{1, 10}});
  const auto error = [&good](const std::function<void(pb::Profile&)>& damage) {
    pb::Profile message = good;
    damage(message);
    return std::string(Read(message).status().message());
  };
  EXPECT_THAT(error([](pb::Profile& m) { m.clear_sample_type(); }), HasSubstr("no sample types"));
  EXPECT_THAT(error([](pb::Profile& m) { m.mutable_sample(0)->add_value(1); }), HasSubstr("3 values for 2"));
  EXPECT_THAT(error([](pb::Profile& m) { m.mutable_sample(0)->add_location_id(9); }),
              HasSubstr("no location 9"));
  EXPECT_THAT(error([](pb::Profile& m) { m.mutable_location(0)->mutable_line(0)->set_function_id(9); }),
              HasSubstr("no function 9"));
  EXPECT_THAT(error([](pb::Profile& m) { m.mutable_location(0)->set_mapping_id(9); }),
              HasSubstr("no mapping 9"));
  EXPECT_THAT(error([](pb::Profile& m) { m.mutable_function(0)->set_name(99); }), HasSubstr("no string 99"));
  EXPECT_THAT(error([](pb::Profile& m) { m.mutable_function(0)->set_name(-1); }), HasSubstr("no string -1"));
  EXPECT_THAT(error([](pb::Profile& m) { *m.add_location() = m.location(0); }), HasSubstr("not unique"));
}

TEST(PprofTest, LocationsMayHaveAnyNumbers) {
  for (const std::vector<uint64_t>& ids : {std::vector<uint64_t>{1, 2}, {2, 1}, {1, UINT64_MAX}, {9, 7}}) {
    pb::Profile message = Message({{"goroutine", "count"}}, {{1}, {2}});
    *message.add_location() = message.location(0);
    message.mutable_location(1)->mutable_line(0)->set_line(5);
    for (const int i : {0, 1}) {
      message.mutable_location(i)->set_id(ids[static_cast<size_t>(i)]);
      message.mutable_sample(i)->set_location_id(0, ids[static_cast<size_t>(i)]);
    }
    EXPECT_THAT(Describe(Read(message).value()[0]), ElementsAre("f:0 = 1 1", "f:5 = 2 2"));
    message.mutable_sample(1)->set_location_id(0, 3);
    EXPECT_THAT(std::string(Read(message).status().message()), HasSubstr("no location 3"));
  }
}

TEST(PprofTest, TheNextStackMayBeginAsTheLastOneDid) {
  pb::Profile message = Message({{"goroutine", "count"}}, {{1}, {2}, {4}, {8}});
  for (const int line : {5, 6}) {
    pb::Location& location = *message.add_location();
    location = message.location(0);
    location.set_id(static_cast<uint64_t>(line));
    location.mutable_line(0)->set_line(line);
  }
  message.mutable_sample(1)->add_location_id(5);
  message.mutable_sample(2)->set_location_id(0, 6);
  message.mutable_sample(2)->add_location_id(5);
  message.mutable_sample(3)->set_location_id(0, 5);
  EXPECT_THAT(Describe(Read(message).value()[0]),
              ElementsAre("f:0 = 1 1", "f:5 = 8 8", "f:5 f:0 = 2 2", "f:5 f:6 = 4 4"));
  PprofLimits limits;
  limits.max_depth = 1;
  const Profile cut = std::move(Read(message, limits).value()[0]);
  EXPECT_THAT(Describe(cut),
              ElementsAre("f:0 = 1 1", "[truncated]:0 f:0 = 2 2", "[truncated]:0 f:6 = 4 4", "f:5 = 8 8"));
  EXPECT_EQ(cut.loss.frames, 15u);
}

TEST(PprofTest, ValuesThatWouldOverflowAreRefused) {
  const pb::Profile message =
      Message({{"samples", "count"}, {"cpu", "nanoseconds"}}, {{1, INT64_MAX}, {1, INT64_MAX}});
  EXPECT_EQ(Read(message).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Read(Message({{"goroutine", "count"}}, {{INT64_MIN}})).status().code(),
            absl::StatusCode::kOutOfRange);
}

TEST(PprofTest, WhatIsNotPprofIsRecognised) {
  const auto error = [](absl::string_view bytes) { return std::string(ReadPprof(bytes).status().message()); };
  EXPECT_THAT(error(""), HasSubstr("empty"));
  EXPECT_THAT(error("<!doctype html>"), HasSubstr("HTML"));
  EXPECT_THAT(error("go 1.22 trace"), HasSubstr("go tool trace"));
  EXPECT_THAT(error("heap profile: 1: 2 [3: 4]"), HasSubstr("debug=1"));
  EXPECT_THAT(error("some text"), HasSubstr("not a pprof profile"));
  EXPECT_THAT(error("\x7f"
                    "ELF\x02\x01\x01"),
              HasSubstr("not a pprof profile"));
}

TEST(PprofTest, ATruncatedFileIsNeverAccepted) {
  const std::string packed = WritePprof(CpuProfile());
  for (size_t size = 0; size < packed.size(); ++size) {
    EXPECT_FALSE(ReadPprof(absl::string_view(packed).substr(0, size)).ok()) << size;
  }
}

}  // namespace
}  // namespace pilotlight
