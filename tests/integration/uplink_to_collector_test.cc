// The agent's spool and uplink against a whole collector: what is taken is stored exactly once, or counted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "agent/uplink/spool.h"
#include "agent/uplink/uplink.h"
#include "base/clock.h"
#include "base/file.h"
#include "collector/collector.h"
#include "collector/store/embedded/embedded_stores.h"
#include "tests/support/collector_client.h"
#include "tests/support/windows.h"

namespace pilotlight {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'714'564'800);
constexpr uint64_t kSamplesOfAWindow = 3;  // see MakeWindow()

// Jumps while others read it.
class JumpingClock : public Clock {
 public:
  absl::Time Now() const override { return kNow + absl::Seconds(offset_seconds_.load()); }
  void Jump(absl::Duration by) { offset_seconds_ += absl::ToInt64Seconds(by); }

 private:
  std::atomic<int64_t> offset_seconds_{0};
};

class UplinkToCollectorTest : public testing::Test {
 protected:
  void SetUp() override {
    StartCollector();
    spool_ = agent::Spool::Open({.directory = directory_.path() + "/spool"}).value();
    agent::UplinkOptions options;
    options.collector = absl::StrCat("127.0.0.1:", port_);
    options.min_backoff = absl::Milliseconds(1);
    options.max_backoff = absl::Milliseconds(20);
    uplink_ = agent::Uplink::Create(options, *spool_).value();
    uplink_->Start();
  }
  void TearDown() override { uplink_.reset(); }

  void StartCollector() {
    collector::EmbeddedStoreOptions store_options;
    store_options.path = directory_.path() + "/store";
    store_options.clock = &collector_clock_;
    store_ = collector::EmbeddedStores::Open(store_options).value();
    collector::CollectorOptions options;
    options.grpc_listen_address = absl::StrCat("127.0.0.1:", port_);
    options.web_listen_address = "127.0.0.1:0";
    registry_ = std::make_unique<prometheus::Registry>();
    collector_ = collector::Collector::Start(options, *store_, collector_clock_, *registry_).value();
    port_ = collector_->grpc_port();
  }
  void StopCollector() {
    collector_.reset();
    store_.reset();
  }

  // At the agent's clock, which then moves on to the next window.
  void Take(int windows) {
    for (int i = 0; i < windows; ++i) {
      spool_->BeginWindow();
      Window window = MakeWindow("shop");
      window.start = agent_clock_.Now();
      spool_->Commit(std::move(window));
      agent_clock_.Advance(absl::Seconds(60));
    }
  }
  // A time-out of CTest ends it when it never becomes so.
  void AwaitEmptySpool() {
    while (!spool_->empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  uint64_t StoredWindows() {
    const uint64_t samples =
        QueryClient(port_).Samples("{service=\"shop\"}", kNow - absl::Hours(48), kNow + absl::Hours(48));
    EXPECT_EQ(samples % kSamplesOfAWindow, 0u);
    return samples / kSamplesOfAWindow;
  }
  uint64_t Refused() const { return spool_->stats().dropped_windows.at("refused"); }

  const TemporaryDirectory directory_;
  JumpingClock collector_clock_;
  ManualClock agent_clock_{kNow - absl::Hours(3)};
  int port_ = 0;
  std::unique_ptr<collector::EmbeddedStores> store_;
  std::unique_ptr<prometheus::Registry> registry_;
  std::unique_ptr<collector::Collector> collector_;
  std::unique_ptr<agent::Spool> spool_;
  std::unique_ptr<agent::Uplink> uplink_;
};

TEST_F(UplinkToCollectorTest, EveryWindowIsStoredOnceThoughTheCollectorStopsAgainAndAgain) {
  for (int restart = 0; restart < 4; ++restart) {
    Take(5);  // some are on their way when it stops
    StopCollector();
    Take(5);
    StartCollector();
  }
  AwaitEmptySpool();
  EXPECT_EQ(StoredWindows(), 40u);
  EXPECT_EQ(Refused(), 0u);
}

TEST_F(UplinkToCollectorTest, TenWindowsWithoutACollectorArriveWhenItIsBack) {
  StopCollector();
  Take(10);
  EXPECT_EQ(spool_->stats().windows, 10u);
  StartCollector();
  AwaitEmptySpool();
  EXPECT_EQ(StoredWindows(), 10u);
}

TEST_F(UplinkToCollectorTest, WindowsAreStoredWhenTheAgentsClockJumpsBackAndAgain) {
  Take(3);
  agent_clock_.Advance(-absl::Hours(2));  // the same span of time once more
  Take(3);
  agent_clock_.Advance(absl::Hours(2));
  Take(3);
  AwaitEmptySpool();
  EXPECT_EQ(StoredWindows(), 9u);
  EXPECT_EQ(Refused(), 0u);
}

TEST_F(UplinkToCollectorTest, WindowsOfAClockFarAheadAreRefusedAndCountedAndTheRestGoesOn) {
  Take(3);
  agent_clock_.Advance(absl::Hours(24));
  Take(2);
  agent_clock_.Advance(-absl::Hours(24));
  Take(3);
  AwaitEmptySpool();
  EXPECT_EQ(StoredWindows(), 6u);
  EXPECT_EQ(Refused(), 2u);
  EXPECT_EQ(uplink_->stats().reconnects, 0u);  // a refusal does not break the stream
}

TEST_F(UplinkToCollectorTest, AJumpOfTheCollectorsClockLosesNothingUncounted) {
  Take(3);
  AwaitEmptySpool();
  collector_clock_.Jump(-absl::Hours(24));
  Take(2);
  AwaitEmptySpool();
  EXPECT_EQ(Refused(), 2u);
  collector_clock_.Jump(absl::Hours(24));
  Take(3);
  AwaitEmptySpool();
  EXPECT_EQ(StoredWindows(), 6u);
}

TEST_F(UplinkToCollectorTest, AnAgentThatStartsAgainGoesOnWithItsWindows) {
  StopCollector();
  Take(3);
  uplink_.reset();
  spool_.reset();  // as after a kill: nothing was flushed
  StartCollector();
  spool_ = agent::Spool::Open({.directory = directory_.path() + "/spool"}).value();
  uplink_ = agent::Uplink::Create({.collector = absl::StrCat("127.0.0.1:", port_)}, *spool_).value();
  uplink_->Start();
  Take(2);
  AwaitEmptySpool();
  EXPECT_EQ(StoredWindows(), 5u);
}

}  // namespace
}  // namespace pilotlight
