#include "collector/store/embedded/keys.h"

#include "collector/store/embedded/bytes.h"

namespace pilotlight::collector {
namespace {

constexpr char kMetaSpace = 0x01;

std::string Meta(char kind) { return {kMetaSpace, kind}; }

void AppendBlock(std::string& key, const BlockKey& block) {
  AppendBigEndian(key, block.day);
  AppendBigEndian(key, block.service);
  AppendBigEndian(key, block.part);
}

bool IsTimed(RecordKind kind) { return kind >= RecordKind::kWindow; }

BlockKey ReadBlock(BlockTier tier, ByteReader& reader) {
  BlockKey block;
  block.tier = tier;
  block.day = reader.BigEndian<uint32_t>();
  block.service = reader.BigEndian<uint32_t>();
  block.part = reader.BigEndian<uint16_t>();
  return block;
}

}  // namespace

BlockKey FirstPart(Level level, uint64_t unix_ns, uint32_t service) {
  BlockKey block;
  block.tier = TierOf(level);
  block.day = DayOf(unix_ns);
  if (block.tier == BlockTier::kMonth) block.day -= block.day % kDaysOfMonthBlock;
  block.service = service;
  return block;
}

bool IsMetaKey(absl::string_view key) { return !key.empty() && key[0] == kMetaSpace; }

std::string MetaPrefix() { return std::string(1, kMetaSpace); }
std::string FormatVersionKey() { return Meta('v'); }
std::string NextIdsKey() { return Meta('n'); }
std::string ServicePrefix() { return Meta('s'); }
std::string BootPrefix() { return Meta('a'); }
std::string CataloguePrefix() { return Meta('b'); }
std::string AggregatePrefix() { return Meta('g'); }
std::string OpenSpanPrefix() { return Meta('o'); }

std::string ServiceKey(absl::string_view name) { return ServicePrefix().append(name.data(), name.size()); }

std::string AggregateKey(absl::string_view name) {
  return AggregatePrefix().append(name.data(), name.size());
}

std::string BootKey(absl::string_view agent, absl::string_view boot) {
  std::string key = BootPrefix();
  AppendSized(key, agent);
  return key.append(boot.data(), boot.size());
}

std::string CatalogueKey(const BlockKey& block) {
  std::string key = CataloguePrefix();
  key.push_back(SpaceOf(block.tier));
  AppendBlock(key, block);
  return key;
}

std::string HorizonKey(Level level) { return Meta('h').append(1, static_cast<char>(level)); }

std::string OpenSpanKey(const SpanKey& span) {
  std::string key = OpenSpanPrefix();
  key.push_back(static_cast<char>(span.level));
  AppendBigEndian(key, span.start_unix_ns);
  AppendBigEndian(key, span.service);
  return key;
}

std::string RecordPrefix(const BlockKey& block, RecordKind kind) {
  std::string key(1, IsTimed(kind) ? SpaceOf(kind) : SpaceOf(block.tier));
  AppendBlock(key, block);
  if (!IsTimed(kind)) key.push_back(static_cast<char>(kind));
  return key;
}

std::string RecordsEnd(const BlockKey& block, RecordKind kind) {
  // No record of a time has a start so late.
  if (IsTimed(kind)) return RecordPrefix(block, kind).append(sizeof(uint64_t), '\xff');
  std::string key = RecordPrefix(block, kind);
  ++key.back();
  return key;
}

std::string NumberedKey(const BlockKey& block, RecordKind kind, uint32_t number) {
  std::string key = RecordPrefix(block, kind);
  AppendBigEndian(key, number);
  return key;
}

std::string TimedKey(const BlockKey& block, RecordKind kind, uint64_t start_unix_ns) {
  std::string key = RecordPrefix(block, kind);
  AppendBigEndian(key, start_unix_ns);
  return key;
}

std::string WindowRecordKey(const BlockKey& block, const WindowKey& window) {
  std::string key = TimedKey(block, RecordKind::kWindow, window.start_unix_ns);
  AppendBigEndian(key, window.boot_id);
  AppendBigEndian(key, window.sequence);
  return key;
}

const std::vector<char>& BlockSpaces() {
  static const std::vector<char>* const spaces = [] {
    auto* all = new std::vector<char>{SpaceOf(BlockTier::kDay), SpaceOf(BlockTier::kMonth)};
    for (const Level level : {Level::kWindow, Level::kTenMinutes, Level::kHour, Level::kDay}) {
      for (const char space : SpacesOf(level)) all->push_back(space);
    }
    return all;
  }();
  return *spaces;
}

std::vector<char> SpacesOf(Level level) {
  const RecordKind second = level == Level::kWindow ? RecordKind::kWindowTotals : ServiceSumsOf(level);
  return {SpaceOf(RecordsOf(level)), SpaceOf(second)};
}

char SpaceOf(BlockTier tier) { return static_cast<char>(tier); }
char SpaceOf(RecordKind kind) { return static_cast<char>(kind); }

BlockTier TierOfSpace(char space) {
  const bool months = space == SpaceOf(BlockTier::kMonth) ||
                      (space >= SpaceOf(RecordKind::kWindow) &&
                       TierOf(LevelOf(static_cast<RecordKind>(space))) == BlockTier::kMonth);
  return months ? BlockTier::kMonth : BlockTier::kDay;
}

std::string DayStart(char space, uint32_t day) {
  std::string key(1, space);
  AppendBigEndian(key, day);
  return key;
}

std::string BlockEnd(char space, const BlockKey& block) {
  std::string key(1, space);
  AppendBlock(key, block);
  // Beyond the last kind, and beyond the last start.
  return key.append(sizeof(uint64_t), '\xff');
}

std::optional<BlockKey> ParseBlockKey(BlockTier tier, absl::string_view bytes) {
  ByteReader reader(bytes);
  const BlockKey block = ReadBlock(tier, reader);
  if (!reader.done()) return std::nullopt;
  return block;
}

std::optional<BlockKey> ParseCatalogueKey(absl::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  const auto tier = static_cast<BlockTier>(bytes[0]);
  if (tier != BlockTier::kDay && tier != BlockTier::kMonth) return std::nullopt;
  return ParseBlockKey(tier, bytes.substr(1));
}

std::optional<SpanKey> ParseOpenSpanKey(absl::string_view bytes) {
  ByteReader reader(bytes);
  SpanKey span;
  const absl::string_view level = reader.Bytes(1);
  span.start_unix_ns = reader.BigEndian<uint64_t>();
  span.service = reader.BigEndian<uint32_t>();
  if (!reader.done()) return std::nullopt;
  span.level = static_cast<Level>(level[0]);
  if (span.level < Level::kTenMinutes || span.level > Level::kDay) return std::nullopt;
  return span;
}

std::optional<WindowKey> ParseWindowKey(absl::string_view bytes) {
  ByteReader reader(bytes);
  WindowKey window;
  window.start_unix_ns = reader.BigEndian<uint64_t>();
  window.boot_id = reader.BigEndian<uint32_t>();
  window.sequence = reader.BigEndian<uint64_t>();
  if (!reader.done()) return std::nullopt;
  return window;
}

}  // namespace pilotlight::collector
