// A file system that fills up: windows are refused, questions are answered, and once there is room it goes
// on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "collector/store/embedded/embedded_store.h"
#include "collector/store/store_test_support.h"

namespace pilotlight::collector {
namespace {

const TimeSpan kAll = {absl::InfinitePast(), absl::InfiniteFuture()};
constexpr uint64_t kMiB = uint64_t{1} << 20;

class StoreDiskFullTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::mount("none", directory_.path().c_str(), "tmpfs", 0, "size=20m") != 0) {
      GTEST_SKIP() << "cannot mount a small file system: " << std::strerror(errno);
    }
    mounted_ = true;
  }
  ~StoreDiskFullTest() override {
    store_.reset();
    if (mounted_) ::umount2(directory_.path().c_str(), MNT_DETACH);
  }

  void Open(uint64_t min_free_bytes) {
    EmbeddedStoreOptions options;
    options.path = directory_.path() + "/store";
    options.min_free_bytes = min_free_bytes;
    options.write_buffer_bytes = kMiB;
    options.max_stacks_per_service = 10'000'000;  // all of them are new
    store_.reset();
    auto store = EmbeddedStore::Open(options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  // Big and hard to compress; counts 1000 in all.
  Window MakeBigWindow() {
    Window window = MakeWindow("a", "b", stored_ + 1, kNoon + absl::Seconds(static_cast<int64_t>(stored_)));
    std::map<std::string, uint64_t> stacks;
    while (stacks.size() < 1000) stacks[absl::StrCat("main;", random_(), random_(), random_())] = 1;
    AddSeries(window, {{"service_name", "cart"}}, stacks);
    return window;
  }

  // The first error, after at most `limit` windows.
  absl::Status AppendUntilError(uint64_t limit) {
    for (uint64_t i = 0; i < limit; ++i) {
      const auto outcome = store_->Append(MakeBigWindow());
      if (!outcome.ok()) return outcome.status();
      EXPECT_EQ(*outcome, AppendOutcome::kStored);
      ++stored_;
    }
    return absl::OkStatus();
  }

  void ExpectAllStored() {
    const auto merged = store_->Merge({ProfileType{}, kAll, {}}, {});
    ASSERT_TRUE(merged.ok()) << merged.status();
    EXPECT_EQ(merged->coverage.windows, stored_);
    EXPECT_EQ(Totals(merged->profile.samples).count, stored_ * 1000);
  }

  // Something else that takes space on the same file system.
  void Occupy(uint64_t bytes) {
    std::ofstream file(Ballast(), std::ios::binary);
    const std::string block(64 << 10, 'x');
    for (uint64_t written = 0; written < bytes && file; written += block.size()) file << block << std::flush;
  }
  void Vacate() { ASSERT_EQ(::unlink(Ballast().c_str()), 0); }
  std::string Ballast() const { return directory_.path() + "/ballast"; }

  const TemporaryDirectory directory_;
  bool mounted_ = false;
  std::mt19937_64 random_{3};
  uint64_t stored_ = 0;
  std::unique_ptr<EmbeddedStore> store_;
};

TEST_F(StoreDiskFullTest, WindowsAreRefusedAtTheReserveAndTakenWhenThereIsRoom) {
  Open(8 * kMiB);
  ASSERT_TRUE(AppendUntilError(20).ok());
  Occupy(10 * kMiB);
  const absl::Status refused = AppendUntilError(2000);
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("MiB free"));
  EXPECT_GT(store_->counters().refused_windows, 0u);
  EXPECT_EQ(store_->counters().failed_writes, 0u);
  ExpectAllStored();
  Vacate();
  ASSERT_TRUE(AppendUntilError(20).ok());
  ExpectAllStored();
}

TEST_F(StoreDiskFullTest, AFullDiskIsSurvivedWithoutAReserve) {
  Open(0);
  ASSERT_TRUE(AppendUntilError(20).ok());
  Occupy(64 * kMiB);
  const absl::Status refused = AppendUntilError(2000);
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  ExpectAllStored();
  Vacate();
  // RocksDB may still be about to notice: agents try again, too.
  absl::Status recovered = AppendUntilError(20);
  for (int i = 0; i < 300 && !recovered.ok(); ++i) {
    EXPECT_TRUE(absl::IsResourceExhausted(recovered) || absl::IsUnavailable(recovered)) << recovered;
    absl::SleepFor(absl::Milliseconds(100));
    recovered = AppendUntilError(20);
  }
  EXPECT_TRUE(recovered.ok()) << recovered;
  ExpectAllStored();
  Open(0);
  ExpectAllStored();
}

TEST_F(StoreDiskFullTest, RetentionMakesRoom) {
  Open(8 * kMiB);
  const absl::Status refused = AppendUntilError(5000);
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  const absl::Status dropped = store_->DropBefore(AllLevels(kNoon + absl::Hours(48)));
  ASSERT_TRUE(dropped.ok()) << dropped;
  EXPECT_GT(store_->counters().unsummed_spans, 0u);  // none could be made before the disk was full
  ASSERT_TRUE(store_->Compact().ok());
  Window window = MakeWindow("a", "b", stored_ + 1, kNoon + absl::Hours(72));
  AddSeries(window, {{"service_name", "cart"}}, {{"f", 1}});
  const auto outcome = store_->Append(window);
  EXPECT_TRUE(outcome.ok()) << outcome.status();
}

}  // namespace
}  // namespace pilotlight::collector
