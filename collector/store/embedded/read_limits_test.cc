// A question ends in the middle of its reading when nobody waits, when it is late and when it reads too much.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "collector/store/embedded/embedded_store.h"
#include "collector/store/store_test_support.h"

namespace pilotlight::collector {
namespace {

using testing::HasSubstr;

const TimeSpan kHour = {kNoon, kNoon + absl::Hours(1)};
constexpr uint64_t kServices = 80;

// A second later each time that it is asked.
class TickingClock : public Clock {
 public:
  absl::Time Now() const override { return kNoon + absl::Seconds(++ticks_); }

 private:
  mutable std::atomic<int64_t> ticks_{0};
};

class ReadLimitsTest : public testing::Test {
 protected:
  ReadLimitsTest() { Reopen(); }

  void Reopen() {
    store_.reset();
    EmbeddedStoreOptions options;
    options.path = directory_.path();
    options.min_free_bytes = 0;
    options.clock = &clock_;
    options.merge_cache_bytes = 0;
    auto store = EmbeddedStore::Open(options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  // Each is a block, with one window.
  void AppendServices() {
    for (uint64_t i = 1; i <= kServices; ++i) {
      Window window = MakeWindow("agent", "boot", i, kNoon);
      AddSeries(window, {{"service_name", absl::StrCat("service-", i)}}, {{"main;f", i}, {"main;g", 1}});
      ASSERT_TRUE(store_->Append(window).ok());
    }
  }

  absl::Status Merge(const ReadLimits& limits) {
    return store_->Merge({ProfileType{}, kHour, {}}, limits).status();
  }
  absl::Status Series(const ReadLimits& limits) {
    return store_
        ->SelectSeries({ProfileType{}, kHour, {}}, absl::Minutes(1), {"service_name"}, nullptr, limits)
        .status();
  }
  absl::Status Focused(const ReadLimits& limits) {
    const auto keep_all = [](const StackTrie&, std::vector<Sample>&) {};
    return store_->SelectSeries({ProfileType{}, kHour, {}}, absl::Minutes(1), {}, keep_all, limits).status();
  }
  absl::Status Values(const ReadLimits& limits) {
    return store_->LabelValues("pod", kHour, {}, limits).status();
  }

  uint64_t BytesOf(const std::function<void()>& question) {
    const uint64_t before = store_->counters().read_bytes;
    question();
    return store_->counters().read_bytes - before;
  }

  using Question = absl::Status (ReadLimitsTest::*)(const ReadLimits&);
  static constexpr Question kQuestions[] = {&ReadLimitsTest::Merge, &ReadLimitsTest::Series,
                                            &ReadLimitsTest::Focused, &ReadLimitsTest::Values};

  const TemporaryDirectory directory_;
  ManualClock clock_{kNoon + absl::Hours(1)};
  std::unique_ptr<EmbeddedStore> store_;
};

TEST_F(ReadLimitsTest, AQuestionThatNobodyWaitsForReadsNoMoreBlocks) {
  AppendServices();
  for (const Question question : kQuestions) {
    // The names are in memory after the first.
    ASSERT_TRUE((this->*question)({}).ok());
    const uint64_t all = BytesOf([&] { ASSERT_TRUE((this->*question)({}).ok()); });
    int looks = 0;
    const uint64_t read = BytesOf([&] {
      const absl::Status status = (this->*question)({.is_abandoned = [&looks] { return ++looks >= 10; }});
      EXPECT_TRUE(absl::IsCancelled(status)) << status;
    });
    EXPECT_GT(read, 0u);
    EXPECT_LT(read, all / 4);
    EXPECT_EQ(looks, 10);
  }
}

TEST_F(ReadLimitsTest, AQuestionEndsWithinALargeBlock) {
  constexpr uint64_t kWindows = 100;
  std::map<std::string, uint64_t> stacks;
  for (int i = 0; i < 5000; ++i) stacks[absl::StrCat("f", i)] = 1;
  for (uint64_t i = 1; i <= kWindows; ++i) {
    Window window = MakeWindow("agent", "boot", i, kNoon + absl::Seconds(static_cast<int64_t>(i)));
    AddSeries(window, {{"service_name", "large"}}, stacks);
    ASSERT_TRUE(store_->Append(window).ok());
  }
  ASSERT_TRUE(Merge({}).ok());
  const uint64_t all = BytesOf([&] { ASSERT_TRUE(Merge({}).ok()); });
  ASSERT_GT(all, uint64_t{800} << 10);
  int looks = 0;
  const uint64_t read = BytesOf(
      [&] { EXPECT_TRUE(absl::IsCancelled(Merge({.is_abandoned = [&looks] { return ++looks >= 2; }}))); });
  EXPECT_LT(read, all / 2);
}

TEST_F(ReadLimitsTest, AQuestionThatTakesTooLongEnds) {
  AppendServices();
  for (const Question question : kQuestions) {
    ASSERT_TRUE((this->*question)({}).ok());
    const uint64_t all = BytesOf([&] { ASSERT_TRUE((this->*question)({}).ok()); });
    const TickingClock clock;
    const uint64_t read = BytesOf([&] {
      const absl::Status status =
          (this->*question)({.clock = &clock, .asked = kNoon, .timeout = absl::Seconds(10)});
      EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr("within 10s"));
      EXPECT_THAT(std::string(status.message()), HasSubstr("--query.timeout"));
    });
    EXPECT_LT(read, all / 4);
  }
}

TEST_F(ReadLimitsTest, AQuestionThatReadsTooMuchEnds) {
  AppendServices();
  for (const Question question : kQuestions) {
    ASSERT_TRUE((this->*question)({}).ok());
    const uint64_t all = BytesOf([&] { ASSERT_TRUE((this->*question)({}).ok()); });
    // Threads that meet a stack at the same time each read its names.
    EXPECT_TRUE((this->*question)({.max_bytes = all * 2}).ok());
    const uint64_t read = BytesOf([&] {
      const absl::Status status = (this->*question)({.max_bytes = all / 4});
      EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat(all / 4, " bytes")));
      EXPECT_THAT(std::string(status.message()), HasSubstr("--query.max-bytes"));
    });
    EXPECT_LT(read, all / 2);
  }
}

TEST_F(ReadLimitsTest, NamesReadFromDiskCount) {
  AppendServices();
  const uint64_t with_names = BytesOf([&] { ASSERT_TRUE(Merge({}).ok()); });
  Reopen();
  EXPECT_GT(BytesOf([&] { ASSERT_TRUE(Merge({}).ok()); }), with_names);
}

}  // namespace
}  // namespace pilotlight::collector
