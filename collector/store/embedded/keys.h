// The embedded store's one key space in RocksDB; all numbers in keys are big-endian.
//
//   0x01 'v'                          format version (varint)
//   0x01 'n'                          next service id, next boot id (varints)
//   0x01 's' <service name>           service id (varint)
//   0x01 'a' <agent, sized> <boot>    boot id, last sequence (varints), last seen (big-endian Unix ns)
//   0x01 'b' <tier u8> <block>        the block exists; with a value, it is closed: salvage may have
//                                     lost some of its names, so nothing may be added to it
//   0x01 'g' <label names>            an aggregate (aggregates.h): its id, since when it is kept (varints)
//   0x01 'h' <level u8>               records of the level that start earlier were dropped (varint, Unix ns)
//   0x01 'o' <level u8> <start u64> <service u32>
//                                     the span's sum does not have all windows yet (open_spans.h)
//
//   <tier> <block> 0x04 <chunk u32>   the names that one append added (block_dictionary.h);
//                                     the tier is 0x02 for blocks of days, 0x03 for blocks of months
//   <tier> <block> 0x05 <series u32>  labels and type of one series (series_table.h)
//   <tier> <block> 0x06 <chunk u32>   the stacks of that chunk: number of the first one, how many (varints);
//                                     the hash of each (profile/stack_hash.h), eight bytes, big-endian
//   0x10 <block> <start u64> <boot u32> <sequence u64>
//                                     one window's samples (record.h); start in Unix ns
//   0x11 <block> <start u64>          a span of ten minutes, summed; 0x12: of an hour; 0x13: of a day
//   0x14 <block> <start u64>          the totals of the windows of ten minutes (totals_record.h)
//   0x15 <block> <start u64>          as 0x11, but summed over the service's label sets, where there are more
//                                     than one (record.h); 0x16: of an hour; 0x17: of a day
//
// <block> is <day u32> <service u32> <part u16>. A block holds the names of one service's records: of windows
// and ten minutes for a day, of hours and days for 32 days, named by the first. It has more than one part
// when its dictionary was full or damaged; each part stands by itself. So what retention drops, a day's
// records of one level, is one contiguous range, and a block's names go with its last records.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/string_view.h"
#include "collector/store/embedded/level.h"

namespace pilotlight::collector {

inline constexpr uint32_t kFormatVersion = 3;

enum class BlockTier : uint8_t { kDay = 0x02, kMonth = 0x03 };

inline constexpr uint32_t kDaysOfMonthBlock = 32;

// Services are numbered from 0, aggregates (aggregates.h) downwards from the end.
constexpr bool IsAggregateId(uint32_t service) { return service >= 0x80000000; }

struct BlockKey {
  uint32_t day = 0;  // the first, since 1970-01-01, UTC
  uint32_t service = 0;
  uint16_t part = 0;
  BlockTier tier = BlockTier::kDay;

  friend bool operator==(const BlockKey&, const BlockKey&) = default;
  friend auto operator<=>(const BlockKey& a, const BlockKey& b) {
    return std::tie(a.tier, a.day, a.service, a.part) <=> std::tie(b.tier, b.day, b.service, b.part);
  }
  template <typename H>
  friend H AbslHashValue(H h, const BlockKey& key) {
    return H::combine(std::move(h), key.tier, key.day, key.service, key.part);
  }
};

inline uint32_t DayOf(uint64_t unix_ns) { return static_cast<uint32_t>(unix_ns / kNanosecondsOfDay); }
constexpr BlockTier TierOf(Level level) {
  return level <= Level::kTenMinutes ? BlockTier::kDay : BlockTier::kMonth;
}
constexpr uint32_t DaysOfBlock(BlockTier tier) { return tier == BlockTier::kDay ? 1 : kDaysOfMonthBlock; }
// The first part of the block with a service's records of `level` that start at `unix_ns`.
BlockKey FirstPart(Level level, uint64_t unix_ns, uint32_t service);

enum class RecordKind : uint8_t {
  kDictionary = 0x04,
  kSeries = 0x05,
  kStackHashes = 0x06,
  kWindow = 0x10,
  kTenMinutes = 0x11,
  kHour = 0x12,
  kDay = 0x13,
  kWindowTotals = 0x14,
  kServiceTenMinutes = 0x15,
  kServiceHour = 0x16,
  kServiceDay = 0x17,
};
constexpr RecordKind RecordsOf(Level level) {
  return static_cast<RecordKind>(static_cast<uint8_t>(RecordKind::kWindow) + static_cast<uint8_t>(level));
}

// Of a level that is summed.
constexpr RecordKind ServiceSumsOf(Level level) {
  return static_cast<RecordKind>(static_cast<uint8_t>(RecordKind::kWindowTotals) +
                                 static_cast<uint8_t>(level));
}

// Of a kind whose records have a start.
constexpr Level LevelOf(RecordKind kind) {
  if (kind == RecordKind::kWindowTotals) return Level::kWindow;
  if (kind >= RecordKind::kServiceTenMinutes) {
    return static_cast<Level>(static_cast<uint8_t>(kind) - static_cast<uint8_t>(RecordKind::kWindowTotals));
  }
  return static_cast<Level>(static_cast<uint8_t>(kind) - static_cast<uint8_t>(RecordKind::kWindow));
}

struct WindowKey {
  uint64_t start_unix_ns = 0;
  uint32_t boot_id = 0;
  uint64_t sequence = 0;
};

struct SpanKey {
  Level level = Level::kTenMinutes;
  uint64_t start_unix_ns = 0;
  uint32_t service = 0;

  friend auto operator<=>(const SpanKey&, const SpanKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const SpanKey& key) {
    return H::combine(std::move(h), key.level, key.start_unix_ns, key.service);
  }
};

std::string FormatVersionKey();
std::string NextIdsKey();
std::string ServiceKey(absl::string_view name);
std::string BootKey(absl::string_view agent, absl::string_view boot);
std::string CatalogueKey(const BlockKey& block);
std::string AggregateKey(absl::string_view name);
std::string HorizonKey(Level level);
std::string OpenSpanKey(const SpanKey& span);

bool IsMetaKey(absl::string_view key);

// The start of all meta keys, and of those of one kind.
std::string MetaPrefix();
std::string ServicePrefix();
std::string BootPrefix();
std::string CataloguePrefix();
std::string AggregatePrefix();
std::string OpenSpanPrefix();

// The start of the keys of one kind in a block, and the first key behind them.
std::string RecordPrefix(const BlockKey& block, RecordKind kind);
std::string RecordsEnd(const BlockKey& block, RecordKind kind);
std::string NumberedKey(const BlockKey& block, RecordKind kind, uint32_t number);
// The first key of records, of a kind that has a start, that start at `start_unix_ns` or later; and the key
// of a span's sum.
std::string TimedKey(const BlockKey& block, RecordKind kind, uint64_t start_unix_ns);
std::string WindowRecordKey(const BlockKey& block, const WindowKey& window);

// The first byte of all keys that have a block behind it, and where such keys of one day start. The tier of
// their blocks.
const std::vector<char>& BlockSpaces();
std::string DayStart(char space, uint32_t day);
BlockTier TierOfSpace(char space);
char SpaceOf(BlockTier tier);
char SpaceOf(RecordKind kind);
// Those of all records of a level.
std::vector<char> SpacesOf(Level level);
// The first key behind those of a block in a space.
std::string BlockEnd(char space, const BlockKey& block);

inline constexpr size_t kBlockKeyBytes = 10;
// What stands behind a prefix; nothing when it has the wrong length.
std::optional<BlockKey> ParseBlockKey(BlockTier tier, absl::string_view bytes);
std::optional<BlockKey> ParseCatalogueKey(absl::string_view bytes);
std::optional<SpanKey> ParseOpenSpanKey(absl::string_view bytes);
std::optional<WindowKey> ParseWindowKey(absl::string_view bytes);

}  // namespace pilotlight::collector
