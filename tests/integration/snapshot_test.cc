// Snapshots of a collector at work: each holds what was acknowledged before it was asked for, and a collector
// runs on it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <prometheus/registry.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/file.h"
#include "collector/collector.h"
#include "collector/store/embedded/embedded_stores.h"
#include "nlohmann/json.hpp"
#include "tests/support/collector_client.h"
#include "tests/support/stacks.h"

namespace pilotlight::collector {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'714'564'800);
const TimeSpan kAll = {absl::InfinitePast(), absl::InfiniteFuture()};

// A collector on a storage path.
struct Running {
  explicit Running(const std::string& path, const Clock& clock) {
    EmbeddedStoreOptions store_options;
    store_options.path = path;
    store_options.clock = &clock;
    auto opened = EmbeddedStores::Open(store_options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    store = *std::move(opened);
    CollectorOptions options;
    options.grpc_listen_address = "127.0.0.1:0";
    options.web_listen_address = "127.0.0.1:0";
    auto started = Collector::Start(options, *store, clock, registry);
    EXPECT_TRUE(started.ok()) << started.status();
    collector = *std::move(started);
  }

  httplib::Result Snapshot() const {
    httplib::Client client("127.0.0.1", collector->http_port());
    client.set_read_timeout(60);
    return client.Post("/-/snapshot");
  }

  prometheus::Registry registry;
  std::unique_ptr<EmbeddedStores> store;
  std::unique_ptr<Collector> collector;
};

// Window `sequence` counts one sample in a stack of its own.
Window WindowOf(uint64_t sequence) {
  Window window;
  window.start = kNow - absl::Hours(2) + absl::Seconds(static_cast<int64_t>(sequence));
  window.duration = absl::Seconds(1);
  window.interval = absl::Seconds(1);
  window.source = "ebpf";
  Series series;
  series.labels = {{std::string(kServiceLabel), "shop"}};
  series.period = 10'000'000;
  series.samples = AddSamples(window.trie, {{absl::StrCat("main;window-", sequence), 1}}, series.period);
  window.series.push_back(std::move(series));
  return window;
}

// How many windows there are; they must be the first ones, each once.
uint64_t CountWindows(EmbeddedStore& store) {
  const auto merged = store.Merge({ProfileType{}, kAll, {}}, {});
  EXPECT_TRUE(merged.ok()) << merged.status();
  const uint64_t windows = merged->coverage.windows;
  const StackTrie& trie = merged->profile.trie;
  std::vector<uint64_t> counts(windows + 1);
  for (const Sample& sample : merged->profile.samples) {
    const std::string name(trie.view(trie.Stack(sample.node).back()).function);
    for (uint64_t sequence = 1; sequence <= windows; ++sequence) {
      if (name == absl::StrCat("window-", sequence)) counts[sequence] += sample.count;
    }
  }
  for (uint64_t sequence = 1; sequence <= windows; ++sequence) {
    EXPECT_EQ(counts[sequence], 1u) << "window " << sequence;
  }
  return windows;
}

TEST(SnapshotTest, HoldsWhatWasAcknowledgedBeforeIt) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/store";
  const ManualClock clock(kNow);
  struct Taken {
    std::string name;
    uint64_t acknowledged_before = 0;
    uint64_t sent_after = 0;
  };
  std::vector<Taken> snapshots;
  std::atomic<uint64_t> sent{0};
  std::atomic<uint64_t> acknowledged{0};
  std::atomic<bool> stop{false};
  {
    const Running running(path, clock);
    std::thread agent([&] {
      AgentStream stream(running.collector->grpc_port(), "node-1");
      stream.SendHello();
      while (!stop) {
        const uint64_t sequence = ++sent;
        ASSERT_TRUE(stream.Send(WindowOf(sequence), sequence));
        const auto response = stream.Receive();
        ASSERT_TRUE(response.has_value());
        ASSERT_TRUE(response->has_acknowledgement()) << response->ShortDebugString();
        acknowledged = sequence;
      }
    });
    for (int i = 0; i < 4; ++i) {
      const uint64_t enough = acknowledged + 20;
      while (acknowledged < enough) std::this_thread::yield();
      Taken& taken = snapshots.emplace_back();
      taken.acknowledged_before = acknowledged;
      const httplib::Result response = running.Snapshot();
      taken.sent_after = sent;
      ASSERT_TRUE(response);
      ASSERT_EQ(response->status, 200) << response->body;
      EXPECT_EQ(response->get_header_value("Content-Type"), "application/json");
      taken.name = nlohmann::json::parse(response->body).at("name");
      EXPECT_THAT(taken.name, testing::ContainsRegex("^20240501T120000Z-[0-9a-f]{16}$"));
    }
    stop = true;
    agent.join();
  }

  for (const Taken& taken : snapshots) {
    SCOPED_TRACE(taken.name);
    const Running restored(absl::StrCat(path, "/snapshots/", taken.name), clock);
    const uint64_t windows = CountWindows(restored.store->anonymous());
    EXPECT_GE(windows, taken.acknowledged_before);
    EXPECT_LE(windows, taken.sent_after);
    // It goes on from there: what it has counts once, what comes next is taken.
    AgentStream stream(restored.collector->grpc_port(), "node-1");
    stream.SendHello();
    for (const uint64_t sequence : {windows, windows + 1}) {
      ASSERT_TRUE(stream.Send(WindowOf(sequence), sequence));
      ASSERT_TRUE(stream.Receive().has_value());
    }
    EXPECT_EQ(CountWindows(restored.store->anonymous()), windows + 1);
  }
  // Neither the snapshots nor what was added to them is the store's.
  const Running reopened(path, clock);
  EXPECT_EQ(CountWindows(reopened.store->anonymous()), acknowledged);
}

TEST(SnapshotTest, SaysWhyThereIsNone) {
  const TemporaryDirectory directory;
  const ManualClock clock(kNow);
  const Running running(directory.path() + "/store", clock);
  std::ofstream(directory.path() + "/store/snapshots") << "a file is in the way";
  const httplib::Result response = running.Snapshot();
  ASSERT_TRUE(response);
  EXPECT_GE(response->status, 400);
  EXPECT_THAT(response->body, testing::HasSubstr("/store/snapshots"));
  // It may be tried again.
  std::filesystem::remove(directory.path() + "/store/snapshots");
  std::filesystem::create_directories(directory.path() + "/store/snapshots/cut-off.tmp");
  EXPECT_EQ(running.Snapshot()->status, 200);
  EXPECT_FALSE(std::filesystem::exists(directory.path() + "/store/snapshots/cut-off.tmp"));
}

}  // namespace
}  // namespace pilotlight::collector
