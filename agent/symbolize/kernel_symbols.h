// The functions of the running kernel and its modules, from /proc/kallsyms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pilotlight::agent {

class KernelSymbols {
 public:
  struct Symbol {
    absl::string_view name;
    absl::string_view module;  // empty for the kernel proper
  };

  // PermissionDenied when the kernel hides the addresses (kernel.kptr_restrict, or no CAP_SYSLOG).
  static absl::StatusOr<KernelSymbols> Read(const std::string& path = "/proc/kallsyms");
  static absl::StatusOr<KernelSymbols> Parse(absl::string_view text);

  // The function at `address`, with an empty name when there is none.
  Symbol Find(uint64_t address) const;
  size_t size() const { return entries_.size(); }
  size_t byte_size() const { return names_.capacity() + entries_.capacity() * sizeof(Entry); }

 private:
  struct Entry {
    uint32_t offset = 0;  // of the address, from base_
    uint32_t name = 0;    // place in names_ of the name and its NUL, then the module's and its NUL
  };

  void AddLine(absl::string_view line);
  absl::Status Finish();
  absl::string_view NameAt(uint32_t place) const { return absl::string_view(names_.data() + place); }
  bool IsBetter(const Entry& a, const Entry& b) const;

  uint64_t base_ = 0;
  bool seen_text_ = false;
  std::string names_;
  std::vector<Entry> entries_;  // sorted by offset, one per address
};

}  // namespace pilotlight::agent
