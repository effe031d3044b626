// The stores of all tenants below one storage path, which is the anonymous tenant's; NAME's is in
// tenants/NAME.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "collector/store/embedded/embedded_store.h"
#include "collector/store/profile_stores.h"

namespace pilotlight::collector {

struct TenantLimits {
  size_t max_tenants = 100;     // beside the anonymous one; those that are there already stay
  size_t max_series = 100'000;  // EmbeddedStoreOptions::max_series of each but the anonymous one
};

// All stay open. They share their memory (store_memory.h).
class EmbeddedStores final : public ProfileStores {
 public:
  // Opens all that are there. Errors as EmbeddedStore::Open(), of the first that cannot be opened.
  static absl::StatusOr<std::unique_ptr<EmbeddedStores>> Open(const EmbeddedStoreOptions& options,
                                                              const TenantLimits& limits = {});
  ~EmbeddedStores() override;

  ProfileStore* Find(const std::string& tenant) override;
  absl::StatusOr<ProfileStore*> FindOrMake(const std::string& tenant) override;
  std::vector<std::pair<std::string, ProfileStore*>> All() override;
  // In the directory "snapshots" of the storage path; each is a storage path itself, with all tenants.
  absl::StatusOr<std::string> Snapshot() override;
  void FreeMemory() override;

  EmbeddedStore& anonymous() { return *anonymous_; }
  std::vector<std::pair<std::string, EmbeddedStore*>> stores();

 private:
  EmbeddedStores(const EmbeddedStoreOptions& options, const TenantLimits& limits);
  absl::Status OpenTenant(const std::string& tenant);

  EmbeddedStoreOptions options_;
  const TenantLimits limits_;
  const Clock& clock_;
  std::unique_ptr<EmbeddedStore> anonymous_;
  std::atomic<bool> takes_snapshot_{false};
  Mutex opening_;  // one at a time, as it takes a while; taken before mutex_
  Mutex mutex_;
  std::map<std::string, std::unique_ptr<EmbeddedStore>> tenants_ ABSL_GUARDED_BY(mutex_);
};

// The storage paths of the tenants below a storage path, by their names; empty where there are none.
// The anonymous one's, which is `path`, is left out.
absl::StatusOr<std::map<std::string, std::string>> FindTenantPaths(const std::string& path);

}  // namespace pilotlight::collector
