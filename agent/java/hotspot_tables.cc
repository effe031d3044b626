#include "agent/java/hotspot_tables.h"

#include <utility>

#include "absl/container/node_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace pilotlight::agent {
namespace {

// JDK 17 has 788 fields and 710 types, with names in some 60 pages.
constexpr size_t kMaxEntries = 4096;
constexpr size_t kMaxPages = 1024;
constexpr uint64_t kPageBytes = 4096;
constexpr size_t kMaxNameBytes = 128;

// Reads whole pages, and each but once.
class PagedMemory {
 public:
  explicit PagedMemory(MemoryReader read) : read_(read) {}

  absl::StatusOr<uint64_t> Word(uint64_t address, size_t size = sizeof(uint64_t)) {
    uint64_t word = 0;
    for (size_t i = 0; i < size; ++i) {
      ASSIGN_OR_RETURN(const uint8_t byte, Byte(address + i));
      word |= uint64_t{byte} << (8 * i);
    }
    return word;
  }

  absl::StatusOr<std::string> Name(uint64_t address) {
    std::string name;
    while (name.size() < kMaxNameBytes) {
      ASSIGN_OR_RETURN(const uint8_t byte, Byte(address + name.size()));
      if (byte == 0) return name;
      name.push_back(static_cast<char>(byte));
    }
    return absl::UnavailableError("a name of HotSpot's tables has no end");
  }

 private:
  absl::StatusOr<uint8_t> Byte(uint64_t address) {
    const uint64_t start = address & ~(kPageBytes - 1);
    if (page_ == nullptr || start != page_start_) {
      auto page = pages_.find(start);
      if (page == pages_.end()) {
        if (pages_.size() >= kMaxPages) return absl::UnavailableError("HotSpot's tables are too large");
        ASSIGN_OR_RETURN(std::string bytes, read_(start, kPageBytes));
        page = pages_.emplace(start, std::move(bytes)).first;
      }
      page_ = &page->second;
      page_start_ = start;
    }
    const uint64_t offset = address - start;
    if (offset >= page_->size()) return absl::UnavailableError("HotSpot's tables are not mapped");
    return static_cast<uint8_t>((*page_)[offset]);
  }

  const MemoryReader read_;
  absl::node_hash_map<uint64_t, std::string> pages_;
  const std::string* page_ = nullptr;  // the last one
  uint64_t page_start_ = 0;
};

}  // namespace

absl::StatusOr<HotSpotTables> HotSpotTables::Read(const HotSpotSymbols& symbols, MemoryReader read) {
  PagedMemory memory(read);
  std::array<uint64_t, kHotSpotSymbols.size()> values = {};
  for (size_t i = 0; i < values.size(); ++i) {
    ASSIGN_OR_RETURN(values[i], memory.Word(symbols[i]));
  }
  const auto& [structs, struct_stride, struct_type, struct_field, struct_static, struct_offset,
               struct_address, types, type_stride, type_name, type_size] = values;
  HotSpotTables tables;
  for (size_t i = 0; i < kMaxEntries; ++i) {
    const uint64_t entry = structs + i * struct_stride;
    ASSIGN_OR_RETURN(const uint64_t type_address, memory.Word(entry + struct_type));
    if (type_address == 0) break;
    ASSIGN_OR_RETURN(const uint64_t field_address, memory.Word(entry + struct_field));
    ASSIGN_OR_RETURN(const std::string type, memory.Name(type_address));
    ASSIGN_OR_RETURN(const std::string field, memory.Name(field_address));
    ASSIGN_OR_RETURN(const uint64_t is_static, memory.Word(entry + struct_static, sizeof(int32_t)));
    ASSIGN_OR_RETURN(const uint64_t value,
                     memory.Word(entry + (is_static != 0 ? struct_address : struct_offset)));
    tables.fields_.emplace(absl::StrCat(type, "::", field), value);
  }
  for (size_t i = 0; i < kMaxEntries; ++i) {
    const uint64_t entry = types + i * type_stride;
    ASSIGN_OR_RETURN(const uint64_t name_address, memory.Word(entry + type_name));
    if (name_address == 0) break;
    ASSIGN_OR_RETURN(std::string name, memory.Name(name_address));
    ASSIGN_OR_RETURN(const uint64_t size, memory.Word(entry + type_size));
    tables.sizes_.emplace(std::move(name), size);
  }
  return tables;
}

std::optional<uint64_t> HotSpotTables::Field(absl::string_view name) const {
  const auto found = fields_.find(name);
  return found == fields_.end() ? std::nullopt : std::optional<uint64_t>(found->second);
}

std::optional<uint64_t> HotSpotTables::SizeOf(absl::string_view type) const {
  const auto found = sizes_.find(type);
  return found == sizes_.end() ? std::nullopt : std::optional<uint64_t>(found->second);
}

}  // namespace pilotlight::agent
