// A disk that fails: what was acknowledged is there once, an answer is right or an error, and when the disk
// works again, so does the store.
//
// One agent after the other sends its windows in order, and sends one again until it is acknowledged. So at
// any time an answer must be that of a plain store with all acknowledged windows, or with those and the one
// that was sent last: nothing between, nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "collector/store/embedded/embedded_store.h"
#include "collector/store/embedded/faulty_file_system.h"
#include "collector/store/embedded/store_check.h"
#include "collector/store/store_test_support.h"
#include "rocksdb/env.h"

namespace pilotlight::collector {
namespace {

const TimeSpan kAll = {kNoon - absl::Hours(48), kNoon + absl::Hours(48)};
const std::vector<ProfileType> kTypes = {ProfileType{},
                                         {"memory", "alloc_space", "bytes", "space", "bytes"},
                                         {"goroutine", "goroutine", "count", "goroutine", "count"}};

struct Answers {
  // By type and by pod: what a merge has.
  std::map<std::string, std::tuple<Content, uint64_t, absl::Duration, uint64_t>> merged;
  // By type, pod and step.
  std::map<std::string, std::pair<uint64_t, int64_t>> points;
  std::vector<std::string> services;

  friend bool operator==(const Answers&, const Answers&) = default;
};

void AddMerged(const std::string& name, const MergedProfile& merged, Answers& answers) {
  answers.merged[name] = {ContentOf(merged.profile.trie, merged.profile.samples), merged.coverage.windows,
                          merged.coverage.watched, merged.profile.loss.lost_samples};
}

void AddPoints(const std::string& name, const std::vector<TimeSeries>& all, Answers& answers) {
  for (const TimeSeries& series : all) {
    for (const SeriesPoint& point : series.points) {
      const std::string key =
          absl::StrCat(name, series.labels.contains("pod") ? series.labels.at("pod") : "", "/", point.step);
      answers.points[key] = {point.count, point.value};
    }
  }
}

std::vector<StoreSelection> Selections(const ProfileType& type) {
  return {{type, kAll, {}},
          {type,
           {kNoon + absl::Minutes(17), kNoon + absl::Hours(3)},
           *ParseSelector("{service!=\"service-2\"}")}};
}

Answers AnswersOf(const NaiveStore& store) {
  Answers answers;
  for (const ProfileType& type : kTypes) {
    int i = 0;
    for (const StoreSelection& selection : Selections(type)) {
      const std::string name = absl::StrCat(type.name, "/", i++, "/");
      AddMerged(name, store.Merge(selection), answers);
      AddPoints(name, store.SelectSeries(selection, absl::Hours(1), {"pod"}, ""), answers);
    }
  }
  answers.services = store.LabelValues("service_name", kAll, {});
  return answers;
}

// The first error, when there is one.
absl::StatusOr<Answers> AnswersOf(EmbeddedStore& store) {
  Answers answers;
  for (const ProfileType& type : kTypes) {
    int i = 0;
    for (const StoreSelection& selection : Selections(type)) {
      const std::string name = absl::StrCat(type.name, "/", i++, "/");
      const auto merged = store.Merge(selection, {});
      if (!merged.ok()) return merged.status();
      AddMerged(name, *merged, answers);
      const auto series = store.SelectSeries(selection, absl::Hours(1), {"pod"}, nullptr, {});
      if (!series.ok()) return series.status();
      AddPoints(name, *series, answers);
    }
  }
  const auto services = store.LabelValues("service_name", kAll, {}, {});
  if (!services.ok()) return services.status();
  answers.services = *services;
  return answers;
}

class FaultInjection {
 public:
  explicit FaultInjection(unsigned seed)
      : random_(seed),
        files_(std::make_shared<FaultyFileSystem>(seed)),
        env_(rocksdb::NewCompositeEnv(files_)) {
    options_.path = directory_.path() + "/store";
    options_.min_free_bytes = 0;
    options_.cache_bytes = 10000;
    options_.block_cache_bytes = 10000;
    options_.write_buffer_bytes = 64 << 10;
    options_.clock = &clock_;
    options_.recovery_pause = absl::ZeroDuration();
    options_.env = env_.get();
  }

  FaultyFileSystem& files() { return *files_; }
  bool is_open() const { return store_ != nullptr; }
  size_t Pick(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random_); }

  absl::Status Open() {
    store_.reset();
    auto store = EmbeddedStore::Open(options_);
    if (store.ok()) store_ = *std::move(store);
    return store.status();
  }
  void Close() { store_.reset(); }

  // Sends the window that waits, or the next one.
  absl::Status Send() {
    if (!pending_) {
      const size_t agent = Pick(kAgents);
      windows_.push_back(MakeRandomWindow(random_, absl::StrCat("agent-", agent), "boot", ++sequences_[agent],
                                          kNoon + absl::Minutes(static_cast<int64_t>(Pick(300)))));
      pending_ = &windows_.back();
    }
    const auto outcome = store_->Append(*pending_);
    if (!outcome.ok()) return outcome.status();
    acknowledged_.Append(*pending_);
    pending_ = nullptr;
    return absl::OkStatus();
  }
  void SumUp() {
    clock_.Advance(absl::Minutes(2));
    store_->FillLevels().IgnoreError();
  }
  void Compact() { store_->Compact().IgnoreError(); }

  // An error is fine while there are faults.
  void Ask(bool may_fail) {
    const absl::StatusOr<Answers> answers = AnswersOf(*store_);
    if (!answers.ok()) {
      EXPECT_TRUE(may_fail) << answers.status();
      EXPECT_TRUE(absl::IsUnavailable(answers.status())) << answers.status();
      return;
    }
    if (*answers == AnswersOf(acknowledged_)) return;
    ASSERT_TRUE(pending_ != nullptr) << "the answer is neither with nor without a window";
    NaiveStore with_pending = acknowledged_;
    with_pending.Append(*pending_);
    EXPECT_TRUE(*answers == AnswersOf(with_pending)) << "some of what was acknowledged is not in the answer";
  }

  // The disk works: so must the store, at once, with exactly what was acknowledged.
  void ExpectWhole() {
    files_->Heal();
    if (store_ == nullptr) {
      const absl::Status opened = Open();
      ASSERT_TRUE(opened.ok()) << opened;
    }
    // The first may meet what was broken before.
    if (!Send().ok()) {
      const absl::Status sent = Send();
      ASSERT_TRUE(sent.ok()) << sent;
    }
    const absl::StatusOr<Answers> answers = AnswersOf(*store_);
    ASSERT_TRUE(answers.ok()) << answers.status();
    EXPECT_TRUE(*answers == AnswersOf(acknowledged_));
    EXPECT_EQ(store_->counters().corrupt_records, 0u);
  }

  // Reads every record on the disk, which works.
  void ExpectClean() {
    store_.reset();
    const absl::StatusOr<StoreCheck> check = CheckStore(options_, nullptr);
    ASSERT_TRUE(check.ok()) << check.status();
    EXPECT_THAT(check->problems, testing::IsEmpty()) << absl::StrJoin(check->examples, "\n");
    EXPECT_EQ(check->lost_names, 0u);
  }

  void FailPower() {
    files_->CutPower();
    store_.reset();
    files_->RestorePower();
  }

 private:
  static constexpr size_t kAgents = 3;

  const TemporaryDirectory directory_;
  std::mt19937 random_;
  const std::shared_ptr<FaultyFileSystem> files_;
  const std::unique_ptr<rocksdb::Env> env_;
  ManualClock clock_{kNoon + absl::Hours(72)};
  EmbeddedStoreOptions options_;
  std::unique_ptr<EmbeddedStore> store_;
  std::deque<Window> windows_;
  std::vector<uint64_t> sequences_ = std::vector<uint64_t>(kAgents);
  const Window* pending_ = nullptr;
  NaiveStore acknowledged_;
};

class FaultInjectionTest : public testing::TestWithParam<unsigned> {};

TEST_P(FaultInjectionTest, WhateverFailsAtRandom) {
  FaultInjection test(GetParam());
  ASSERT_TRUE(test.Open().ok());
  for (int round = 0; round < 5; ++round) {
    SCOPED_TRACE(round);
    if (test.Pick(2) == 0) test.files().FailAtRandom(FileCall::kRead, 0.03);
    if (test.Pick(2) == 0) test.files().FailAtRandom(FileCall::kWrite, 0.03);
    if (test.Pick(2) == 0) test.files().FailAtRandom(FileCall::kSync, 0.03);
    test.files().SetDiskFull(test.Pick(3) == 0);
    for (int i = 0; i < 30; ++i) {
      if (!test.is_open() && !test.Open().ok()) continue;
      test.Send().IgnoreError();
      if (test.Pick(8) == 0) test.SumUp();
      if (test.Pick(12) == 0) test.Compact();
      if (test.Pick(8) == 0) test.Ask(/*may_fail=*/true);
      if (test.Pick(20) == 0) test.Close();
    }
    if (test.Pick(2) == 0) {
      test.FailPower();
      test.files().Heal();
      const absl::Status opened = test.Open();
      ASSERT_TRUE(opened.ok()) << opened;
      test.Ask(/*may_fail=*/false);
    }
    test.ExpectWhole();
    if (test.Pick(2) == 0) test.ExpectClean();
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(test.files().failed(FileCall::kRead) + test.files().failed(FileCall::kWrite) +
                test.files().failed(FileCall::kSync),
            0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, FaultInjectionTest, testing::Range(1u, 5u));

class OneFaultTest : public testing::TestWithParam<std::tuple<FileCall, bool>> {};

// Windows, sums, a compaction, questions and a restart.
void Work(FaultInjection& test) {
  if (!test.Open().ok()) return;
  for (int i = 1; i <= 24; ++i) {
    test.Send().IgnoreError();
    if (i % 8 == 0) test.SumUp();
    if (i == 12) test.Compact();
    if (i % 6 == 0) test.Ask(/*may_fail=*/true);
    if (i == 16 && !test.Open().ok()) return;
  }
}

// The same work over and over, each time another one of its calls fails.
TEST_P(OneFaultTest, EachCallFailsOnce) {
  const auto [kind, power_fails] = GetParam();
  uint64_t calls = 0;
  {
    FaultInjection test(1);
    Work(test);
    test.ExpectWhole();
    calls = test.files().calls(kind);
  }
  constexpr uint64_t kMost = 16;
  const uint64_t step = 1 + calls / kMost;
  uint64_t failed = 0;
  for (uint64_t n = 1; n <= calls; n += step) {
    SCOPED_TRACE(n);
    FaultInjection test(1);
    test.files().FailNth(kind, n);
    Work(test);
    failed += test.files().failed(kind);
    if (power_fails) test.FailPower();
    test.ExpectWhole();
    test.ExpectClean();
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(failed, calls / step / 2);
}

INSTANTIATE_TEST_SUITE_P(Calls, OneFaultTest,
                         testing::Combine(testing::Values(FileCall::kRead, FileCall::kWrite, FileCall::kSync),
                                          testing::Bool()));

}  // namespace
}  // namespace pilotlight::collector
