// Tenants see nothing of each other, in memory and on disk, and share the memory that there is.
#include "collector/store/embedded/embedded_stores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/file.h"
#include "collector/store/store_test_support.h"

namespace pilotlight::collector {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

using Stacks = std::map<std::string, uint64_t>;

const TimeSpan kAll = {absl::InfinitePast(), absl::InfiniteFuture()};

class EmbeddedStoresTest : public testing::Test {
 protected:
  EmbeddedStoresTest() {
    options_.path = directory_.path() + "/store";
    options_.min_free_bytes = 0;
    options_.clock = &clock_;
    Reopen();
  }

  void Reopen() {
    stores_.reset();
    auto stores = EmbeddedStores::Open(options_, limits_);
    ASSERT_TRUE(stores.ok()) << stores.status();
    stores_ = *std::move(stores);
  }

  // All with the same agent, boot and number, so that a tenant is needed to tell them apart.
  void Append(const std::string& tenant, const Stacks& stacks, uint64_t sequence = 1,
              const Labels& labels = {{"service_name", "cart"}}) {
    const auto store = stores_->FindOrMake(tenant);
    ASSERT_TRUE(store.ok()) << store.status();
    Window window = MakeWindow("agent", "boot", sequence, kNoon);
    AddSeries(window, labels, stacks);
    const auto outcome = (*store)->Append(window);
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_EQ(*outcome, AppendOutcome::kStored);
  }

  static Stacks Counts(ProfileStore& store, const std::string& selector = "") {
    auto merged = store.Merge({{}, kAll, *ParseSelector(selector)}, {});
    EXPECT_TRUE(merged.ok()) << merged.status();
    return CountsByStack(merged->profile);
  }
  Stacks CountsOf(const std::string& tenant) { return Counts(*stores_->Find(tenant)); }

  const TemporaryDirectory directory_;
  ManualClock clock_{kNoon};
  EmbeddedStoreOptions options_;
  TenantLimits limits_;
  std::unique_ptr<EmbeddedStores> stores_;
};

TEST_F(EmbeddedStoresTest, ATenantSeesItsOwnAlone) {
  Append("anonymous", {{"f", 1}});
  Append("a", {{"f", 2}});
  Append("b", {{"f", 4}});
  for (int i = 0; i < 3; ++i) {  // the third time from the answers that are kept
    EXPECT_EQ(CountsOf("anonymous"), (Stacks{{"f", 1}}));
    EXPECT_EQ(CountsOf("a"), (Stacks{{"f", 2}}));
    EXPECT_EQ(CountsOf("b"), (Stacks{{"f", 4}}));
  }
  Append("a", {{"g", 8}}, 2);
  EXPECT_EQ(CountsOf("a"), (Stacks{{"f", 2}, {"g", 8}}));
  EXPECT_EQ(CountsOf("b"), (Stacks{{"f", 4}}));
  Reopen();
  EXPECT_EQ(CountsOf("a"), (Stacks{{"f", 2}, {"g", 8}}));
  EXPECT_EQ(CountsOf("anonymous"), (Stacks{{"f", 1}}));
}

TEST_F(EmbeddedStoresTest, TheAnonymousTenantsStoreIsThatOfBeforeTenants) {
  Append("anonymous", {{"f", 1}});
  stores_.reset();
  const auto store = EmbeddedStore::Open(options_);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ(Counts(**store), (Stacks{{"f", 1}}));
}

TEST_F(EmbeddedStoresTest, AskingForATenantMakesNone) {
  EXPECT_EQ(stores_->Find("a"), nullptr);
  EXPECT_FALSE(std::filesystem::exists(options_.path + "/tenants"));
}

TEST_F(EmbeddedStoresTest, ThereAreSoManyTenantsAtMost) {
  limits_.max_tenants = 1;
  Reopen();
  Append("a", {{"f", 1}});
  const auto refused = stores_->FindOrMake("b");
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("--tenants.max"));
  EXPECT_FALSE(std::filesystem::exists(options_.path + "/tenants/b"));
  limits_.max_tenants = 0;
  Reopen();
  EXPECT_EQ(CountsOf("a"), (Stacks{{"f", 1}}));
}

TEST_F(EmbeddedStoresTest, ASnapshotHasAllTenants) {
  Append("anonymous", {{"f", 1}});
  Append("a", {{"f", 2}});
  const auto name = stores_->Snapshot();
  ASSERT_TRUE(name.ok()) << name.status();
  Append("a", {{"g", 1}}, 2);
  options_.path = absl::StrCat(options_.path, "/snapshots/", *name);
  Reopen();
  EXPECT_EQ(CountsOf("anonymous"), (Stacks{{"f", 1}}));
  EXPECT_EQ(CountsOf("a"), (Stacks{{"f", 2}}));
  // And one tenant's part of it is a storage path, too.
  options_.path += "/tenants/a";
  Reopen();
  EXPECT_EQ(CountsOf("anonymous"), (Stacks{{"f", 2}}));
}

TEST_F(EmbeddedStoresTest, WhatIsNoTenantsIsNotTakenForOne) {
  std::filesystem::create_directories(options_.path + "/tenants/lost+found");
  const auto opened = EmbeddedStores::Open({.path = options_.path}, {});
  EXPECT_FALSE(opened.ok());
  stores_.reset();
  const auto refused = EmbeddedStores::Open(options_, limits_);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("lost+found"));
}

TEST_F(EmbeddedStoresTest, LabelSetsBeyondATenantsLimitAreKeptWithoutTheirLabels) {
  limits_.max_series = 2;
  Reopen();
  const auto labels = [](const std::string& service, int pod) {
    return Labels{{"service_name", service}, {"pod", absl::StrCat("pod-", pod)}};
  };
  Append("a", {{"f", 1}}, 1, labels("cart", 1));
  Append("a", {{"f", 2}}, 2, labels("shop", 1));
  Append("a", {{"f", 4}}, 3, labels("shop", 2));  // one too many
  Reopen();                                       // which does not make room
  Append("a", {{"f", 8}}, 4, labels("cart", 2));
  Append("a", {{"f", 16}}, 5, labels("cart", 1));  // is known
  ProfileStore& store = *stores_->Find("a");
  EXPECT_EQ(Counts(store), (Stacks{{"f", 31}}));
  EXPECT_EQ(Counts(store, R"({pod="pod-1"})"), (Stacks{{"f", 19}}));
  EXPECT_EQ(Counts(store, R"({service_name="shop", overflow="true"})"), (Stacks{{"f", 4}}));
  EXPECT_EQ(Counts(store, R"({service_name="cart", overflow="true"})"), (Stacks{{"f", 8}}));
  for (uint64_t i = 1; i <= 4; ++i) Append("anonymous", {{"f", 1}}, i, labels("cart", static_cast<int>(i)));
  EXPECT_THAT(Counts(*stores_->Find("anonymous"), R"({overflow="true"})"), IsEmpty());
}

TEST_F(EmbeddedStoresTest, MemoryIsOfAllTogether) {
  options_.cache_bytes = 40'000;
  options_.write_buffer_bytes = size_t{1} << 20;
  Reopen();
  const std::vector<std::string> tenants = {"a", "b", "c", "d", "e", "f", "g", "h"};
  for (uint64_t i = 1; i <= 20; ++i) {
    Stacks stacks;
    for (int stack = 0; stack < 100; ++stack) stacks[absl::StrCat("main;f", i, "-", stack)] = 1;
    for (const std::string& tenant : tenants) Append(tenant, stacks, i, {{"service_name", absl::StrCat(i)}});
  }
  uint64_t cache_bytes = 0;
  for (const auto& [tenant, store] : stores_->stores()) cache_bytes += store->counters().cache_bytes;
  // The last one that was used may stay beyond it.
  EXPECT_LE(cache_bytes, 60'000u);
  for (const std::string& tenant : tenants) EXPECT_EQ(CountsOf(tenant).size(), 2000u);
}

TEST_F(EmbeddedStoresTest, WindowsThatWaitInMemoryGoToTablesTheLargestFirst) {
  options_.write_buffer_bytes = size_t{1} << 20;
  Reopen();
  const auto bytes = [this] {
    uint64_t sum = 0;
    for (const auto& [tenant, store] : stores_->stores()) sum += store->write_buffer_bytes();
    return sum;
  };
  uint64_t sequence = 0;
  while (bytes() < 2 * options_.write_buffer_bytes) {
    Stacks stacks;
    ++sequence;
    for (int stack = 0; stack < 1000; ++stack) stacks[absl::StrCat("main;f", sequence, "-", stack)] = 1;
    for (const char* tenant : {"a", "b", "c", "d"}) Append(tenant, stacks, sequence);
  }
  stores_->FreeMemory();
  EXPECT_LE(bytes(), 3 * options_.write_buffer_bytes / 2);
  EXPECT_EQ(CountsOf("a").size(), 1000 * sequence);
}

}  // namespace
}  // namespace pilotlight::collector
