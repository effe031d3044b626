// Damage on disk: what is broken is skipped and counted, the rest is served, and new windows are taken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "collector/store/embedded/embedded_store.h"
#include "collector/store/store_test_support.h"
#include "rocksdb/db.h"
#include "rocksdb/options.h"

namespace pilotlight::collector {
namespace {

const Labels kCart = {{"service_name", "cart"}, {"pod", "cart-1"}};
const TimeSpan kAll = {absl::InfinitePast(), absl::InfiniteFuture()};
constexpr uint64_t kWindows = 600;
constexpr uint64_t kStacks = 100;

class CorruptionTest : public testing::Test {
 protected:
  CorruptionTest() {
    options_.path = directory_.path() + "/store";
    options_.min_free_bytes = 0;
    Open();
    EXPECT_TRUE(store_ != nullptr);
    std::mt19937 random(5);
    for (uint64_t i = 1; i <= kWindows; ++i) AppendWindow(i, random);
  }

  void Open() {
    store_.reset();
    auto store = EmbeddedStore::Open(options_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  // Each counts 100 samples; new stacks turn up all day, and values do not compress.
  void AppendWindow(uint64_t sequence, std::mt19937& random) {
    Window window = MakeWindow("a", "b", sequence, kNoon + absl::Seconds(static_cast<int64_t>(sequence)));
    std::map<std::string, uint64_t> stacks;
    for (uint64_t i = 0; i < kStacks; ++i) {
      stacks[absl::StrCat("main;f", random() % 20, ";g",
                          (random() + 40 * sequence) % (100 + 10 * sequence))] += 1;
    }
    for (Sample& sample : AddSeries(window, kCart, stacks).samples) {
      sample.value += static_cast<int64_t>(random() % 1000000);
    }
    const auto outcome = store_->Append(window);
    ASSERT_TRUE(outcome.ok()) << outcome.status();
  }

  uint64_t TotalCount() {
    const auto merged = store_->Merge({ProfileType{}, kAll, {}}, {});
    EXPECT_TRUE(merged.ok()) << merged.status();
    const uint64_t total = Totals(merged->profile.samples).count;
    EXPECT_EQ(total, merged->coverage.windows * kStacks);  // whole windows only
    return total;
  }

  std::vector<std::string> Files(const std::string& extension) {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(options_.path)) {
      if (entry.path().extension() == extension) files.push_back(entry.path().string());
    }
    return files;
  }

  static void FlipByte(const std::string& path, double where) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto offset =
        static_cast<std::streamoff>(where * static_cast<double>(std::filesystem::file_size(path)));
    file.seekg(offset);
    const int byte = file.get();
    file.seekp(offset);
    file.put(static_cast<char>(byte ^ 0x40));
  }

  // The second of the table's blocks of 32 KiB: the first has the lists of blocks and services.
  void DamageDictionary() {
    ASSERT_TRUE(store_->Compact().ok());
    store_.reset();
    ASSERT_EQ(Files(".sst").size(), 1u);
    FlipByte(Files(".sst")[0], 0.1);
  }

  const TemporaryDirectory directory_;
  EmbeddedStoreOptions options_;
  std::unique_ptr<EmbeddedStore> store_;
};

TEST_F(CorruptionTest, AFlippedByteCostsOnlyTheWindowsAroundIt) {
  ASSERT_TRUE(store_->Compact().ok());
  store_.reset();
  ASSERT_EQ(Files(".sst").size(), 1u);
  FlipByte(Files(".sst")[0], 0.9);  // names stand before windows
  Open();
  const uint64_t left = TotalCount();
  EXPECT_LT(left, kWindows * kStacks);
  EXPECT_GT(left, kWindows * kStacks * 8 / 10);
  EXPECT_GT(store_->counters().corrupt_records, 0u);
}

TEST_F(CorruptionTest, LostNamesLeaveTheTotalsExact) {
  DamageDictionary();
  Open();
  EXPECT_EQ(TotalCount(), kWindows * kStacks);
  const auto counts = CountsByStack(store_->Merge({ProfileType{}, kAll, {}}, {})->profile);
  EXPECT_TRUE(std::ranges::any_of(counts, [](const auto& entry) {
    return entry.first.find("[lost: corrupt record]") != std::string::npos;
  }));
  EXPECT_GT(store_->counters().corrupt_records, 0u);
}

TEST_F(CorruptionTest, ADamagedBlockIsNotAddedTo) {
  DamageDictionary();
  Open();
  std::mt19937 random(6);
  AppendWindow(kWindows + 1, random);
  EXPECT_EQ(store_->counters().blocks, 2u);
  EXPECT_EQ(TotalCount(), (kWindows + 1) * kStacks);
  Open();
  EXPECT_EQ(TotalCount(), (kWindows + 1) * kStacks);
}

TEST_F(CorruptionTest, ListsOfBlocksAndServicesAreRebuilt) {
  ASSERT_TRUE(store_->Compact().ok());
  store_.reset();
  FlipByte(Files(".sst")[0], 0);
  Open();
  EXPECT_GT(TotalCount(), kWindows * kStacks * 9 / 10);
  EXPECT_THAT(*store_->LabelValues("service_name", kAll, {}, {}), testing::ElementsAre("cart"));
  EXPECT_EQ(store_->counters().blocks, 1u);
  EXPECT_EQ(store_->counters().services, 1u);
  EXPECT_FALSE(std::filesystem::exists(options_.path + "/lost"));
  std::mt19937 random(6);
  const uint64_t before = TotalCount();
  AppendWindow(kWindows + 1, random);
  Open();
  EXPECT_EQ(TotalCount(), before + kStacks);
}

TEST_F(CorruptionTest, AMissingListOfTablesIsRebuilt) {
  ASSERT_TRUE(store_->Compact().ok());
  std::mt19937 random(6);
  AppendWindow(kWindows + 1, random);  // in the log alone
  store_.reset();
  int removed = 0;
  for (const auto& entry : std::filesystem::directory_iterator(options_.path)) {
    if (absl::StartsWith(entry.path().filename().string(), "MANIFEST-")) {
      removed += std::filesystem::remove(entry.path()) ? 1 : 0;
    }
  }
  ASSERT_EQ(removed, 1);
  Open();
  EXPECT_EQ(TotalCount(), (kWindows + 1) * kStacks);
  EXPECT_EQ(store_->counters().corrupt_records, 0u);
}

TEST_F(CorruptionTest, WhereverTheByteIsTheRestServes) {
  ASSERT_TRUE(store_->Compact().ok());
  store_.reset();
  const std::string whole = directory_.path() + "/whole";
  std::filesystem::rename(options_.path, whole);
  std::mt19937 random(7);
  for (int i = 0; i < 40; ++i) {
    SCOPED_TRACE(i);
    store_.reset();
    std::filesystem::remove_all(options_.path);
    std::filesystem::copy(whole, options_.path);
    FlipByte(Files(".sst")[0], static_cast<double>(i) / 40);
    auto store = EmbeddedStore::Open(options_);
    if (!store.ok()) {
      ADD_FAILURE() << store.status();
      continue;
    }
    store_ = *std::move(store);
    TotalCount();
    EXPECT_TRUE(store_->LabelNames(kAll, {}, {}).ok());
    EXPECT_TRUE(store_->SelectSeries({ProfileType{}, kAll, {}}, absl::Hours(1), {}, nullptr, {}).ok());
    AppendWindow(kWindows + 1, random);
  }
}

// Between its two steps: the list of tables is empty, and the records are in the table put aside.
TEST_F(CorruptionTest, ASalvageThatWasCutOffIsDoneAgain) {
  ASSERT_TRUE(store_->Compact().ok());
  store_.reset();
  FlipByte(Files(".sst")[0], 0.5);
  ASSERT_TRUE(rocksdb::RepairDB(options_.path, rocksdb::Options()).ok());
  ASSERT_TRUE(Files(".sst").empty());
  Open();
  EXPECT_GT(TotalCount(), kWindows * kStacks * 8 / 10);
  EXPECT_FALSE(std::filesystem::exists(options_.path + "/lost"));
}

TEST_F(CorruptionTest, ATruncatedTableCostsOnlyItsOwnWindows) {
  ASSERT_TRUE(store_->Compact().ok());
  std::mt19937 random(8);
  AppendWindow(kWindows + 1, random);
  store_.reset();
  const std::string table = Files(".sst")[0];
  std::filesystem::resize_file(table, std::filesystem::file_size(table) / 2);
  Open();
  // What names and labels it had is lost, and the last window's with them.
  TotalCount();
  AppendWindow(kWindows + 2, random);
  EXPECT_EQ(TotalCount(), kStacks);
}

TEST_F(CorruptionTest, ATornLogLosesItsEndOnly) {
  store_.reset();
  ASSERT_EQ(Files(".log").size(), 1u);
  const std::string log = Files(".log")[0];
  std::filesystem::resize_file(log, std::filesystem::file_size(log) - 5);
  Open();
  EXPECT_EQ(TotalCount(), (kWindows - 1) * kStacks);
}

TEST_F(CorruptionTest, CompactionMeetsACorruptBlockAndAppendsGoOn) {
  ASSERT_TRUE(store_->Compact().ok());
  store_.reset();
  FlipByte(Files(".sst")[0], 0.5);
  Open();
  std::mt19937 random(9);
  AppendWindow(kWindows + 1, random);
  store_->Compact().IgnoreError();  // what fails here is what the test is about
  for (uint64_t i = 2; i < 10; ++i) AppendWindow(kWindows + i, random);
  EXPECT_GT(TotalCount(), kWindows * kStacks * 8 / 10);
}

}  // namespace
}  // namespace pilotlight::collector
