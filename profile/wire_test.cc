#include "profile/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/stacks.h"

namespace pilotlight {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

Window MakeWindow(uint64_t sequence, const std::map<std::string, uint64_t>& counts) {
  Window window;
  window.agent = "agent";
  window.boot = "boot";
  window.sequence = sequence;
  window.start = absl::FromUnixSeconds(1'700'000'000);
  window.duration = absl::Seconds(10);
  window.interval = absl::Seconds(60);
  window.source = "ebpf";
  Series& series = window.series.emplace_back();
  series.labels = {{"service_name", "x"}, {"node", "n"}};
  series.period = 10'101'010;
  series.samples = AddSamples(window.trie, counts, series.period);
  series.loss = {.lost_samples = 1, .truncated_stacks = 2, .frames = 3, .unsymbolized_frames = 4};
  return window;
}

std::string Refusal(const v1::Window& message) {
  return std::string(WindowDecoder().Decode(message).status().message());
}

v1::Window Encoded() {
  v1::Window message;
  WindowEncoder().Encode(MakeWindow(1, {{"main;f", 3}, {"main;g", 4}}), message);
  return message;
}

TEST(WireTest, CarriesAWindowUnchanged) {
  const Window sent = MakeWindow(7, {{"main;f", 3}, {"main;f;g", 4}, {"h", 1}});
  const absl::StatusOr<Window> received = ParseWindow(SerializeWindow(sent));
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_EQ(received->sequence, 7u);
  EXPECT_EQ(received->start, sent.start);
  EXPECT_EQ(received->interval, sent.interval);
  ASSERT_EQ(received->series.size(), 1u);
  const Series& series = received->series[0];
  EXPECT_EQ(series.labels, sent.series[0].labels);
  EXPECT_EQ(series.loss, sent.series[0].loss);
  EXPECT_EQ(series.period, sent.series[0].period);
  EXPECT_THAT(FoldedCounts(received->trie, series.samples),
              ElementsAre(Pair("h", 1), Pair("main;f", 3), Pair("main;f;g", 4)));
  EXPECT_EQ(Totals(series.samples).value, 8 * series.period);
  EXPECT_EQ(received->trie.view(1).kind, FrameKind::kGo);
}

TEST(WireTest, CarriesValuesThatDoNotFollowFromCounts) {
  Window sent = MakeWindow(1, {{"a", 2}});
  sent.series[0].samples[0].value = 12345;
  EXPECT_EQ(ParseWindow(SerializeWindow(sent))->series[0].samples[0].value, 12345);
}

TEST(WireTest, SendsTheDictionaryOncePerStream) {
  WindowEncoder encoder;
  WindowDecoder decoder;
  v1::Window message;
  encoder.Encode(MakeWindow(1, {{"main;f", 3}}), message);
  ASSERT_TRUE(decoder.Decode(message).ok());
  encoder.Encode(MakeWindow(2, {{"main;f", 5}, {"main;f;new", 1}}), message);
  EXPECT_THAT(message.dictionary().strings(), ElementsAre("new"));
  EXPECT_EQ(message.dictionary().node_frame_size(), 1);
  const absl::StatusOr<Window> second = decoder.Decode(message);
  ASSERT_TRUE(second.ok());
  EXPECT_THAT(FoldedCounts(second->trie, second->series[0].samples),
              ElementsAre(Pair("main;f", 5), Pair("main;f;new", 1)));
}

TEST(WireTest, StartsTheDictionaryAnewAtItsLimit) {
  WindowEncoder encoder(/*max_dictionary_bytes=*/0);
  WindowDecoder decoder;
  v1::Window message;
  for (uint64_t sequence = 1; sequence <= 3; ++sequence) {
    encoder.Encode(MakeWindow(sequence, {{"main;f", 1}}), message);
    EXPECT_EQ(message.dictionary_reset(), sequence > 1);
    EXPECT_TRUE(message.dictionary_ends());
    EXPECT_THAT(message.dictionary().strings(), ElementsAre("main", "f"));
    const absl::StatusOr<Window> received = decoder.Decode(message);
    ASSERT_TRUE(received.ok());
    EXPECT_THAT(FoldedCounts(received->trie, received->series[0].samples), ElementsAre(Pair("main;f", 1)));
  }
}

TEST(WireTest, AnEndedDictionaryTakesNoMemoryAtTheReceiver) {
  WindowEncoder encoder;
  WindowDecoder decoder;
  const size_t empty = decoder.dictionary_bytes();
  std::map<std::string, uint64_t> stacks;
  for (int i = 0; i < 1000; ++i) stacks["main;f" + std::to_string(i)] = 1;
  v1::Window message;
  encoder.Encode(MakeWindow(1, stacks), message);
  EXPECT_FALSE(message.dictionary_ends());
  ASSERT_TRUE(decoder.Decode(message).ok());
  const size_t full = decoder.dictionary_bytes();
  EXPECT_GT(full, 10 * empty);

  encoder.set_receiver_bytes(full / 2);
  encoder.Encode(MakeWindow(2, stacks), message);
  EXPECT_TRUE(message.dictionary_ends());
  ASSERT_TRUE(decoder.Decode(message).ok());
  EXPECT_EQ(decoder.dictionary_bytes(), empty);

  encoder.set_receiver_bytes(2 * full);
  encoder.Encode(MakeWindow(3, stacks), message);
  EXPECT_TRUE(message.dictionary_reset());
  EXPECT_FALSE(message.dictionary_ends());
  ASSERT_TRUE(decoder.Decode(message).ok());
}

TEST(WireTest, FollowsAResetThatWasNotAnnounced) {
  WindowDecoder decoder;
  for (int i = 0; i < 2; ++i) {
    v1::Window message;
    WindowEncoder().Encode(MakeWindow(1, {{"main;f", 1}}), message);
    message.set_dictionary_reset(true);
    ASSERT_TRUE(decoder.Decode(message).ok());
  }
}

TEST(WireTest, RefusesNumbersThatWereNotSent) {
  v1::Window message = Encoded();
  message.mutable_series(0)->set_node_delta(0, 1000);
  EXPECT_THAT(Refusal(message), HasSubstr("names a node that was not sent"));
  message = Encoded();
  message.mutable_dictionary()->set_node_frame(0, 1000);
  EXPECT_THAT(Refusal(message), HasSubstr("names a frame that was not sent"));
  message = Encoded();
  message.mutable_dictionary()->set_frame_file(0, 1000);
  EXPECT_THAT(Refusal(message), HasSubstr("names a string that was not sent"));
  message = Encoded();
  message.mutable_dictionary()->set_node_parent_distance(0, 0);
  EXPECT_THAT(Refusal(message), HasSubstr("parent was not sent"));
}

TEST(WireTest, RefusesColumnsOfDifferentLength) {
  v1::Window message = Encoded();
  message.mutable_series(0)->add_count(1);
  EXPECT_THAT(Refusal(message), HasSubstr("columns differ"));
  message = Encoded();
  message.mutable_dictionary()->add_frame_line(1);
  EXPECT_THAT(Refusal(message), HasSubstr("columns differ"));
  message = Encoded();
  message.mutable_dictionary()->add_frame_start_line(1);
  EXPECT_THAT(Refusal(message), HasSubstr("columns differ"));
}

TEST(WireTest, RefusesNumbersThatCannotBeTrue) {
  v1::Window message = Encoded();
  message.mutable_series(0)->set_count(0, UINT64_MAX);
  EXPECT_THAT(Refusal(message), HasSubstr("cannot be true"));
  message = Encoded();
  message.mutable_series(0)->set_period(INT64_MAX);
  EXPECT_THAT(Refusal(message), HasSubstr("cannot be true"));
  message = Encoded();
  message.set_duration_ns(-1);
  EXPECT_THAT(Refusal(message), HasSubstr("duration"));
}

TEST(WireTest, KeepsTheLinesAtWhichFunctionsBegin) {
  Window window = MakeWindow(1, {{"main", 1}});
  window.series[0].samples[0].node = window.trie.Child(
      StackTrie::kRoot,
      window.trie.InternFrame(FrameView{.function = "f", .line = 9, .start_line = kMaxStartLine}));
  const auto start_line = [](const Window& read) {
    return read.trie.view(read.trie.frame_of(read.series[0].samples[0].node)).start_line;
  };
  v1::Window message;
  WindowEncoder().Encode(window, message);
  EXPECT_EQ(start_line(WindowDecoder().Decode(message).value()), kMaxStartLine);
  v1::Window without = message;
  without.mutable_dictionary()->clear_frame_start_line();
  EXPECT_EQ(start_line(WindowDecoder().Decode(without).value()), 0);
  message.mutable_dictionary()->set_frame_start_line(0, kMaxStartLine + 1);
  EXPECT_THAT(Refusal(message), HasSubstr("cannot be true"));
}

TEST(WireTest, RefusesASeriesWithoutServiceAndLabelsTwice) {
  v1::Window message = Encoded();
  message.mutable_series(0)->clear_labels();
  EXPECT_THAT(Refusal(message), HasSubstr("service_name"));
  message = Encoded();
  *message.mutable_series(0)->add_labels() = message.series(0).labels(0);
  EXPECT_THAT(Refusal(message), HasSubstr("twice"));
}

TEST(WireTest, RefusesStacksDeeperThanTheLimit) {
  std::string deep = "f";
  for (int i = 0; i < 20; ++i) deep += ";f";
  const std::string bytes = SerializeWindow(MakeWindow(1, {{deep, 1}}));
  EXPECT_TRUE(ParseWindow(bytes).ok());
  EXPECT_THAT(std::string(ParseWindow(bytes, {.max_depth = 20}).status().message()),
              HasSubstr("deeper than 20"));
}

TEST(WireTest, BoundsTheDictionary) {
  EXPECT_TRUE(absl::IsResourceExhausted(
      ParseWindow(SerializeWindow(MakeWindow(1, {{"a", 1}})), {.max_dictionary_bytes = 10}).status()));
}

TEST(WireTest, RefusesGarbage) {
  EXPECT_TRUE(absl::IsInvalidArgument(ParseWindow("\xff\xff garbage").status()));
}

}  // namespace
}  // namespace pilotlight
