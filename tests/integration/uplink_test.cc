#include "agent/uplink/uplink.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <future>
#include <set>
#include <thread>

#include "base/file.h"
#include "tests/support/scripted_ingest.h"

namespace pilotlight::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

// A time-out of CTest ends it when the condition never holds.
template <typename Condition>
void Await(Condition condition) {
  while (!condition()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

class UplinkTest : public testing::Test {
 protected:
  void SetUp() override {
    spool_options_.directory = directory_.path() + "/spool";
    options_.version = "0.1.0";
    options_.node = "node-1";
    options_.min_backoff = absl::Milliseconds(1);
    options_.max_backoff = absl::Milliseconds(20);
    spool_ = Spool::Open(spool_options_).value();
  }
  void TearDown() override {
    uplink_.reset();
    spool_.reset();
  }

  void Take(const std::vector<std::string>& tags) {
    for (const std::string& tag : tags) {
      spool_->BeginWindow();
      spool_->Commit(MakeWindow(tag));
    }
  }
  void Connect(const std::string& address) {
    options_.collector = address;
    uplink_ = Uplink::Create(options_, *spool_).value();
    uplink_->Start();
  }
  void AwaitEmptySpool() {
    Await([this] { return spool_->empty(); });
  }
  uint64_t Dropped(const std::string& reason) const { return spool_->stats().dropped_windows.at(reason); }
  uint64_t AllDropped() const {
    uint64_t sum = 0;
    for (const auto& [reason, windows] : spool_->stats().dropped_windows) sum += windows;
    return sum;
  }

  const TemporaryDirectory directory_;
  SpoolOptions spool_options_;
  UplinkOptions options_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<Uplink> uplink_;
};

const std::vector<std::string> kTen = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

TEST_F(UplinkTest, DeliversWindowsInOrderAndEmptiesTheSpool) {
  ScriptedIngest collector;
  Connect(collector.Start());
  Take(kTen);
  EXPECT_EQ(collector.WaitForCount(10), kTen);
  AwaitEmptySpool();
  const UplinkStats stats = uplink_->stats();
  EXPECT_TRUE(stats.connected);
  EXPECT_EQ(stats.sent_windows, 10u);
  EXPECT_EQ(stats.acknowledged_windows, 10u);
  EXPECT_GT(stats.sent_bytes, 0u);
  EXPECT_EQ(stats.reconnects, 0u);
  EXPECT_EQ(AllDropped(), 0u);
}

TEST_F(UplinkTest, SaysWhoItIs) {
  ScriptedIngest collector;
  Connect(collector.Start());
  collector.WaitForStreams(1);
  EXPECT_EQ(collector.hello().agent(), spool_->agent());
  EXPECT_EQ(collector.hello().version(), "0.1.0");
  EXPECT_EQ(collector.hello().node(), "node-1");
}

TEST_F(UplinkTest, AnswersCommandsFromAnyThreadAndGoesOnDelivering) {
  ScriptedIngest collector;
  collector.set_sends_commands();
  std::vector<std::thread> workers;
  options_.on_command = [&workers](const v1::Command& command, CommandDone done) {
    EXPECT_TRUE(command.has_inspect());
    workers.emplace_back([done = std::move(done)] {
      v1::CommandResult result;
      result.set_message("done");
      done(std::move(result));
    });
  };
  Connect(collector.Start());
  Take(kTen);
  const auto results = collector.WaitForResults(10);
  for (const auto& [id, result] : results) EXPECT_EQ(result.message(), "done");
  AwaitEmptySpool();
  EXPECT_EQ(uplink_->stats().acknowledged_windows, 10u);
  uplink_.reset();
  for (std::thread& worker : workers) worker.join();
}

TEST_F(UplinkTest, AResultThatComesTooLateIsDropped) {
  ScriptedIngest collector;
  collector.set_sends_commands();
  std::promise<CommandDone> late;
  options_.on_command = [&late, first = true](const v1::Command&, CommandDone done) mutable {
    if (std::exchange(first, false)) late.set_value(std::move(done));
  };
  Connect(collector.Start());
  Take({"a"});
  const CommandDone done = late.get_future().get();
  collector.Stop();
  Await([this] { return !uplink_->stats().connected; });
  done({});
  collector.Start();
  Take({"b"});
  EXPECT_EQ(collector.WaitForCount(2).back(), "b");
  uplink_.reset();
  done({});
}

TEST_F(UplinkTest, SendsANameOncePerStream) {
  ScriptedIngest collector;
  Take({"a", "a", "a"});
  Connect(collector.Start());
  collector.WaitForCount(3);
  EXPECT_THAT(collector.dictionary_strings(), ElementsAre(2, 0, 0));  // "main" and "a"
}

TEST_F(UplinkTest, SendsNamesAgainWhenTheCollectorCannotKeepThem) {
  ScriptedIngest collector;
  collector.set_max_dictionary_bytes(1);
  Connect(collector.Start());
  for (int i = 0; i < 4; ++i) {
    Take({"a"});
    AwaitEmptySpool();
  }
  // The second window is the first after it was told.
  EXPECT_THAT(collector.dictionary_strings(), ElementsAre(2, 0, 2, 2));
}

TEST_F(UplinkTest, DeliversWhatWasTakenWhileTheCollectorWasAway) {
  ScriptedIngest collector;
  const std::string address = collector.Start();
  collector.Stop();
  Connect(address);
  Take(kTen);
  Await([this] { return !uplink_->stats().last_error.empty(); });
  collector.Start();
  EXPECT_EQ(collector.WaitForCount(10), kTen);
  AwaitEmptySpool();
  EXPECT_EQ(AllDropped(), 0u);
}

TEST_F(UplinkTest, CountsNothingTwiceWhenTheCollectorDiesBeforeItsAcknowledgement) {
  std::set<std::string> died;
  ScriptedIngest collector([&died](const Window& window, int) {
    const bool dies = TagOf(window) == "3" || TagOf(window) == "7";
    return dies && died.insert(TagOf(window)).second ? Answer::kStoreAndDie : Answer::kStore;
  });
  Take(kTen);
  Connect(collector.Start());
  AwaitEmptySpool();
  EXPECT_EQ(collector.WaitForCount(10), kTen);
  EXPECT_EQ(uplink_->stats().acknowledged_windows, 10u);
  EXPECT_EQ(uplink_->stats().reconnects, 2u);
  EXPECT_EQ(AllDropped(), 0u);
}

TEST_F(UplinkTest, GoesOnAfterTheServerWasKilledAndStartedAgain) {
  ScriptedIngest collector;
  Connect(collector.Start());
  Take({"a"});
  collector.WaitForCount(1);
  collector.Stop();
  Await([this] { return !uplink_->stats().connected; });
  Take({"b"});
  collector.Start();
  Take({"c"});
  EXPECT_THAT(collector.WaitForCount(3), ElementsAre("a", "b", "c"));
  AwaitEmptySpool();
  EXPECT_EQ(uplink_->stats().reconnects, 1u);
}

TEST_F(UplinkTest, SetsAWindowAsideThatBreaksTheStreamAgainAndAgain) {
  ScriptedIngest collector(
      [](const Window& window, int) { return TagOf(window) == "4" ? Answer::kBreak : Answer::kStore; });
  Take(kTen);
  Connect(collector.Start());
  AwaitEmptySpool();
  EXPECT_THAT(collector.WaitForCount(9), ElementsAre("0", "1", "2", "3", "5", "6", "7", "8", "9"));
  EXPECT_EQ(Dropped("refused"), 1u);
  EXPECT_EQ(uplink_->stats().refused_windows, 1u);
  EXPECT_EQ(AllDropped(), 1u);
  EXPECT_TRUE(ReadFile(spool_options_.directory + "/set-aside.window").ok());
}

TEST_F(UplinkTest, BlamesTheGuiltyWindowWhenTheOnesBeforeItWereNotYetAnswered) {
  bool calm = false;  // until the first break the collector answers nothing, as if it stored in batches
  ScriptedIngest collector([&calm](const Window& window, int) {
    if (TagOf(window) == "4") {
      calm = true;
      return Answer::kBreak;
    }
    return calm ? Answer::kStore : Answer::kSilence;
  });
  Take(kTen);
  Connect(collector.Start());
  AwaitEmptySpool();
  EXPECT_THAT(collector.WaitForCount(9), ElementsAre("0", "1", "2", "3", "5", "6", "7", "8", "9"));
  EXPECT_EQ(AllDropped(), 1u);
}

TEST_F(UplinkTest, SetsAWindowAsideThatIsTooLargeForTheCollectorsGrpc) {
  ScriptedIngest collector;
  collector.set_max_message_bytes(4096);
  Take({"a", std::string(6000, 'x'), "b"});
  Connect(collector.Start());
  AwaitEmptySpool();
  EXPECT_THAT(collector.WaitForCount(2), ElementsAre("a", "b"));
  EXPECT_EQ(Dropped("refused"), 1u);
}

TEST_F(UplinkTest, DropsAndCountsARefusedWindow) {
  ScriptedIngest collector(
      [](const Window& window, int) { return TagOf(window) == "4" ? Answer::kRefuse : Answer::kStore; });
  Take(kTen);
  Connect(collector.Start());
  AwaitEmptySpool();
  EXPECT_THAT(collector.WaitForCount(9), SizeIs(9));
  EXPECT_EQ(Dropped("refused"), 1u);
  EXPECT_EQ(uplink_->stats().refused_windows, 1u);
  EXPECT_EQ(uplink_->stats().acknowledged_windows, 9u);
  EXPECT_EQ(uplink_->stats().reconnects, 0u);
}

TEST_F(UplinkTest, KeepsEverythingWhileTheCollectorHasNoRoom) {
  // Longer than it takes to call a window poisonous.
  ScriptedIngest collector(
      [](const Window&, int stream) { return stream <= 6 ? Answer::kNoRoom : Answer::kStore; });
  Take(kTen);
  Connect(collector.Start());
  AwaitEmptySpool();
  EXPECT_EQ(collector.WaitForCount(10), kTen);
  EXPECT_EQ(AllDropped(), 0u);
}

TEST_F(UplinkTest, SendsAgainWhatACollectorLeavesUnanswered) {
  options_.answer_timeout = absl::Milliseconds(50);
  ScriptedIngest collector(
      [](const Window&, int stream) { return stream == 1 ? Answer::kSilence : Answer::kStore; });
  Take(kTen);
  Connect(collector.Start());
  AwaitEmptySpool();
  EXPECT_EQ(collector.WaitForCount(10), kTen);
}

TEST_F(UplinkTest, ABoundedNumberOfWindowsIsInFlight) {
  options_.max_in_flight = 3;
  ScriptedIngest collector([](const Window&, int) { return Answer::kSilence; });
  Take(kTen);
  Connect(collector.Start());
  Await([&collector] { return collector.dictionary_strings().size() == 3; });
  uplink_->Stop(absl::ZeroDuration());
  EXPECT_EQ(uplink_->stats().sent_windows, 3u);
  EXPECT_EQ(spool_->stats().windows, 10u);
}

TEST_F(UplinkTest, ANewProcessSendsWhatTheLastOneLeft) {
  ScriptedIngest collector([](const Window& window, int stream) {
    // The first process never learns that its windows from "5" on were stored.
    return stream == 1 && TagOf(window) == "5" ? Answer::kStoreAndDie : Answer::kStore;
  });
  options_.min_backoff = options_.max_backoff = absl::Hours(1);
  Take(kTen);
  const std::string address = collector.Start();
  Connect(address);
  Await([this] { return !uplink_->stats().last_error.empty(); });
  uplink_.reset();
  spool_.reset();
  spool_ = Spool::Open(spool_options_).value();
  Take({"new"});
  Connect(address);
  AwaitEmptySpool();
  std::vector<std::string> expected = kTen;
  expected.push_back("new");
  EXPECT_EQ(collector.WaitForCount(11), expected);
}

TEST_F(UplinkTest, FlushesWhatIsLeftWhenItIsStopped) {
  ScriptedIngest collector;
  Connect(collector.Start());
  Take(kTen);
  uplink_->Stop(absl::Minutes(5));
  EXPECT_EQ(collector.WaitForCount(10), kTen);
  EXPECT_TRUE(spool_->empty());
  EXPECT_FALSE(uplink_->stats().connected);
}

TEST_F(UplinkTest, DoesNotWaitForACollectorThatIsAwayWhenItIsStopped) {
  ScriptedIngest collector;
  const std::string address = collector.Start();
  collector.Stop();
  options_.min_backoff = options_.max_backoff = absl::Hours(1);
  Take(kTen);
  Connect(address);
  Await([this] { return !uplink_->stats().last_error.empty(); });
  EXPECT_THAT(uplink_->stats().last_error, HasSubstr("UNAVAILABLE"));
  uplink_->Stop(absl::Hours(1));
  EXPECT_EQ(spool_->stats().windows, 10u);
}

TEST_F(UplinkTest, DoesNotWaitForASilentCollectorPastTheFlush) {
  ScriptedIngest collector([](const Window&, int) { return Answer::kSilence; });
  Take(kTen);
  Connect(collector.Start());
  Await([&collector] { return !collector.dictionary_strings().empty(); });
  uplink_->Stop(absl::Milliseconds(20));
  EXPECT_EQ(spool_->stats().windows, 10u);
}

TEST_F(UplinkTest, GivesUpOnAPeerThatDoesNotSpeak) {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listener.get(), 16), 0);
  ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);

  options_.connect_timeout = absl::Milliseconds(50);
  Take({"a"});
  Connect(absl::StrCat("127.0.0.1:", ntohs(address.sin_port)));
  Await([this] { return !uplink_->stats().last_error.empty(); });
  EXPECT_EQ(uplink_->stats().last_error, "no connection in time");
  uplink_->Stop(absl::ZeroDuration());
  EXPECT_EQ(spool_->stats().windows, 1u);
}

TEST_F(UplinkTest, RefusesAnAddressThatCannotBeOne) {
  options_.collector = "not an address";
  const absl::Status status = Uplink::Create(options_, *spool_).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("not an address"));
}

TEST_F(UplinkTest, SaysWhatIsWrongWithAnUnknownHost) {
  Take({"a"});
  Connect("no-such-host.invalid:7171");
  Await([this] { return !uplink_->stats().last_error.empty(); });
  EXPECT_FALSE(uplink_->stats().connected);
  uplink_->Stop(absl::ZeroDuration());
  EXPECT_EQ(spool_->stats().windows, 1u);
}

TEST_F(UplinkTest, WindowsGoOnBeingKeptWhileItReconnects) {
  spool_.reset();
  spool_options_.max_bytes = size_t{4} * 4096;
  spool_ = Spool::Open(spool_options_).value();
  ScriptedIngest collector;
  const std::string address = collector.Start();
  collector.Stop();
  Connect(address);
  Take(kTen);
  EXPECT_EQ(Dropped("spool_full"), 6u);
  collector.Start();
  EXPECT_THAT(collector.WaitForCount(4), ElementsAre("6", "7", "8", "9"));
}

}  // namespace
}  // namespace pilotlight::agent
