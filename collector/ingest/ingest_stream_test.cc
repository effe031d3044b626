#include "collector/ingest/ingest_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/memory_store.h"

namespace pilotlight::collector {
namespace {

using testing::HasSubstr;

class IngestStreamTest : public testing::Test {
 protected:
  Window MakeWindow(uint64_t sequence, absl::string_view function = "main.work") {
    Window window;
    window.agent = "agent-1";
    window.boot = "boot-1";
    window.sequence = sequence;
    window.start = clock_.Now() - absl::Seconds(10);
    window.duration = absl::Seconds(10);
    window.interval = absl::Seconds(60);
    window.source = "ebpf";
    Series series;
    series.labels = {{"service_name", "checkout"}};
    series.period = 10'000'000;
    const FrameId frame = window.trie.InternFrame(FrameView{.function = function, .symbolized = true});
    series.samples.push_back({window.trie.Child(StackTrie::kRoot, frame), 3, 30'000'000});
    window.series.push_back(std::move(series));
    return window;
  }

  static v1::StreamRequest Hello(const std::string& agent = "agent-1") {
    v1::StreamRequest request;
    request.mutable_hello()->set_agent(agent);
    return request;
  }

  v1::StreamRequest Encoded(const Window& window) { return Encoded(window, encoder_); }
  static v1::StreamRequest Encoded(const Window& window, WindowEncoder& encoder) {
    v1::StreamRequest request;
    encoder.Encode(window, *request.mutable_window());
    return request;
  }

  static IngestStream::Outcome Send(IngestStream& stream, const v1::StreamRequest& request) {
    return stream.Receive(request, request.ByteSizeLong());
  }

  // The value of a metric with one label, or none.
  double Metric(const std::string& name, const std::string& label_value = "") const {
    for (const prometheus::MetricFamily& family : registry_.Collect()) {
      if (family.name != name) continue;
      for (const prometheus::ClientMetric& metric : family.metric) {
        if (!label_value.empty() && (metric.label.empty() || metric.label[0].value != label_value)) continue;
        return family.type == prometheus::MetricType::Gauge ? metric.gauge.value : metric.counter.value;
      }
    }
    ADD_FAILURE() << "no metric " << name << " " << label_value;
    return -1;
  }

  IngestLimits limits_;
  MemoryStores stores_;
  MemoryStore& store_ = stores_.anonymous();
  ManualClock clock_{absl::FromUnixSeconds(1'714'564'800)};
  prometheus::Registry registry_;
  IngestMetrics metrics_{registry_};
  WindowEncoder encoder_;
};

TEST_F(IngestStreamTest, AcknowledgesAStoredWindow) {
  IngestContext context(stores_, limits_, clock_, metrics_);
  IngestStream stream(context);
  EXPECT_TRUE(Send(stream, Hello()).status.ok());
  const auto outcome = Send(stream, Encoded(MakeWindow(1)));
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.response->acknowledgement().sequence(), 1);
  EXPECT_EQ(outcome.response->acknowledgement().boot(), "boot-1");
  EXPECT_EQ(store_.series_count(), 1);
  EXPECT_EQ(Metric("pilotlight_ingest_windows_total", "stored"), 1);
  EXPECT_EQ(Metric("pilotlight_ingest_samples_total"), 3);
}

TEST_F(IngestStreamTest, ATenantHasAStoreAndABudgetOfItsOwn) {
  limits_.max_tenant_bytes_per_second = 1;
  IngestContext context(stores_, limits_, clock_, metrics_);
  const auto wait_of = [&](const std::string& tenant) {
    IngestStream stream(context, tenant);
    WindowEncoder encoder;
    Send(stream, Hello());
    const auto outcome = Send(stream, Encoded(MakeWindow(1), encoder));
    EXPECT_TRUE(outcome.response->has_acknowledgement()) << outcome.status;
    return outcome.wait;
  };
  const absl::Duration first = wait_of("a");
  EXPECT_GT(first, absl::ZeroDuration());
  EXPECT_GT(wait_of("a"), first);  // of another stream, whose window is a duplicate
  EXPECT_EQ(wait_of("anonymous"), absl::ZeroDuration());
  EXPECT_EQ(Metric("pilotlight_ingest_windows_total", "duplicate"), 1);
  EXPECT_EQ(Metric("pilotlight_tenant_limited_total", "a"), 2);
  EXPECT_EQ(static_cast<MemoryStore*>(stores_.Find("a"))->series_count(), 1);
  EXPECT_EQ(store_.series_count(), 1);
}

TEST_F(IngestStreamTest, AcknowledgesAWindowSentAgainWithoutCountingItAgain) {
  IngestContext context(stores_, limits_, clock_, metrics_);
  {
    IngestStream stream(context);
    Send(stream, Hello());
    Send(stream, Encoded(MakeWindow(1)));
  }
  IngestStream stream(context);
  WindowEncoder encoder;
  Send(stream, Hello());
  const auto outcome = Send(stream, Encoded(MakeWindow(1), encoder));
  EXPECT_EQ(outcome.response->acknowledgement().sequence(), 1);
  EXPECT_EQ(store_.series_count(), 1);
  EXPECT_EQ(Metric("pilotlight_ingest_windows_total", "duplicate"), 1);
}

TEST_F(IngestStreamTest, EndsAStreamThatBeginsWithoutAHello) {
  IngestContext context(stores_, limits_, clock_, metrics_);
  IngestStream stream(context);
  const auto outcome = Send(stream, Encoded(MakeWindow(1)));
  EXPECT_TRUE(absl::IsInvalidArgument(outcome.status)) << outcome.status;
  EXPECT_EQ(Metric("pilotlight_ingest_broken_streams_total", "no_hello"), 1);
}

TEST_F(IngestStreamTest, EndsAStreamWithTheWindowOfAnotherAgent) {
  IngestContext context(stores_, limits_, clock_, metrics_);
  IngestStream stream(context);
  Send(stream, Hello("agent-2"));
  const auto outcome = Send(stream, Encoded(MakeWindow(1)));
  EXPECT_TRUE(absl::IsInvalidArgument(outcome.status)) << outcome.status;
  EXPECT_EQ(store_.series_count(), 0);
}

TEST_F(IngestStreamTest, RefusesAWindowFromTheFutureAndGoesOn) {
  IngestContext context(stores_, limits_, clock_, metrics_);
  IngestStream stream(context);
  Send(stream, Hello());
  Window window = MakeWindow(1);
  window.start = clock_.Now() + absl::Minutes(11);
  const auto refused = Send(stream, Encoded(window));
  EXPECT_TRUE(refused.status.ok());
  EXPECT_EQ(refused.response->refusal().sequence(), 1);
  EXPECT_THAT(refused.response->refusal().reason(), HasSubstr("clock"));
  EXPECT_EQ(Metric("pilotlight_ingest_refused_windows_total", "future"), 1);
  // Its names are known all the same.
  const auto stored = Send(stream, Encoded(MakeWindow(2)));
  EXPECT_EQ(stored.response->acknowledgement().sequence(), 2);
}

TEST_F(IngestStreamTest, RefusesAWindowOlderThanWhatIsKept) {
  IngestContext context(stores_, limits_, clock_, metrics_);
  IngestStream stream(context);
  Send(stream, Hello());
  Window window = MakeWindow(1);
  window.start = clock_.Now() - limits_.max_age - absl::Seconds(1);
  EXPECT_TRUE(Send(stream, Encoded(window)).response->has_refusal());
  EXPECT_EQ(Metric("pilotlight_ingest_refused_windows_total", "too_old"), 1);
}

TEST_F(IngestStreamTest, RefusesLabelNamesThatNobodyCouldAskFor) {
  IngestContext context(stores_, limits_, clock_, metrics_);
  IngestStream stream(context);
  Send(stream, Hello());
  uint64_t sequence = 0;
  for (const char* name : {"with-dash", "0digit", "__reserved", "nö", "a b"}) {
    Window window = MakeWindow(++sequence);
    window.series[0].labels[name] = "x";
    const auto outcome = Send(stream, Encoded(window));
    ASSERT_TRUE(outcome.response.has_value()) << name;
    EXPECT_TRUE(outcome.response->has_refusal()) << name;
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  }
  EXPECT_EQ(store_.series_count(), 0);
}

TEST_F(IngestStreamTest, RefusesAWindowThatCannotBeDecodedBeforeItEndsTheStream) {
  IngestContext context(stores_, limits_, clock_, metrics_);
  IngestStream stream(context);
  Send(stream, Hello());
  v1::StreamRequest request = Encoded(MakeWindow(7));
  request.mutable_window()->mutable_series(0)->set_node_delta(0, 1000);
  const auto outcome = Send(stream, request);
  EXPECT_TRUE(absl::IsInvalidArgument(outcome.status)) << outcome.status;
  ASSERT_TRUE(outcome.response.has_value());
  EXPECT_EQ(outcome.response->refusal().sequence(), 7);
  EXPECT_EQ(Metric("pilotlight_ingest_refused_windows_total", "not_decodable"), 1);
}

TEST_F(IngestStreamTest, RefusesAStackThatIsTooDeep) {
  IngestContext context(stores_, limits_, clock_, metrics_);
  IngestStream stream(context);
  Send(stream, Hello());
  Window window = MakeWindow(1);
  NodeId node = StackTrie::kRoot;
  for (size_t i = 0; i <= limits_.wire.max_depth; ++i) node = window.trie.Child(node, 1);
  window.series[0].samples[0].node = node;
  const auto outcome = Send(stream, Encoded(window));
  EXPECT_TRUE(absl::IsInvalidArgument(outcome.status));
  EXPECT_THAT(outcome.response->refusal().reason(), HasSubstr("deeper"));
}

TEST_F(IngestStreamTest, EndsAFloodOfNamesSoThatTheAgentBeginsANewDictionary) {
  limits_.wire.max_dictionary_bytes = 100'000;
  IngestContext context(stores_, limits_, clock_, metrics_);
  IngestStream stream(context);
  Send(stream, Hello());
  IngestStream::Outcome outcome;
  uint64_t sequence = 0;
  while (outcome.status.ok() && sequence < 1000) {
    ++sequence;
    outcome = Send(stream, Encoded(MakeWindow(sequence, absl::StrCat(std::string(1000, 'f'), sequence))));
  }
  EXPECT_TRUE(absl::IsResourceExhausted(outcome.status)) << outcome.status;
  EXPECT_FALSE(outcome.response.has_value());  // the window itself is good: send it again
  EXPECT_EQ(Metric("pilotlight_ingest_broken_streams_total", "dictionary"), 1);
}

TEST_F(IngestStreamTest, RefusesASingleWindowWhoseNamesCanNeverFit) {
  limits_.wire.max_dictionary_bytes = 10'000;
  IngestContext context(stores_, limits_, clock_, metrics_);
  IngestStream stream(context);
  Send(stream, Hello());
  const auto outcome = Send(stream, Encoded(MakeWindow(1, std::string(16'000, 'f'))));
  EXPECT_TRUE(absl::IsResourceExhausted(outcome.status)) << outcome.status;
  EXPECT_EQ(outcome.response->refusal().sequence(), 1);
}

TEST_F(IngestStreamTest, LimitsTheDictionariesOfAllStreamsTogether) {
  limits_.max_dictionaries_bytes = 100'000;
  IngestContext context(stores_, limits_, clock_, metrics_);
  IngestStream quiet(context);
  Send(quiet, Hello());
  Send(quiet, Encoded(MakeWindow(1)));
  {
    IngestStream loud(context);
    WindowEncoder encoder;
    Send(loud, Hello("loud"));
    IngestStream::Outcome outcome;
    for (uint64_t sequence = 1; outcome.status.ok() && sequence < 1000; ++sequence) {
      Window window = MakeWindow(sequence, absl::StrCat(std::string(1000, 'f'), sequence));
      window.agent = "loud";
      outcome = Send(loud, Encoded(window, encoder));
    }
    EXPECT_TRUE(absl::IsResourceExhausted(outcome.status)) << outcome.status;
  }
  EXPECT_TRUE(Send(quiet, Encoded(MakeWindow(2))).response->has_acknowledgement());
  EXPECT_LT(Metric("pilotlight_ingest_dictionary_bytes"), 100'000);
}

TEST_F(IngestStreamTest, TellsEachAgentItsShareOfTheDictionaries) {
  limits_.max_dictionaries_bytes = 800'000;
  IngestContext context(stores_, limits_, clock_, metrics_);
  IngestStream stream(context);
  ASSERT_TRUE(context.OpenStream());
  Send(stream, Hello());
  EXPECT_EQ(Send(stream, Encoded(MakeWindow(1))).response->acknowledgement().max_dictionary_bytes(), 400'000);
  ASSERT_TRUE(context.OpenStream());
  EXPECT_EQ(Send(stream, Encoded(MakeWindow(2))).response->acknowledgement().max_dictionary_bytes(), 200'000);
  context.CloseStream();
  context.CloseStream();
}

TEST_F(IngestStreamTest, AnAgentThatEndsItsDictionaryGoesOnForEver) {
  limits_.max_dictionaries_bytes = 100'000;
  IngestContext context(stores_, limits_, clock_, metrics_);
  IngestStream stream(context);
  Send(stream, Hello());
  for (uint64_t sequence = 1; sequence <= 500; ++sequence) {
    const auto outcome =
        Send(stream, Encoded(MakeWindow(sequence, absl::StrCat(std::string(1000, 'f'), sequence))));
    ASSERT_TRUE(outcome.status.ok()) << sequence << ": " << outcome.status;
    encoder_.set_receiver_bytes(outcome.response->acknowledgement().max_dictionary_bytes());
  }
}

TEST_F(IngestStreamTest, RefusesAMessageThatIsTooLarge) {
  limits_.max_message_bytes = 1000;
  IngestContext context(stores_, limits_, clock_, metrics_);
  IngestStream stream(context);
  Send(stream, Hello());
  const auto outcome = Send(stream, Encoded(MakeWindow(1, std::string(2000, 'f'))));
  EXPECT_TRUE(absl::IsInvalidArgument(outcome.status));
  EXPECT_THAT(outcome.response->refusal().reason(), HasSubstr("the limit is 1000"));
}

TEST_F(IngestStreamTest, AFullStoreEndsTheStreamAndTheWindowMayComeAgain) {
  IngestContext context(stores_, limits_, clock_, metrics_);
  IngestStream stream(context);
  Send(stream, Hello());
  store_.SetFailure(absl::ResourceExhaustedError("No space left on device"));
  const auto outcome = Send(stream, Encoded(MakeWindow(1)));
  EXPECT_TRUE(absl::IsResourceExhausted(outcome.status));
  EXPECT_FALSE(outcome.response.has_value());
  EXPECT_EQ(Metric("pilotlight_ingest_windows_total", "failed"), 1);
}

TEST_F(IngestStreamTest, AWindowThatTheStoreNeverTakesIsRefused) {
  IngestContext context(stores_, limits_, clock_, metrics_);
  IngestStream stream(context);
  Send(stream, Hello());
  store_.SetFailure(absl::InvalidArgumentError("no"));
  const auto outcome = Send(stream, Encoded(MakeWindow(1)));
  EXPECT_TRUE(outcome.status.ok());
  EXPECT_TRUE(outcome.response->has_refusal());
}

TEST_F(IngestStreamTest, CountsTheWindowsThatNeverCame) {
  IngestContext context(stores_, limits_, clock_, metrics_);
  IngestStream stream(context);
  Send(stream, Hello());
  for (const uint64_t sequence : {3, 4, 7, 7, 5, 8}) Send(stream, Encoded(MakeWindow(sequence)));
  EXPECT_EQ(Metric("pilotlight_ingest_missing_windows_total"), 2);  // 5 and 6, when 7 came
}

TEST_F(IngestStreamTest, AllowsOnlySoManyStreams) {
  limits_.max_streams = 2;
  IngestContext context(stores_, limits_, clock_, metrics_);
  EXPECT_TRUE(context.OpenStream());
  EXPECT_TRUE(context.OpenStream());
  EXPECT_FALSE(context.OpenStream());
  context.CloseStream();
  EXPECT_TRUE(context.OpenStream());
  EXPECT_EQ(Metric("pilotlight_ingest_streams"), 2);
}

TEST(SequenceTrackerTest, CountsWhatIsMissingAtTheBeginningOfANewBoot) {
  SequenceTracker tracker;
  EXPECT_EQ(tracker.Observe("a", "one", 5), 0);  // the collector may have been restarted
  EXPECT_EQ(tracker.Observe("a", "two", 3), 2);
}

TEST(SequenceTrackerTest, ForgetsTheAgentSeenLongestAgo) {
  SequenceTracker tracker(/*max_agents=*/2);
  tracker.Observe("a", "one", 1);
  tracker.Observe("b", "one", 1);
  tracker.Observe("a", "one", 2);
  tracker.Observe("c", "one", 1);
  EXPECT_EQ(tracker.Observe("a", "one", 5), 2);
  EXPECT_EQ(tracker.Observe("b", "one", 5), 0);
}

}  // namespace
}  // namespace pilotlight::collector
