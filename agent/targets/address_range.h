#pragma once

#include <cstdint>

namespace pilotlight::agent {

// Addresses in a process, `end` exclusive.
struct AddressRange {
  uint64_t start = 0;
  uint64_t end = 0;

  friend bool operator==(const AddressRange&, const AddressRange&) = default;
};

}  // namespace pilotlight::agent
