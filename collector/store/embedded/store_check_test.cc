// The offline check finds what is wrong and changes nothing; after a repair it finds nothing.
#include "collector/store/embedded/store_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "collector/store/embedded/keys.h"
#include "collector/store/embedded/record.h"
#include "collector/store/store_test_support.h"
#include "rocksdb/db.h"
#include "rocksdb/options.h"

namespace pilotlight::collector {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

const TimeSpan kAll = {absl::InfinitePast(), absl::InfiniteFuture()};

class StoreCheckTest : public testing::Test {
 protected:
  // Two days of windows of all kinds, all summed up but for some that come late.
  StoreCheckTest() {
    options_.path = directory_.path() + "/store";
    options_.min_free_bytes = 0;
    options_.write_buffer_bytes = 64 << 10;
    options_.max_writer_bytes = 20000;
    options_.clock = &clock_;
    Open();
    std::mt19937 random(4);
    for (uint64_t i = 1; i <= 150; ++i) {
      windows_.push_back(MakeRandomWindow(random, "agent", "boot", i,
                                          kNoon + absl::Minutes(static_cast<int64_t>(random() % 2500))));
      naive_.Append(windows_.back());
      EXPECT_TRUE(store_->Append(windows_.back()).ok());
      if (i % 70 == 0) SumUp();
    }
  }

  void Open() {
    auto store = EmbeddedStore::Open(options_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  void SumUp() {
    clock_.Advance(absl::Minutes(2));
    ASSERT_TRUE(store_->FillLevels().ok());
  }

  // Closes the store.
  StoreCheck Check() {
    store_.reset();
    const auto check = CheckStore(options_, nullptr);
    EXPECT_TRUE(check.ok()) << check.status();
    return check.value_or(StoreCheck());
  }
  void ExpectClean() {
    const StoreCheck check = Check();
    EXPECT_THAT(check.problems, IsEmpty()) << absl::StrJoin(check.examples, "\n");
  }
  StoreRepair Repair() {
    const auto repair = RepairStore(options_, nullptr);
    EXPECT_TRUE(repair.ok()) << repair.status();
    return repair.value_or(StoreRepair());
  }

  Content Stored() {
    const auto merged = store_->Merge({ProfileType{}, kAll, {}}, {});
    EXPECT_TRUE(merged.ok()) << merged.status();
    return ContentOf(merged->profile.trie, merged->profile.samples);
  }
  Content Expected() {
    const MergedProfile merged = naive_.Merge({ProfileType{}, kAll, {}});
    return ContentOf(merged.profile.trie, merged.profile.samples);
  }

  // Changes the closed store behind its back.
  template <typename Change>
  void Tamper(const Change& change) {
    rocksdb::DB* opened = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(rocksdb::Options(), options_.path, &opened).ok());
    const std::unique_ptr<rocksdb::DB> rocks(opened);
    change(*rocks);
  }
  // The first key of a kind in any block, and its value.
  static std::pair<std::string, std::string> First(rocksdb::DB& rocks, RecordKind kind) {
    const std::unique_ptr<rocksdb::Iterator> records(rocks.NewIterator(rocksdb::ReadOptions()));
    records->Seek(std::string(1, SpaceOf(kind)));
    EXPECT_TRUE(records->Valid());
    return {records->key().ToString(), records->value().ToString()};
  }

  // Paths, times and contents.
  std::map<std::string, std::string> Files() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(options_.path)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      files[absl::StrCat(entry.path().string(), " ", entry.last_write_time().time_since_epoch().count())] = {
          std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    }
    return files;
  }

  const TemporaryDirectory directory_;
  ManualClock clock_{kNoon + absl::Hours(72)};
  EmbeddedStoreOptions options_;
  std::unique_ptr<EmbeddedStore> store_;
  std::deque<Window> windows_;
  NaiveStore naive_;
};

TEST_F(StoreCheckTest, ReadsEverythingAndChangesNothing) {
  ASSERT_TRUE(store_->CopyTo(directory_.path() + "/copy").ok());
  ASSERT_TRUE(store_->Append(MakeWindow("other", "boot", 1, kNoon)).ok());  // in the log alone
  store_.reset();
  const auto before = Files();
  uint64_t last_done = 0;
  uint64_t last_total = 0;
  const auto check = CheckStore(options_, [&](uint64_t done, uint64_t total) {
    EXPECT_GE(done, last_done);
    last_done = done;
    last_total = total;
  });
  ASSERT_TRUE(check.ok()) << check.status();
  EXPECT_THAT(check->problems, IsEmpty()) << absl::StrJoin(check->examples, "\n");
  EXPECT_EQ(Files(), before);
  EXPECT_EQ(last_done, last_total);
  EXPECT_GT(check->tables, 0u);
  EXPECT_GT(check->sums_compared, 100u);
  for (const char* kind : {"windows", "ten minutes", "hours", "days", "totals", "names", "series", "lists"}) {
    EXPECT_GT(check->records.at(kind), 0u) << kind;
  }
}

TEST_F(StoreCheckTest, ACopyIsCheckedWhileTheStoreIsInUse) {
  const absl::Status copied = store_->CopyTo(directory_.path() + "/copy");
  ASSERT_TRUE(copied.ok()) << copied;
  const auto in_use = CheckStore(options_, nullptr);
  EXPECT_TRUE(absl::IsFailedPrecondition(in_use.status())) << in_use.status();
  EXPECT_TRUE(absl::StrContains(in_use.status().message(), "in use")) << in_use.status();
  EXPECT_TRUE(absl::IsFailedPrecondition(RepairStore(options_, nullptr).status()));
  EmbeddedStoreOptions options = options_;
  options.path = directory_.path() + "/copy";
  const auto check = CheckStore(options, nullptr);
  ASSERT_TRUE(check.ok()) << check.status();
  EXPECT_TRUE(check->clean());
  EXPECT_FALSE(std::filesystem::exists(options.path + "/LOCK"));
}

TEST_F(StoreCheckTest, WhereThereIsNoStoreItSaysSo) {
  options_.path = directory_.path() + "/other";
  EXPECT_TRUE(absl::IsNotFound(CheckStore(options_, nullptr).status()));
  EXPECT_TRUE(absl::IsNotFound(RepairStore(options_, nullptr).status()));
  EXPECT_FALSE(std::filesystem::exists(options_.path));
}

TEST_F(StoreCheckTest, AnotherDatabaseIsLeftAlone) {
  options_.path = directory_.path() + "/other";
  rocksdb::Options create;
  create.create_if_missing = true;
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(create, options_.path, &opened).ok());
  ASSERT_TRUE(opened->Put(rocksdb::WriteOptions(), "some", "thing").ok());
  delete opened;
  EXPECT_TRUE(absl::IsFailedPrecondition(RepairStore(options_, nullptr).status()));
}

TEST_F(StoreCheckTest, BrokenRecordsAreFoundAndDeleted) {
  ExpectClean();
  Tamper([](rocksdb::DB& rocks) {
    for (const RecordKind kind : {RecordKind::kWindow, RecordKind::kWindowTotals}) {
      const auto [key, value] = First(rocks, kind);
      ASSERT_TRUE(rocks.Put(rocksdb::WriteOptions(), key, value.substr(0, value.size() / 2)).ok());
    }
  });
  EXPECT_THAT(Check().problems, ElementsAre(Pair("record", 2)));
  const StoreRepair repair = Repair();
  EXPECT_EQ(repair.deleted_records, 2u);
  EXPECT_FALSE(repair.salvaged);
  EXPECT_TRUE(repair.after.clean());
  ExpectClean();
}

TEST_F(StoreCheckTest, AWrongSumIsMadeAnew) {
  ExpectClean();
  Tamper([](rocksdb::DB& rocks) {
    for (const RecordKind kind : {RecordKind::kTenMinutes, RecordKind::kDay}) {
      const auto [key, value] = First(rocks, kind);
      ASSERT_TRUE(rocks.Delete(rocksdb::WriteOptions(), key).ok());
    }
  });
  EXPECT_GT(Check().problems.at("sum"), 1u);
  const StoreRepair repair = Repair();
  EXPECT_GT(repair.reopened_spans, 1u);
  EXPECT_TRUE(repair.after.clean()) << absl::StrJoin(repair.after.examples, "\n");
  Open();
  EXPECT_EQ(Stored(), Expected());
  SumUp();
  EXPECT_EQ(store_->counters().open_spans, 0u);
  EXPECT_EQ(Stored(), Expected());
  ExpectClean();
}

TEST_F(StoreCheckTest, LostNamesAndListsAreFound) {
  ExpectClean();
  std::string name;
  Tamper([&](rocksdb::DB& rocks) {
    const std::unique_ptr<rocksdb::Iterator> records(rocks.NewIterator(rocksdb::ReadOptions()));
    records->Seek(std::string(1, SpaceOf(BlockTier::kDay)));
    ASSERT_TRUE(records->Valid());
    ASSERT_EQ(static_cast<RecordKind>(records->key()[11]), RecordKind::kDictionary);
    ASSERT_TRUE(rocks.Delete(rocksdb::WriteOptions(), records->key()).ok());
    records->Seek(CataloguePrefix());
    records->Next();
    ASSERT_TRUE(rocks.Delete(rocksdb::WriteOptions(), records->key()).ok());
  });
  const StoreCheck check = Check();
  EXPECT_GT(check.problems.at("name"), 0u);
  EXPECT_EQ(check.problems.at("block"), 1u);
  EXPECT_TRUE(Repair().after.clean());
  ExpectClean();
  Open();
  EXPECT_TRUE(store_->Merge({ProfileType{}, kAll, {}}, {}).ok());
}

TEST_F(StoreCheckTest, WhereverAByteIsFlippedARepairLeavesAStoreThatIsClean) {
  ASSERT_TRUE(store_->Compact().ok());
  store_.reset();
  const std::string whole = directory_.path() + "/whole";
  std::filesystem::rename(options_.path, whole);
  constexpr int kPlaces = 12;
  int found = 0;
  for (int i = 0; i < kPlaces; ++i) {
    SCOPED_TRACE(i);
    std::filesystem::remove_all(options_.path);
    std::filesystem::copy(whole, options_.path);
    for (const auto& entry : std::filesystem::directory_iterator(options_.path)) {
      if (entry.path().extension() != ".sst") continue;
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      const auto offset = static_cast<std::streamoff>(entry.file_size() * static_cast<uint64_t>(i) / kPlaces);
      file.seekg(offset);
      const int byte = file.get();
      file.seekp(offset);
      file.put(static_cast<char>(byte ^ 0x40));
    }
    found += Check().clean() ? 0 : 1;
    const StoreRepair repair = Repair();
    EXPECT_TRUE(repair.after.clean()) << absl::StrJoin(repair.after.examples, "\n");
    Open();
    const Content expected = Expected();
    for (const auto& [stack, sums] : Stored()) {
      if (absl::StrContains(stack, "[lost: corrupt record]")) continue;
      const auto of_stack = expected.find(stack);
      ASSERT_TRUE(of_stack != expected.end()) << stack;
      EXPECT_LE(sums.first, of_stack->second.first) << stack;
    }
    SumUp();
    ExpectClean();
  }
  EXPECT_GT(found, kPlaces / 2);
}

}  // namespace
}  // namespace pilotlight::collector
