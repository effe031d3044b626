// What a release has stored and sent is read by this tree, to the last number: a directory for each release
// has a store of it, the messages of an agent's stream, and what it has answered about them itself.
//
// compatibility_test --record DIRECTORY makes that of this tree (tests/compatibility/record.sh).
#include <gmock/gmock.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/tenant_name.h"
#include "collector/ingest/ingest_stream.h"
#include "collector/store/embedded/embedded_stores.h"
#include "collector/store/store_test_support.h"
#include "google/protobuf/io/zero_copy_stream_impl.h"

namespace pilotlight::collector {
namespace {

using testing::IsEmpty;
using testing::Not;

const absl::Time kEnd = kNoon + absl::Hours(75);
const TimeSpan kAll = {absl::InfinitePast(), absl::InfiniteFuture()};

EmbeddedStoreOptions OptionsOf(const std::string& path, const Clock& clock) {
  EmbeddedStoreOptions options;
  options.path = path;
  options.min_free_bytes = 0;
  options.clock = &clock;
  return options;
}

std::string NumbersOf(const MergedProfile& merged) {
  const ProfileTotals totals = Totals(merged.profile.samples);
  return absl::StrFormat("windows %d watched %s estimated %.0f samples %d value %d stacks %d\n",
                         merged.coverage.windows, absl::FormatDuration(merged.coverage.watched),
                         merged.coverage.estimated_value, totals.count, totals.value,
                         ContentOf(merged.profile.trie, merged.profile.samples).size());
}

// The same everywhere and for good.
uint64_t Fnv1a(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

// Everything of the whole time, and numbers of some questions whose answers come from several levels.
std::string Describe(ProfileStore& store) {
  std::string text;
  const std::vector<std::string> names = *store.LabelNames(kAll, {}, {});
  for (const std::string& name : names) {
    absl::StrAppend(&text, name, ": ", absl::StrJoin(*store.LabelValues(name, kAll, {}, {}), " "), "\n");
  }
  const TimeSpan ragged = {kNoon + absl::Minutes(7), kEnd - absl::Minutes(95)};
  const std::vector<ProfileType> types = *store.ProfileTypes(kAll, {});
  const std::vector<std::string> services = *store.LabelValues("service_name", kAll, {}, {});
  for (const ProfileType& type : types) {
    absl::StrAppend(&text, "\n", type.ToString(), "\n");
    for (const std::string& service : services) {
      for (const TimeSpan& span : {kAll, ragged}) {
        const auto matchers = *ParseSelector(absl::StrCat("{service_name=\"", service, "\"}"));
        absl::StrAppend(&text, service, span.start == kAll.start ? " " : " in part ",
                        NumbersOf(*store.Merge({type, span, matchers}, {})));
      }
    }
    const auto series =
        *store.SelectSeries({type, {kNoon, kEnd}, {}}, absl::Hours(6), {"service_name"}, nullptr, {});
    for (const TimeSeries& one : series) {
      absl::StrAppend(&text, one.labels.at("service_name"));
      for (const SeriesPoint& point : one.points) {
        absl::StrAppendFormat(&text, " %d:%d/%d/%.0f", point.step, point.count, point.value,
                              point.estimated_value);
      }
      absl::StrAppend(&text, "\n");
    }
    // Some stacks for people, and all of them in one number.
    constexpr int kShown = 20;
    const MergedProfile merged = *store.Merge({type, kAll, {}}, {});
    std::string all;
    int count = 0;
    for (const auto& [stack, numbers] : ContentOf(merged.profile.trie, merged.profile.samples)) {
      const std::string line = absl::StrCat("  ", stack, " ", numbers.first, " ", numbers.second, "\n");
      if (++count <= kShown) text += line;
      all += line;
    }
    absl::StrAppend(&text, count, " stacks: ", absl::Hex(Fnv1a(all), absl::kZeroPad16), "\n");
  }
  return text;
}

std::string DescribeAll(ProfileStores& stores) {
  std::string text;
  for (const auto& [tenant, store] : stores.All()) {
    absl::StrAppend(&text, "tenant ", tenant, "\n", Describe(*store), "\n");
  }
  return text;
}

// Three days and some hours: all levels have something.
std::vector<Window> MakeWindows(const std::string& agent, size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<Window> windows;
  for (size_t i = 0; i < count; ++i) {
    const absl::Time start = kNoon + (kEnd - kNoon) * static_cast<double>(i) / static_cast<double>(count);
    windows.push_back(MakeRandomWindow(random, agent, "boot", i + 1, start));
  }
  return windows;
}

// A store that has taken the stream in, whose messages must all be right.
std::string Replay(const std::string& stream_path) {
  const TemporaryDirectory directory;
  const ManualClock clock(kEnd);
  auto stores = EmbeddedStores::Open(OptionsOf(directory.path() + "/store", clock));
  CHECK(stores.ok());
  prometheus::Registry registry;
  IngestMetrics metrics(registry);
  IngestContext context(**stores, {}, clock, metrics);
  IngestStream stream(context);
  std::ifstream file(stream_path, std::ios::binary);
  google::protobuf::io::IstreamInputStream input(&file);
  v1::StreamRequest request;
  bool at_end = false;
  size_t windows = 0;
  while (google::protobuf::util::ParseDelimitedFromZeroCopyStream(&request, &input, &at_end)) {
    const auto outcome = stream.Receive(request, request.ByteSizeLong());
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    if (request.has_window()) {
      EXPECT_TRUE(outcome.response && outcome.response->has_acknowledgement());
      ++windows;
    }
    request.Clear();
  }
  EXPECT_TRUE(at_end) << stream_path;
  EXPECT_GT(windows, 0u);
  return Describe((*stores)->anonymous());
}

void Write(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  CHECK(file.flush().good());
}

void Record(const std::string& directory) {
  CHECK(MakeDirectories(directory).ok());
  const TemporaryDirectory work;
  const ManualClock clock(kEnd);
  {
    auto stores = EmbeddedStores::Open(OptionsOf(work.path() + "/store", clock));
    CHECK(stores.ok());
    EmbeddedStore& store = (*stores)->anonymous();
    for (const Window& window : MakeWindows("agent-1", 60, 1)) CHECK(store.Append(window).ok());
    CHECK(store.FillLevels().ok());
    for (const Window& window : MakeWindows("agent-2", 20, 2)) CHECK(store.Append(window).ok());
    CHECK(store.Compact().ok());
    ProfileStore& tenant = **(*stores)->FindOrMake("shop");
    for (const Window& window : MakeWindows("agent-1", 5, 4)) CHECK(tenant.Append(window).ok());
    Write(directory + "/store.txt", DescribeAll(**stores));
    std::filesystem::copy(absl::StrCat(work.path(), "/store/snapshots/", (*stores)->Snapshot().value()),
                          directory + "/store", std::filesystem::copy_options::recursive);
  }
  {
    std::ofstream file(directory + "/stream", std::ios::binary);
    v1::StreamRequest hello;
    hello.mutable_hello()->set_agent("agent-3");
    hello.mutable_hello()->set_version(std::string(PILOTLIGHT_VERSION));
    CHECK(google::protobuf::util::SerializeDelimitedToOstream(hello, &file));
    WindowEncoder encoder;
    size_t sent = 0;
    for (const Window& window : MakeWindows("agent-3", 30, 3)) {
      // In the middle the dictionary ends, and names are sent again.
      if (++sent == 15) encoder.set_receiver_bytes(1);
      if (sent == 16) encoder.set_receiver_bytes(0);
      v1::StreamRequest request;
      encoder.Encode(window, *request.mutable_window());
      CHECK(google::protobuf::util::SerializeDelimitedToOstream(request, &file));
    }
  }
  Write(directory + "/stream.txt", Replay(directory + "/stream"));
}

std::vector<std::string> Releases() {
  std::vector<std::string> releases;
  for (const auto& entry : std::filesystem::directory_iterator(PILOTLIGHT_COMPATIBILITY)) {
    if (entry.is_directory()) releases.push_back(entry.path().string());
  }
  return releases;
}

TEST(CompatibilityTest, ReadsTheStoresOfReleases) {
  ASSERT_THAT(Releases(), Not(IsEmpty()));
  for (const std::string& release : Releases()) {
    SCOPED_TRACE(release);
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/store";
    std::filesystem::copy(release + "/store", path, std::filesystem::copy_options::recursive);
    const ManualClock clock(kEnd);
    const auto stores = EmbeddedStores::Open(OptionsOf(path, clock));
    ASSERT_TRUE(stores.ok()) << stores.status();
    EmbeddedStore& store = (*stores)->anonymous();
    const std::string expected = ReadFile(release + "/store.txt").value();
    EXPECT_EQ(DescribeAll(**stores), expected);
    // And goes on with it: what is known is not stored again, sums that were open are made.
    for (const Window& window : MakeWindows("agent-2", 1, 2)) {
      EXPECT_EQ(store.Append(window).value(), AppendOutcome::kAlreadyThere);
    }
    ASSERT_TRUE(store.FillLevels().ok());
    EXPECT_EQ(DescribeAll(**stores), expected);
    EXPECT_EQ(store.counters().corrupt_records, 0u);
  }
}

TEST(CompatibilityTest, TakesTheStreamsOfReleases) {
  for (const std::string& release : Releases()) {
    SCOPED_TRACE(release);
    EXPECT_EQ(Replay(release + "/stream"), ReadFile(release + "/stream.txt").value());
  }
}

}  // namespace
}  // namespace pilotlight::collector

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--record") {
    pilotlight::collector::Record(argv[2]);
    return 0;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
