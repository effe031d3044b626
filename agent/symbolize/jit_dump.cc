#include "agent/symbolize/jit_dump.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace pilotlight::agent {
namespace {

constexpr uint64_t kEnd = UINT64_MAX;

struct FileHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t bytes;
  uint32_t machine;
  uint32_t padding;
  uint32_t pid;
  uint64_t timestamp;
  uint64_t flags;
};
constexpr uint32_t kMagic = 0x4A695444;
constexpr uint32_t kVersion = 1;

struct RecordHeader {
  uint32_t id;
  uint32_t bytes;  // with the header
  uint64_t timestamp;
};
enum : uint32_t { kCodeLoad = 0, kCodeMove = 1, kCodeClose = 3 };

struct CodeLoad {
  uint32_t pid;
  uint32_t tid;
  uint64_t vma;
  uint64_t address;
  uint64_t bytes;
  uint64_t index;
  // Then the name, with a NUL, and the code.
};

struct CodeMove {
  uint32_t pid;
  uint32_t tid;
  uint64_t vma;
  uint64_t old_address;
  uint64_t new_address;
  uint64_t bytes;
  uint64_t index;
};

// By address: code that was loaded since the map was sorted.
using LoadedNames = absl::flat_hash_map<uint64_t, std::string>;

void TakeRecord(ByteSource& file, uint64_t offset, const RecordHeader& header, LoadedNames& loaded,
                PerfMap& map) {
  const uint64_t body = offset + sizeof(header);
  const uint64_t body_bytes = header.bytes - sizeof(header);
  if (header.id == kCodeLoad && body_bytes > sizeof(CodeLoad)) {
    const auto load = file.Read<CodeLoad>(body);
    if (!load.has_value()) return;
    const uint64_t room = std::min<uint64_t>(body_bytes - sizeof(CodeLoad), PerfMap::kMaxNameBytes);
    std::string name = file.ReadCString(body + sizeof(CodeLoad), room);
    map.Add(load->address, load->bytes, name);
    loaded[load->address] = std::move(name);
  } else if (header.id == kCodeMove && body_bytes >= sizeof(CodeMove)) {
    const auto move = file.Read<CodeMove>(body);
    if (!move.has_value()) return;
    const auto found = loaded.find(move->old_address);
    std::string name = found != loaded.end() ? found->second : std::string(map.Find(move->old_address));
    map.Add(move->new_address, move->bytes, name);
    loaded[move->new_address] = std::move(name);
  }
}

}  // namespace

uint64_t ReadJitDump(ByteSource& file, uint64_t offset, size_t max_map_bytes, PerfMap& map) {
  if (offset == 0) {
    const auto header = file.Read<FileHeader>(0);
    if (!header.has_value()) return 0;
    if (header->magic != kMagic || header->version != kVersion || header->bytes < sizeof(FileHeader)) {
      return kEnd;
    }
    offset = header->bytes;
  }
  LoadedNames loaded;
  while (offset != kEnd && offset < file.size() && map.byte_size() <= max_map_bytes) {
    const auto header = file.Read<RecordHeader>(offset);
    if (!header.has_value() || header->bytes > file.size() - offset) break;
    const bool is_last = header->bytes < sizeof(RecordHeader) || header->id == kCodeClose;
    if (!is_last) TakeRecord(file, offset, *header, loaded, map);
    offset = is_last ? kEnd : offset + header->bytes;
  }
  map.Sort();
  return offset;
}

const Mapping* FindJitDump(const Process& process) {
  for (const Mapping& mapping : process.maps.mappings()) {
    absl::string_view name = mapping.path;
    name.remove_prefix(std::min(name.rfind('/') + 1, name.size()));
    if (mapping.inode != 0 && absl::ConsumePrefix(&name, "jit-") && absl::ConsumeSuffix(&name, ".dump") &&
        !name.empty() && name.find_first_not_of("0123456789") == absl::string_view::npos) {
      return &mapping;
    }
  }
  return nullptr;
}

}  // namespace pilotlight::agent
