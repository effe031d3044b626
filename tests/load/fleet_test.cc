// What the load generator says that it sent is what the collector has.
#include "tests/load/fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/file.h"
#include "collector/collector.h"
#include "collector/store/embedded/embedded_stores.h"
#include "pilotlight/v1/ingest.pb.h"
#include "profile/wire.h"
#include "tests/support/collector_client.h"
#include "tests/support/stacks.h"

namespace pilotlight::load {
namespace {

// The windows of one agent as a receiver decodes them.
std::vector<Window> Decoded(const FleetWindows& windows, size_t agent, uint64_t count) {
  WindowDecoder decoder;
  std::vector<Window> decoded;
  std::string bytes;
  for (uint64_t sequence = 1; sequence <= count; ++sequence) {
    windows.Encode(agent, sequence, /*opens_stream=*/sequence == 1, bytes);
    v1::StreamRequest request;
    EXPECT_TRUE(request.ParseFromString(bytes));
    auto window = decoder.Decode(request.window());
    EXPECT_TRUE(window.ok()) << window.status();
    if (window.ok()) decoded.push_back(*std::move(window));
  }
  return decoded;
}

void ExpectEqual(const Window& left, const Window& right) {
  EXPECT_EQ(left.agent, right.agent);
  EXPECT_EQ(left.sequence, right.sequence);
  EXPECT_EQ(left.start, right.start);
  ASSERT_EQ(left.series.size(), right.series.size());
  for (size_t i = 0; i < left.series.size(); ++i) {
    EXPECT_EQ(left.series[i].labels, right.series[i].labels);
    EXPECT_EQ(left.series[i].type, right.series[i].type);
    EXPECT_EQ(left.series[i].period, right.series[i].period);
    EXPECT_EQ(left.series[i].loss, right.series[i].loss);
    EXPECT_EQ(FoldedCounts(left.trie, left.series[i].samples),
              FoldedCounts(right.trie, right.series[i].samples));
  }
}

TEST(FleetWindowsTest, EncodesWhatItDraws) {
  for (const bool pool_per_service : {false, true}) {
    FleetOptions options;
    options.agents = 2;
    options.services = 5;
    options.pool.stacks = 300;
    options.pool_per_service = pool_per_service;
    const FleetWindows windows(options);
    const std::vector<Window> decoded = Decoded(windows, 1, 3);
    ASSERT_EQ(decoded.size(), 3u);
    Window drawn;
    for (uint64_t sequence = 1; sequence <= 3; ++sequence) {
      windows.Draw(1, sequence, drawn);
      ExpectEqual(decoded[sequence - 1], drawn);
    }
    EXPECT_EQ(decoded[0].series.size(), 2u);
  }
}

TEST(FleetWindowsTest, ScriptedWindowsHoldTheSameAndNamesOnlyOnce) {
  FleetOptions options;
  options.agents = 3;
  options.services = 3;
  const FleetWindows drawn(options);
  options.scripted_windows = 4;
  const FleetWindows scripted(options);
  const std::vector<Window> expected = Decoded(drawn, 2, 4);
  const std::vector<Window> decoded = Decoded(scripted, 2, 4);
  ASSERT_EQ(decoded.size(), expected.size());
  for (size_t i = 0; i < decoded.size(); ++i) ExpectEqual(decoded[i], expected[i]);
  std::string first;
  std::string last;
  scripted.Encode(2, 1, /*opens_stream=*/true, first);
  scripted.Encode(2, 4, /*opens_stream=*/false, last);
  EXPECT_LT(last.size(), first.size() / 2);
}

TEST(FleetWindowsTest, ScriptedWindowsKeepToTheReceiversMemory) {
  FleetOptions options;
  options.agents = 1;
  options.services = 1;
  const FleetWindows drawn(options);
  options.scripted_windows = 3;
  options.scripted_dictionary_bytes = 32 << 10;
  const FleetWindows scripted(options);
  WindowDecoder decoder;
  std::string bytes;
  Window expected;
  for (uint64_t sequence = 1; sequence <= 3; ++sequence) {
    scripted.Encode(0, sequence, /*opens_stream=*/sequence == 1, bytes);
    v1::StreamRequest request;
    ASSERT_TRUE(request.ParseFromString(bytes));
    const auto window = decoder.Decode(request.window());
    ASSERT_TRUE(window.ok()) << window.status();
    drawn.Draw(0, sequence, expected);
    ExpectEqual(*window, expected);
    EXPECT_LT(decoder.dictionary_bytes(), options.scripted_dictionary_bytes);
  }
}

TEST(FleetWindowsTest, ProfilesAreAsInTheGoals) {
  const FleetWindows windows(FleetOptions{});
  Window window;
  double stacks = 0;
  size_t profiles = 0;
  for (uint64_t sequence = 1; sequence <= 20; ++sequence) {
    windows.Draw(7, sequence, window);
    for (const Series& series : window.series) {
      EXPECT_EQ(Totals(series.samples).count, 380u);
      stacks += static_cast<double>(series.samples.size());
      ++profiles;
      for (const Sample& sample : series.samples) {
        const size_t depth = window.trie.Stack(sample.node).size();
        EXPECT_GE(depth, 20u);
        EXPECT_LE(depth, 45u);  // a few are longer than drawn, to differ from all others
      }
    }
  }
  // 200 profiles with a standard deviation of some 8 stacks: the mean is within ± 2.
  EXPECT_NEAR(stacks / static_cast<double>(profiles), 195, 5);
}

TEST(FleetWindowsTest, AnotherSeedSendsOtherProfiles) {
  FleetOptions options;
  std::string one;
  std::string again;
  std::string other;
  FleetWindows(options).Encode(0, 1, /*opens_stream=*/false, one);
  FleetWindows(options).Encode(0, 1, /*opens_stream=*/false, again);
  options.seed = 2;
  FleetWindows(options).Encode(0, 1, /*opens_stream=*/false, other);
  EXPECT_EQ(one, again);
  EXPECT_NE(one, other);
}

class FleetTest : public testing::Test {
 protected:
  void SetUp() override {
    collector::EmbeddedStoreOptions store_options;
    store_options.path = directory_.path() + "/store";
    auto store = collector::EmbeddedStores::Open(store_options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    collector::CollectorOptions collector_options;
    collector_options.grpc_listen_address = "127.0.0.1:0";
    collector_options.web_listen_address = "127.0.0.1:0";
    auto collector = collector::Collector::Start(collector_options, *store_, clock_, registry_);
    ASSERT_TRUE(collector.ok()) << collector.status();
    collector_ = *std::move(collector);
    connection_.collector = absl::StrCat("127.0.0.1:", collector_->grpc_port());
    options_.pool.stacks = 200;
  }

  void ExpectExactTotals(const FleetWindows& windows, const std::vector<uint64_t>& sent) {
    QueryClient client(collector_->grpc_port());
    for (size_t service = 0; service < windows.options().services; ++service) {
      EXPECT_EQ(client.Samples(absl::StrCat("{service=\"", windows.ServiceName(service), "\"}"),
                               windows.options().start, absl::Now() + absl::Hours(1)),
                windows.ExpectedSamples(service, sent))
          << windows.ServiceName(service);
    }
  }

  const TemporaryDirectory directory_;
  const SystemClock clock_{};
  prometheus::Registry registry_;
  std::unique_ptr<collector::EmbeddedStores> store_;
  std::unique_ptr<collector::Collector> collector_;
  FleetOptions options_;
  FleetConnection connection_;
};

TEST_F(FleetTest, TheCollectorHasExactlyWhatWasSent) {
  options_.agents = 3;
  options_.services = 7;
  options_.start = absl::Now() - absl::Minutes(20);
  const FleetWindows windows(options_);
  Fleet fleet(windows, connection_);
  ASSERT_TRUE(fleet.SendUpTo(20).ok());
  EXPECT_EQ(fleet.acknowledged(), std::vector<uint64_t>(3, 20));
  EXPECT_EQ(fleet.acknowledged_profiles(), 7u * 20);
  ExpectExactTotals(windows, fleet.acknowledged());
}

TEST_F(FleetTest, AgentsThatReconnectGoOnWithoutLossOrDoubles) {
  options_.agents = 2;
  options_.services = 2;
  options_.start = absl::Now() - absl::Minutes(20);
  const FleetWindows windows(options_);
  ASSERT_TRUE(Fleet(windows, connection_).SendUpTo(10).ok());
  // They did not hear of the last three.
  Fleet again(windows, connection_, {7, 7});
  ASSERT_TRUE(again.SendUpTo(20).ok());
  ExpectExactTotals(windows, again.acknowledged());
}

TEST_F(FleetTest, ManyAgentsInStepEachWithItsOwnConnection) {
  options_.agents = 100;
  options_.services = 10;
  options_.scripted_windows = 2;
  options_.start = absl::Now();
  const FleetWindows windows(options_);
  Fleet fleet(windows, connection_);
  ASSERT_TRUE(fleet.SendInStep(2, absl::Milliseconds(200)).ok());
  EXPECT_EQ(fleet.acknowledged(), std::vector<uint64_t>(100, 2));
  EXPECT_EQ(fleet.TakeAcknowledgementTimes().size(), 200u);
  ExpectExactTotals(windows, fleet.acknowledged());
}

TEST_F(FleetTest, ARefusedWindowIsAnError) {
  options_.start = absl::Now() + absl::Hours(24);
  const FleetWindows windows(options_);
  Fleet fleet(windows, connection_);
  const absl::Status status = fleet.SendUpTo(1);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("after the collector's time"));
}

}  // namespace
}  // namespace pilotlight::load
