// The embedded store's one key space in RocksDB; all numbers in keys are big-endian.
//
//   0x01 'v'                          format version (varint)
//   0x01 'n'                          next service id, next boot id (varints)
//   0x01 's' <service name>           service id (varint)
//   0x01 'a' <agent, sized> <boot>    boot id, last sequence (varints), last seen (big-endian Unix ns)
//   0x01 'b' <block>                  the block exists; with a value, it is closed: salvage may have
//                                     lost some of its names, so nothing may be added to it
//   0x02 <block> 0x10 <chunk u32>     what one append added to the block's trie (block_dictionary.h)
//   0x02 <block> 0x20 <series u32>    labels and type of one series (series_table.h)
//   0x02 <block> 0x30 <start u64> <boot u32> <sequence u64>
//                                     one window's samples (window_record.h); start in Unix ns
//
// <block> is <day u32> <service u32> <part u16>, so a day is one contiguous range, which retention drops.
// A block has more than one part when its dictionary was full or damaged; each part stands by itself.
// Record kinds above 0x30 are for coarser levels of time.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace pilotlight::collector {

inline constexpr uint32_t kFormatVersion = 1;

struct BlockKey {
  uint32_t day = 0;  // since 1970-01-01, UTC
  uint32_t service = 0;
  uint16_t part = 0;

  friend auto operator<=>(const BlockKey&, const BlockKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const BlockKey& key) {
    return H::combine(std::move(h), key.day, key.service, key.part);
  }
};

inline constexpr size_t kBlockKeyBytes = 10;

enum class RecordKind : uint8_t { kDictionary = 0x10, kSeries = 0x20, kWindow = 0x30 };

struct WindowKey {
  uint64_t start_unix_ns = 0;
  uint32_t boot_id = 0;
  uint64_t sequence = 0;
};

std::string FormatVersionKey();
std::string NextIdsKey();
std::string ServiceKey(absl::string_view name);
std::string BootKey(absl::string_view agent, absl::string_view boot);
std::string CatalogueKey(const BlockKey& block);

bool IsMetaKey(absl::string_view key);

// The start of all service, boot and catalogue keys.
std::string ServicePrefix();
std::string BootPrefix();
std::string CataloguePrefix();

// The start of the keys of one kind in a block, and the first key behind them.
std::string RecordPrefix(const BlockKey& block, RecordKind kind);
std::string RecordsEnd(const BlockKey& block, RecordKind kind);
std::string NumberedKey(const BlockKey& block, RecordKind kind, uint32_t number);
std::string WindowRecordKey(const BlockKey& block, const WindowKey& window);
// The first key of window records that start at `start_unix_ns` or later.
std::string FirstWindowKey(const BlockKey& block, uint64_t start_unix_ns);
// The start of all meta keys, of all data keys, the first one of `day`, and the first one behind `block`.
std::string MetaPrefix();
std::string DataPrefix();
std::string DayStart(uint32_t day);
std::string BlockEnd(const BlockKey& block);

// What stands behind a prefix; nothing when it has the wrong length.
std::optional<BlockKey> ParseBlockKey(absl::string_view bytes);
std::optional<WindowKey> ParseWindowKey(absl::string_view bytes);

inline constexpr uint64_t kNanosecondsOfDay = uint64_t{86400} * 1'000'000'000;
inline uint32_t DayOf(uint64_t unix_ns) { return static_cast<uint32_t>(unix_ns / kNanosecondsOfDay); }

}  // namespace pilotlight::collector
