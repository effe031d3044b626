// What HotSpot tells debuggers of its own structures: the tables of its vmStructs.cpp. They are foreign
// bytes; what is read of them is bounded.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pilotlight::agent {

// Variables of libjvm.so, by which the tables are read.
inline constexpr std::array<absl::string_view, 11> kHotSpotSymbols = {
    "gHotSpotVMStructs",
    "gHotSpotVMStructEntryArrayStride",
    "gHotSpotVMStructEntryTypeNameOffset",
    "gHotSpotVMStructEntryFieldNameOffset",
    "gHotSpotVMStructEntryIsStaticOffset",
    "gHotSpotVMStructEntryOffsetOffset",
    "gHotSpotVMStructEntryAddressOffset",
    "gHotSpotVMTypes",
    "gHotSpotVMTypeEntryArrayStride",
    "gHotSpotVMTypeEntryTypeNameOffset",
    "gHotSpotVMTypeEntrySizeOffset",
};

// The addresses of those in a process.
using HotSpotSymbols = std::array<uint64_t, kHotSpotSymbols.size()>;

// At most so many bytes from an address on: fewer when what follows is not mapped.
using MemoryReader = absl::FunctionRef<absl::StatusOr<std::string>(uint64_t address, size_t size)>;

class HotSpotTables {
 public:
  // Unavailable when they are not there yet; else errors of `read`.
  static absl::StatusOr<HotSpotTables> Read(const HotSpotSymbols& symbols, MemoryReader read);

  // Of "Type::field": its offset in bytes, or its address when it is static.
  std::optional<uint64_t> Field(absl::string_view name) const;
  // In bytes.
  std::optional<uint64_t> SizeOf(absl::string_view type) const;

 private:
  absl::flat_hash_map<std::string, uint64_t> fields_;
  absl::flat_hash_map<std::string, uint64_t> sizes_;
};

}  // namespace pilotlight::agent
