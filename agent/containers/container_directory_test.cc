#include "agent/containers/container_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "absl/strings/str_cat.h"

namespace pilotlight::agent {
namespace {

// Answers what the test has put in; holds each question while it is told to.
class ScriptedRuntime : public ContainerRuntime {
 public:
  absl::StatusOr<Container> Find(const std::string& id) override {
    const MutexLock lock(mutex_);
    asked_.push_back(id);
    changed_.NotifyAll();
    while (held_) changed_.Wait(mutex_);
    return answer_;
  }

  void Answer(absl::StatusOr<Container> answer) {
    const MutexLock lock(mutex_);
    answer_ = std::move(answer);
  }
  void Hold(bool held) {
    const MutexLock lock(mutex_);
    held_ = held;
    changed_.NotifyAll();
  }
  void WaitForQuestion() {
    const MutexLock lock(mutex_);
    while (asked_.empty()) changed_.Wait(mutex_);
  }
  std::vector<std::string> asked() {
    const MutexLock lock(mutex_);
    return asked_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  absl::StatusOr<Container> answer_ ABSL_GUARDED_BY(mutex_) = Container{.name = "shop"};
  std::vector<std::string> asked_ ABSL_GUARDED_BY(mutex_);
};

class ContainerDirectoryTest : public testing::Test {
 protected:
  explicit ContainerDirectoryTest(const ContainerDirectoryOptions& options = {.retry = absl::Seconds(15)})
      : directory_(std::unique_ptr<ContainerRuntime>(runtime_), options,
                   [this] { return absl::Milliseconds(now_ms_.load()); }) {}

  std::shared_ptr<const Container> FindNow(const std::string& id) {
    directory_.Find(id);
    directory_.Settle(absl::Minutes(1));
    return directory_.Find(id);
  }
  void Pass(absl::Duration time) { now_ms_ += absl::ToInt64Milliseconds(time); }
  uint64_t Lookups(const std::string& result) const { return directory_.lookups().at(result); }

  std::atomic<int64_t> now_ms_ = 0;
  ScriptedRuntime* const runtime_ = new ScriptedRuntime;  // the directory's
  ContainerDirectory directory_;
};

TEST_F(ContainerDirectoryTest, LooksEachContainerUpOnce) {
  ASSERT_NE(FindNow("a"), nullptr);
  EXPECT_EQ(FindNow("a")->name, "shop");
  EXPECT_THAT(runtime_->asked(), testing::ElementsAre("a"));
  EXPECT_EQ(Lookups("found"), 1u);
}

TEST_F(ContainerDirectoryTest, DoesNotWaitForARuntimeThatHangs) {
  runtime_->Hold(true);
  EXPECT_EQ(directory_.Find("a"), nullptr);
  runtime_->WaitForQuestion();
  EXPECT_EQ(directory_.Find("a"), nullptr);
  directory_.Settle(absl::Milliseconds(1));
  EXPECT_EQ(directory_.Find("a"), nullptr);
  runtime_->Hold(false);
  EXPECT_NE(FindNow("a"), nullptr);
  EXPECT_THAT(runtime_->asked(), testing::ElementsAre("a"));
}

TEST_F(ContainerDirectoryTest, TriesLessAndLessOften) {
  runtime_->Answer(absl::NotFoundError("who?"));
  EXPECT_EQ(FindNow("a"), nullptr);
  Pass(absl::Seconds(14));
  EXPECT_EQ(FindNow("a"), nullptr);
  EXPECT_EQ(Lookups("unknown"), 1u);
  Pass(absl::Seconds(1));
  EXPECT_EQ(FindNow("a"), nullptr);
  EXPECT_EQ(Lookups("unknown"), 2u);
  Pass(absl::Seconds(29));
  EXPECT_EQ(FindNow("a"), nullptr);
  EXPECT_EQ(Lookups("unknown"), 2u);
  Pass(absl::Seconds(1));
  runtime_->Answer(Container{.name = "late"});
  ASSERT_NE(FindNow("a"), nullptr);
  EXPECT_EQ(FindNow("a")->name, "late");
}

TEST_F(ContainerDirectoryTest, AsksARuntimeThatFailsOnlyOnceForAllThatWait) {
  runtime_->Hold(true);
  runtime_->Answer(absl::DeadlineExceededError("hangs"));
  directory_.Find("a");
  runtime_->WaitForQuestion();
  directory_.Find("b");
  directory_.Find("c");
  runtime_->Hold(false);
  directory_.Settle(absl::Minutes(1));
  EXPECT_THAT(runtime_->asked(), testing::ElementsAre("a"));
  EXPECT_EQ(Lookups("timeout"), 3u);
}

TEST_F(ContainerDirectoryTest, CountsFailuresByTheirKind) {
  runtime_->Answer(absl::FailedPreconditionError("no socket"));
  FindNow("a");
  runtime_->Answer(absl::UnavailableError("gone"));
  FindNow("b");
  EXPECT_EQ(Lookups("no_runtime"), 1u);
  EXPECT_EQ(Lookups("failed"), 1u);
}

class SmallContainerDirectoryTest : public ContainerDirectoryTest {
 protected:
  SmallContainerDirectoryTest() : ContainerDirectoryTest({.max_containers = 2}) {}
};

TEST_F(SmallContainerDirectoryTest, MakesRoomByWhatNobodyAsksFor) {
  FindNow("old");
  Pass(absl::Minutes(6));
  FindNow("used");
  Pass(absl::Minutes(5));
  EXPECT_NE(FindNow("new"), nullptr);
  EXPECT_EQ(Lookups("full"), 0u);
  EXPECT_EQ(FindNow("other"), nullptr);
  EXPECT_EQ(Lookups("full"), 2u);
  EXPECT_NE(FindNow("used"), nullptr);
  EXPECT_THAT(runtime_->asked(), testing::ElementsAre("old", "used", "new"));
}

}  // namespace
}  // namespace pilotlight::agent
