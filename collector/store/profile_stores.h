// The stores of a collector's tenants.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/store/profile_store.h"

namespace pilotlight::collector {

// Thread-safe. The anonymous tenant's store is always there. A store that was given out stays.
class ProfileStores {
 public:
  virtual ~ProfileStores() = default;

  // Null for a tenant that has stored nothing yet.
  virtual ProfileStore* Find(const std::string& tenant) = 0;
  // Makes one at first. ResourceExhausted when there are as many as allowed; else the store's errors.
  // REQUIRES: CheckTenantName() is OK.
  virtual absl::StatusOr<ProfileStore*> FindOrMake(const std::string& tenant) = 0;
  // By name; the anonymous one first.
  virtual std::vector<std::pair<std::string, ProfileStore*>> All() = 0;

  // Makes a copy that holds at least every window appended before, of all tenants, and returns its name.
  // Aborted while another one is made; Unimplemented where there is nothing to copy.
  virtual absl::StatusOr<std::string> Snapshot() = 0;
  // To be called every few seconds: gives back memory that waits for windows which may not come.
  virtual void FreeMemory() {}
};

}  // namespace pilotlight::collector
