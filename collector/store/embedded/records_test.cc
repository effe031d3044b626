// The records on disk, each by itself: what is written is read, what is broken is refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/store/embedded/block_dictionary.h"
#include "collector/store/embedded/bytes.h"
#include "collector/store/embedded/dictionary_writer.h"
#include "collector/store/embedded/keys.h"
#include "collector/store/embedded/numbered_hashes.h"
#include "collector/store/embedded/record.h"
#include "collector/store/embedded/series_table.h"
#include "collector/store/embedded/totals_record.h"
#include "collector/store/store_test_support.h"

namespace pilotlight::collector {
namespace {

TEST(BytesTest, NumbersComeBack) {
  const std::vector<uint64_t> numbers = {0, 1, 127, 128, 300, uint64_t{1} << 32, UINT64_MAX - 1, UINT64_MAX};
  std::string bytes;
  for (const uint64_t number : numbers) {
    AppendVarint(bytes, number);
    AppendZigzag(bytes, static_cast<int64_t>(number));
    AppendBigEndian(bytes, number);
    AppendSized(bytes, std::string(number % 200, 'x'));
  }
  ByteReader reader(bytes);
  for (const uint64_t number : numbers) {
    EXPECT_EQ(reader.Varint(), number);
    EXPECT_EQ(reader.Zigzag(), static_cast<int64_t>(number));
    EXPECT_EQ(reader.BigEndian<uint64_t>(), number);
    EXPECT_EQ(reader.Sized(), std::string(number % 200, 'x'));
  }
  EXPECT_TRUE(reader.done());
}

TEST(BytesTest, ReadingPastTheEndFailsForGood) {
  ByteReader reader("\x01");
  EXPECT_EQ(reader.Varint(), 1u);
  EXPECT_TRUE(reader.done());
  EXPECT_EQ(reader.Varint(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.BigEndian<uint32_t>(), 0u);
  EXPECT_FALSE(reader.done());
}

TEST(BytesTest, OverlongNumbersAreRefused) {
  ByteReader eleven("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01");
  eleven.Varint();
  EXPECT_FALSE(eleven.ok());
  ByteReader too_large("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");
  too_large.Varint();
  EXPECT_FALSE(too_large.ok());
  ByteReader unfinished("\x80");
  unfinished.Varint();
  EXPECT_FALSE(unfinished.ok());
}

TEST(KeysTest, SortByDayServicePartKindAndStart) {
  constexpr char kDayNames = static_cast<char>(BlockTier::kDay);
  constexpr char kWindows = static_cast<char>(RecordKind::kWindow);
  const std::vector<std::string> keys = {
      NumberedKey({1, 2, 0}, RecordKind::kDictionary, 0),
      NumberedKey({1, 2, 0}, RecordKind::kDictionary, 256),
      NumberedKey({1, 2, 0}, RecordKind::kSeries, 1),
      BlockEnd(kDayNames, {1, 2, 0}),
      NumberedKey({1, 2, 1}, RecordKind::kDictionary, 0),
      NumberedKey({1, 3, 0}, RecordKind::kDictionary, 0),
      DayStart(kDayNames, 2),
      NumberedKey({2, 0, 0}, RecordKind::kDictionary, 0),
      NumberedKey({256, 0, 0}, RecordKind::kDictionary, 0),
      NumberedKey({32, 0, 0, BlockTier::kMonth}, RecordKind::kDictionary, 0),
      WindowRecordKey({1, 2, 0}, {5, 9, 9}),
      WindowRecordKey({1, 2, 0}, {6, 1, 300}),
      WindowRecordKey({1, 2, 0}, {6, 2, 1}),
      BlockEnd(kWindows, {1, 2, 0}),
      DayStart(kWindows, 2),
      TimedKey({2, 0, 0}, RecordKind::kWindow, 0),
      TimedKey({1, 0, 0}, RecordKind::kTenMinutes, 5),
      TimedKey({1, 0, 0}, RecordKind::kTenMinutes, 6),
  };
  EXPECT_TRUE(std::ranges::is_sorted(keys));
  EXPECT_LT(BootKey("z", "z"), DayStart(kDayNames, 0));
}

TEST(KeysTest, BlocksAndOpenSpansComeBack) {
  const BlockKey block = {1024, 7, 3, BlockTier::kMonth};
  EXPECT_EQ(ParseCatalogueKey(absl::string_view(CatalogueKey(block)).substr(CataloguePrefix().size())),
            block);
  const SpanKey span = {Level::kHour, 3'600'000'000'000, 9};
  EXPECT_EQ(ParseOpenSpanKey(absl::string_view(OpenSpanKey(span)).substr(OpenSpanPrefix().size())), span);
  EXPECT_FALSE(ParseOpenSpanKey(std::string(13, '\x07')).has_value());
}

TEST(KeysTest, AgentAndBootDoNotRunTogether) { EXPECT_NE(BootKey("ab", "c"), BootKey("a", "bc")); }

std::vector<RecordedSeries> MakeSeries() {
  return {{.id = 3, .period = 10, .loss = {1, 2, 3, 4}, .samples = {{0, 1, 10}, {7, 300, 3000}}},
          {.id = 4, .period = 0, .loss = {}, .samples = {{2, 1, -5}, {1000000, UINT64_MAX, INT64_MIN}}},
          {.id = 900, .period = -1, .loss = {}, .samples = {}}};
}

void ExpectSamples(const std::vector<SeriesInRecord>& record, const std::vector<RecordedSeries>& series) {
  ASSERT_EQ(record.size(), series.size());
  for (size_t i = 0; i < series.size(); ++i) {
    EXPECT_EQ(record[i].id, series[i].id);
    EXPECT_EQ(record[i].period, series[i].period);
    EXPECT_EQ(record[i].loss, series[i].loss);
    std::vector<Sample> samples;
    ASSERT_TRUE(DecodeSamples(record[i], samples));
    EXPECT_EQ(samples, series[i].samples);
  }
}

TEST(RecordTest, SeriesOfAWindowComeBack) {
  const std::vector<RecordedSeries> series = MakeSeries();
  const std::string bytes = EncodeWindowRecord(10, 60, series);
  std::vector<SeriesInRecord> record;
  ASSERT_TRUE(ParseRecord(Level::kWindow, 1000, bytes, record));
  ExpectSamples(record, series);
  EXPECT_EQ(record[0].total.count, 301u);
  EXPECT_EQ(record[0].total.value, 3010);
  EXPECT_TRUE(record[0].values.empty());
  EXPECT_EQ(record[0].span.windows, 1u);
  EXPECT_EQ(record[0].span.watched_ns, 10);
  EXPECT_EQ(record[0].span.first_start_ns, 1000u);
  EXPECT_EQ(record[0].span.last_end_ns, 1060u);
  EXPECT_DOUBLE_EQ(record[0].span.estimated_value, 6 * 3010);
}

TEST(RecordTest, SeriesOfASpanComeBack) {
  std::vector<RecordedSeries> series = MakeSeries();
  series[0].span = {
      .windows = 7, .watched_ns = 70, .estimated_value = 0.1, .first_start_ns = 1003, .last_end_ns = 1990};
  for (RecordedSeries& one : series) one.span.first_start_ns += one.span.windows == 0 ? 1000 : 0;
  series[1].span.last_end_ns = series[2].span.last_end_ns = 1000;
  const std::string bytes = EncodeSpanRecord(1000, series);
  std::vector<SeriesInRecord> record;
  ASSERT_TRUE(ParseRecord(Level::kHour, 1000, bytes, record));
  ExpectSamples(record, series);
  EXPECT_EQ(record[0].span.windows, 7u);
  EXPECT_EQ(record[0].span.watched_ns, 70);
  EXPECT_EQ(record[0].span.estimated_value, 0.1);
  EXPECT_EQ(record[0].span.first_start_ns, 1003u);
  EXPECT_EQ(record[0].span.last_end_ns, 1990u);
}

TEST(RecordTest, SumsOverLabelSetsComeBack) {
  std::vector<RecordedSeries> series = MakeSeries();
  series.pop_back();
  const std::vector<ServiceSum> sums = {{series[0], {3, 5, 70000}}, {series[1], {4}}};
  const std::string bytes = EncodeServiceSums(1000, sums);
  std::vector<SeriesInRecord> record;
  ASSERT_TRUE(ParseServiceSums(Level::kHour, 1000, bytes, record));
  ExpectSamples(record, series);
  EXPECT_EQ(record[0].further_ids, (std::vector<uint32_t>{5, 70000}));
  EXPECT_EQ(record[1].further_ids, std::vector<uint32_t>());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ParseServiceSums(Level::kHour, 1000, absl::string_view(bytes).substr(0, size), record));
  }
}

TEST(TotalsRecordTest, WindowsComeBack) {
  TotalsRecordWriter writer;
  EXPECT_EQ(writer.Encode(0), "");
  for (uint64_t i = 0; i < 3; ++i) {
    SeriesInRecord window;
    window.id = i == 1 ? 2 : 5;
    window.period = 10;
    window.total = {i + 1, i == 2 ? -7 : static_cast<int64_t>(10 * (i + 1))};
    window.span = {
        .windows = 1, .watched_ns = 10, .first_start_ns = 1000 + 60 * i, .last_end_ns = 1060 + 60 * i};
    writer.Add(window);
  }
  const std::string bytes = writer.Encode(1000);
  std::vector<std::string> seen;
  const auto visit = [&seen](uint32_t id, const WindowTotals& window) {
    seen.push_back(absl::StrCat(id, " ", window.start_ns, " ", window.total.count, " ", window.total.value,
                                " ", window.estimated_value));
  };
  EXPECT_TRUE(ReadTotalsRecord(
      1000, bytes, [](uint32_t id) { return id == 5; }, visit));
  EXPECT_EQ(seen, (std::vector<std::string>{"5 1000 1 10 60", "5 1120 3 -7 -42"}));
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ReadTotalsRecord(
        1000, absl::string_view(bytes).substr(0, size), [](uint32_t) { return true; }, visit));
  }
}

TEST(RecordTest, NoTruncationIsTakenForARecord) {
  const std::string bytes = EncodeWindowRecord(10, 60, MakeSeries());
  std::vector<SeriesInRecord> record;
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ParseRecord(Level::kWindow, 0, absl::string_view(bytes).substr(0, size), record)) << size;
  }
  EXPECT_FALSE(ParseRecord(Level::kWindow, 0, bytes + "x", record));
}

TEST(RecordTest, FlippedBitsNeverCrash) {
  const std::string bytes = EncodeWindowRecord(10, 60, MakeSeries());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    std::vector<SeriesInRecord> record;
    if (!ParseRecord(Level::kWindow, 0, flipped, record)) continue;
    for (const SeriesInRecord& series : record) {
      std::vector<Sample> samples = {{1, 2, 3}};
      if (!DecodeSamples(series, samples)) {
        EXPECT_EQ(samples.size(), 1u);
      }
    }
  }
}

// Adds random stacks to `trie`; the nodes they end in.
std::vector<NodeId> AddRandomStacks(std::mt19937& random, size_t count, StackTrie& trie) {
  std::vector<NodeId> nodes;
  for (size_t i = 0; i < count; ++i) {
    std::string stack = "main";
    for (size_t depth = random() % 12; depth > 0; --depth) absl::StrAppend(&stack, ";f", random() % 6);
    nodes.push_back(AddStack(trie, stack));
  }
  return nodes;
}

// A dictionary that `chunks` were read into, but for `missing`.
std::unique_ptr<BlockDictionary> Read(const std::vector<std::string>& chunks, size_t missing = SIZE_MAX) {
  auto dictionary = std::make_unique<BlockDictionary>();
  for (size_t i = 0; i < chunks.size(); ++i) {
    if (i != missing) {
      EXPECT_TRUE(dictionary->AddChunk(chunks[i]).ok());
    }
  }
  return dictionary;
}

class BlockDictionaryTest : public testing::Test {
 protected:
  BlockDictionaryTest() {
    for (int i = 0; i < 10; ++i) {
      for (const NodeId node : AddRandomStacks(random_, 20, trie_)) {
        if (std::ranges::find(nodes_, node) != nodes_.end()) continue;
        nodes_.push_back(node);
        writer_.Add(trie_, node);
      }
      chunks_.push_back(writer_.TakeChunk());
    }
  }

  static std::vector<std::string> Names(const BlockDictionary& dictionary, uint32_t stack) {
    std::vector<std::string> names;
    for (NodeId node = dictionary.node_of(stack); node != StackTrie::kRoot; node = dictionary.parent(node)) {
      names.insert(names.begin(), std::string(dictionary.view(dictionary.frame_of(node)).function));
    }
    return names;
  }
  std::vector<std::string> Expected(size_t i) {
    std::vector<std::string> names;
    for (const FrameId frame : trie_.Stack(nodes_[i])) names.emplace_back(trie_.view(frame).function);
    return names;
  }
  // Stack 0 is the empty one.
  static uint32_t StackOf(size_t i) { return static_cast<uint32_t>(i + 1); }

  std::mt19937 random_{1};
  StackTrie trie_;
  std::vector<NodeId> nodes_;  // of trie_, without repetition
  DictionaryWriter writer_{BlockDictionary()};
  std::vector<std::string> chunks_;
};

TEST_F(BlockDictionaryTest, ChunksBringBackEveryStack) {
  const auto read = Read(chunks_);
  ASSERT_EQ(read->stack_count(), nodes_.size() + 1);
  for (size_t i = 0; i < nodes_.size(); ++i) EXPECT_EQ(Names(*read, StackOf(i)), Expected(i));
  EXPECT_EQ(read->frame_count(), trie_.frame_count());
  EXPECT_EQ(read->string_count(), trie_.string_count());
}

TEST_F(BlockDictionaryTest, StacksShareNodes) {
  size_t frames = 0;
  for (size_t i = 0; i < nodes_.size(); ++i) frames += Expected(i).size();
  EXPECT_LT(Read(chunks_)->node_count(), frames * 2 / 3);
}

TEST_F(BlockDictionaryTest, AWriterGoesOnWhereTheDictionaryEnds) {
  DictionaryWriter writer(*Read({chunks_.begin(), chunks_.begin() + 5}));
  const size_t known = Read({chunks_.begin(), chunks_.begin() + 5})->stack_count();
  std::vector<std::string> chunks(chunks_.begin(), chunks_.begin() + 5);
  for (size_t i = known - 1; i < nodes_.size(); ++i) writer.Add(trie_, nodes_[i]);
  chunks.push_back(writer.TakeChunk());
  EXPECT_TRUE(writer.TakeChunk().empty());
  const auto read = Read(chunks);
  for (size_t i = 0; i < nodes_.size(); ++i) EXPECT_EQ(Names(*read, StackOf(i)), Expected(i));
  EXPECT_EQ(read->frame_count(), trie_.frame_count());
}

TEST_F(BlockDictionaryTest, AWriterTakesStacksOfADictionary) {
  const auto read = Read(chunks_);
  DictionaryWriter copy{BlockDictionary()};
  for (size_t i = nodes_.size(); i-- > 0;) copy.Add(*read, read->node_of(StackOf(i)));
  BlockDictionary copied;
  ASSERT_TRUE(copied.AddChunk(copy.TakeChunk()).ok());
  for (size_t i = 0; i < nodes_.size(); ++i) {
    EXPECT_EQ(Names(copied, static_cast<uint32_t>(nodes_.size() - i)), Expected(i));
  }
}

TEST_F(BlockDictionaryTest, AMissingChunkCostsItsNamesOnly) {
  const auto read = Read(chunks_, /*missing=*/1);
  ASSERT_EQ(read->stack_count(), nodes_.size() + 1);
  size_t whole = 0;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (read->node_of(StackOf(i)) == BlockDictionary::kLostNumber) continue;
    const std::vector<std::string> names = Names(*read, StackOf(i));
    whole += names == Expected(i) ? 1 : 0;
    EXPECT_FALSE(names.empty() && !Expected(i).empty());
  }
  EXPECT_GT(whole, nodes_.size() / 2);
  EXPECT_LT(whole, nodes_.size());
  EXPECT_EQ(read->node_of(StackOf(nodes_.size())), BlockDictionary::kLostNumber);  // behind the last one
}

TEST_F(BlockDictionaryTest, NothingOfABrokenChunkIsAdded) {
  const auto read = Read({chunks_[0]});
  const size_t nodes = read->node_count();
  for (size_t size = 0; size < chunks_[1].size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(read->AddChunk(absl::string_view(chunks_[1]).substr(0, size))));
  }
  EXPECT_TRUE(absl::IsDataLoss(read->AddChunk(chunks_[0])));  // a second time
  EXPECT_EQ(read->node_count(), nodes);
  EXPECT_TRUE(read->AddChunk(chunks_[1]).ok());
}

TEST_F(BlockDictionaryTest, FlippedBitsNeverCrash) {
  for (size_t bit = 0; bit < chunks_[1].size() * 8; ++bit) {
    std::string flipped = chunks_[1];
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    const auto read = Read({chunks_[0]});
    if (!read->AddChunk(flipped).ok()) continue;
    for (NodeId node = 1; node < read->node_count(); ++node) {
      ASSERT_LT(read->parent(node), node);
      read->view(read->frame_of(node));
    }
    for (uint32_t stack = 0; stack < read->stack_count(); ++stack) {
      const NodeId node = read->node_of(stack);
      ASSERT_TRUE(node == BlockDictionary::kLostNumber || node < read->node_count());
    }
  }
}

TEST(NumberedHashesTest, HashesAreFoundByTheirFirstNumber) {
  NumberedHashes hashes;
  for (const uint64_t hash : {7, 9, 7}) hashes.Add(hash);
  hashes.MakeSearchable();
  EXPECT_EQ(hashes.Add(11), 3u);
  EXPECT_EQ(hashes.Find(7), 0u);
  EXPECT_EQ(hashes.Find(9), 1u);
  EXPECT_EQ(hashes.Find(11), 3u);
  EXPECT_EQ(hashes.at(2), 7u);
  EXPECT_FALSE(hashes.Find(8).has_value());
}

TEST(NumberedHashesTest, AsAMapFinds) {
  std::mt19937_64 random(1);
  NumberedHashes hashes;
  std::map<uint64_t, uint32_t> first;
  std::vector<uint64_t> all;
  const auto add = [&](uint64_t hash) {
    first.try_emplace(hash, hashes.Add(hash));
    all.push_back(hash);
  };
  // Equal in what a slot keeps of a hash, or in where it belongs.
  const auto crowded = [&random] { return random() % 200 << 32 | random() % 3; };
  for (int i = 0; i < 300; ++i) add(crowded());
  hashes.MakeSearchable();
  for (int i = 0; i < 5000; ++i) add(i % 2 == 0 ? random() : crowded());
  for (int i = 0; i < 1000; ++i) all.push_back(i % 2 == 0 ? random() : crowded());
  std::vector<uint32_t> expected;
  for (const uint64_t hash : all) {
    const auto known = first.find(hash);
    expected.push_back(known == first.end() ? UINT32_MAX : known->second);
  }
  EXPECT_EQ(hashes.FindAll(all, UINT32_MAX), expected);
}

TEST(SeriesTableTest, RecordsComeBackAndBrokenOnesAreRefused) {
  const SeriesIdentity identity{ProfileType{}, {{"service_name", "cart"}, {"pod", ""}, {"z", "ä"}}};
  const std::string record = EncodeSeriesIdentity(identity);
  SeriesTable table;
  ASSERT_TRUE(table.AddRecord(2, record).ok());
  EXPECT_EQ(table.size(), 3u);
  EXPECT_FALSE(table.identity(0).has_value());
  EXPECT_EQ(table.identity(2)->labels, identity.labels);
  EXPECT_EQ(table.identity(2)->type, identity.type);
  EXPECT_EQ(table.Intern(record, identity).id, 2u);
  EXPECT_FALSE(table.Intern(record, identity).added);
  EXPECT_FALSE(table.AddRecord(2, record).ok());
  EXPECT_FALSE(table.AddRecord(UINT32_MAX, record).ok());
  for (size_t size = 0; size < record.size(); ++size) {
    EXPECT_FALSE(table.AddRecord(3, absl::string_view(record).substr(0, size)).ok());
  }
}

}  // namespace
}  // namespace pilotlight::collector
