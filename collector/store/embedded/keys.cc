#include "collector/store/embedded/keys.h"

#include "collector/store/embedded/bytes.h"

namespace pilotlight::collector {
namespace {

constexpr char kMetaSpace = 0x01;
constexpr char kDataSpace = 0x02;

std::string Meta(char kind) { return {kMetaSpace, kind}; }

void AppendBlock(std::string& key, const BlockKey& block) {
  AppendBigEndian(key, block.day);
  AppendBigEndian(key, block.service);
  AppendBigEndian(key, block.part);
}

}  // namespace

bool IsMetaKey(absl::string_view key) { return !key.empty() && key[0] == kMetaSpace; }

std::string FormatVersionKey() { return Meta('v'); }
std::string NextIdsKey() { return Meta('n'); }
std::string ServicePrefix() { return Meta('s'); }
std::string BootPrefix() { return Meta('a'); }
std::string CataloguePrefix() { return Meta('b'); }

std::string ServiceKey(absl::string_view name) { return ServicePrefix().append(name.data(), name.size()); }

std::string BootKey(absl::string_view agent, absl::string_view boot) {
  std::string key = BootPrefix();
  AppendSized(key, agent);
  return key.append(boot.data(), boot.size());
}

std::string CatalogueKey(const BlockKey& block) {
  std::string key = CataloguePrefix();
  AppendBlock(key, block);
  return key;
}

std::string RecordPrefix(const BlockKey& block, RecordKind kind) {
  std::string key(1, kDataSpace);
  AppendBlock(key, block);
  key.push_back(static_cast<char>(kind));
  return key;
}

std::string RecordsEnd(const BlockKey& block, RecordKind kind) {
  std::string key = RecordPrefix(block, kind);
  ++key.back();
  return key;
}

std::string NumberedKey(const BlockKey& block, RecordKind kind, uint32_t number) {
  std::string key = RecordPrefix(block, kind);
  AppendBigEndian(key, number);
  return key;
}

std::string WindowRecordKey(const BlockKey& block, const WindowKey& window) {
  std::string key = FirstWindowKey(block, window.start_unix_ns);
  AppendBigEndian(key, window.boot_id);
  AppendBigEndian(key, window.sequence);
  return key;
}

std::string FirstWindowKey(const BlockKey& block, uint64_t start_unix_ns) {
  std::string key = RecordPrefix(block, RecordKind::kWindow);
  AppendBigEndian(key, start_unix_ns);
  return key;
}

std::string MetaPrefix() { return std::string(1, kMetaSpace); }
std::string DataPrefix() { return std::string(1, kDataSpace); }

std::string BlockEnd(const BlockKey& block) {
  std::string key = DataPrefix();
  AppendBlock(key, block);
  // The last kind of record that there can be, and more.
  return key.append(2, '\xff');
}

std::string DayStart(uint32_t day) {
  std::string key(1, kDataSpace);
  AppendBigEndian(key, day);
  return key;
}

std::optional<BlockKey> ParseBlockKey(absl::string_view bytes) {
  ByteReader reader(bytes);
  BlockKey block;
  block.day = reader.BigEndian<uint32_t>();
  block.service = reader.BigEndian<uint32_t>();
  block.part = reader.BigEndian<uint16_t>();
  if (!reader.done()) return std::nullopt;
  return block;
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
