#include "collector/store/embedded/embedded_stores.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/tenant_name.h"
#include "collector/store/embedded/snapshot.h"
#include "collector/store/embedded/store_memory.h"
#include "spdlog/spdlog.h"

namespace pilotlight::collector {
namespace {

std::string PathOf(const std::string& path, absl::string_view tenant) {
  return absl::StrCat(path, "/tenants/", tenant);
}

}  // namespace

absl::StatusOr<std::map<std::string, std::string>> FindTenantPaths(const std::string& path) {
  std::map<std::string, std::string> paths;
  const std::string directory = PathOf(path, "");
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (!CheckTenantName(name).ok() || name == kAnonymousTenant || !entry->is_directory(error)) {
      return absl::FailedPreconditionError(
          absl::StrCat(directory, name, " is no tenant's; take it away from there"));
    }
    paths.emplace(name, PathOf(path, name));
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return absl::UnavailableError(absl::StrCat(directory, ": ", error.message()));
  }
  return paths;
}

EmbeddedStores::EmbeddedStores(const EmbeddedStoreOptions& options, const TenantLimits& limits)
    : options_(options), limits_(limits), clock_(ClockOf(options)) {
  if (options_.memory == nullptr) options_.memory = std::make_shared<StoreMemory>(options);
}

EmbeddedStores::~EmbeddedStores() = default;

absl::StatusOr<std::unique_ptr<EmbeddedStores>> EmbeddedStores::Open(const EmbeddedStoreOptions& options,
                                                                     const TenantLimits& limits) {
  // Not make_unique: the constructor is private.
  std::unique_ptr<EmbeddedStores> stores(new EmbeddedStores(options, limits));
  ASSIGN_OR_RETURN(stores->anonymous_, EmbeddedStore::Open(stores->options_));
  ASSIGN_OR_RETURN(const auto paths, FindTenantPaths(options.path));
  for (const auto& [tenant, path] : paths) RETURN_IF_ERROR(stores->OpenTenant(tenant));
  if (paths.size() > limits.max_tenants) {
    spdlog::warn("store: there are {} tenants, and --tenants.max is {}: no more are taken", paths.size(),
                 limits.max_tenants);
  }
  return stores;
}

absl::Status EmbeddedStores::OpenTenant(const std::string& tenant) {
  EmbeddedStoreOptions options = options_;
  options.path = PathOf(options_.path, tenant);
  options.max_series = limits_.max_series;
  options.max_open_files = 32;  // of many stores
  ASSIGN_OR_RETURN(std::unique_ptr<EmbeddedStore> store, EmbeddedStore::Open(options));
  const MutexLock lock(mutex_);
  tenants_.emplace(tenant, std::move(store));
  return absl::OkStatus();
}

ProfileStore* EmbeddedStores::Find(const std::string& tenant) {
  if (tenant == kAnonymousTenant) return anonymous_.get();
  const MutexLock lock(mutex_);
  const auto found = tenants_.find(tenant);
  return found == tenants_.end() ? nullptr : found->second.get();
}

absl::StatusOr<ProfileStore*> EmbeddedStores::FindOrMake(const std::string& tenant) {
  if (ProfileStore* const store = Find(tenant)) return store;
  const MutexLock lock(opening_);
  if (ProfileStore* const store = Find(tenant)) return store;
  const size_t count = stores().size() - 1;
  if (count >= limits_.max_tenants) {
    return absl::ResourceExhaustedError(absl::StrCat("tenant \"", tenant, "\" would be one more than the ",
                                                     limits_.max_tenants,
                                                     " that the collector takes (--tenants.max)"));
  }
  RETURN_IF_ERROR(OpenTenant(tenant));
  spdlog::info("store: tenant \"{}\" is new; {} tenants", tenant, count + 1);
  return Find(tenant);
}

std::vector<std::pair<std::string, ProfileStore*>> EmbeddedStores::All() {
  std::vector<std::pair<std::string, ProfileStore*>> all;
  for (const auto& [tenant, store] : stores()) all.emplace_back(tenant, store);
  return all;
}

std::vector<std::pair<std::string, EmbeddedStore*>> EmbeddedStores::stores() {
  std::vector<std::pair<std::string, EmbeddedStore*>> all = {
      {std::string(kAnonymousTenant), anonymous_.get()}};
  const MutexLock lock(mutex_);
  for (const auto& [tenant, store] : tenants_) all.emplace_back(tenant, store.get());
  return all;
}

absl::StatusOr<std::string> EmbeddedStores::Snapshot() {
  if (takes_snapshot_.exchange(true)) {
    return absl::AbortedError("another snapshot is being made; try again when it is done");
  }
  absl::StatusOr<std::string> name = TakeSnapshot(options_.path, clock_.Now(), [this](const auto& path) {
    RETURN_IF_ERROR(anonymous_->CopyTo(path));
    for (const auto& [tenant, store] : stores()) {
      if (store == anonymous_.get()) continue;
      RETURN_IF_ERROR(MakeDirectories(PathOf(path, "")));
      RETURN_IF_ERROR(store->CopyTo(PathOf(path, tenant)));
    }
    return absl::OkStatus();
  });
  takes_snapshot_ = false;
  return name;
}

void EmbeddedStores::FreeMemory() {
  const rocksdb::WriteBufferManager& buffers = *options_.memory->write_buffers;
  const auto all = stores();
  for (size_t i = 0; i < all.size() && buffers.mutable_memtable_memory_usage() > buffers.buffer_size() / 2;
       ++i) {
    EmbeddedStore* largest = nullptr;
    uint64_t most = 0;
    for (const auto& [tenant, store] : all) {
      const uint64_t bytes = store->write_buffer_bytes();
      if (bytes <= most) continue;
      most = bytes;
      largest = store;
    }
    if (largest == nullptr) return;
    if (const absl::Status status = largest->Flush(); !status.ok()) {
      spdlog::error("store: {}", std::string(status.message()));
      return;
    }
  }
}

}  // namespace pilotlight::collector
