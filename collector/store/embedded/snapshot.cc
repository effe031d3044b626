#include "collector/store/embedded/snapshot.h"

#include <cstdint>
#include <filesystem>
#include <random>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace pilotlight::collector {
namespace {

std::string NameOf(absl::Time now) {
  std::random_device random;
  const uint64_t number = uint64_t{random()} << 32 | random();
  return absl::StrCat(absl::FormatTime("%Y%m%dT%H%M%SZ", now, absl::UTCTimeZone()), "-",
                      absl::Hex(number, absl::kZeroPad16));
}

}  // namespace

absl::StatusOr<std::string> TakeSnapshot(const std::string& storage_path, absl::Time now,
                                         const std::function<absl::Status(const std::string& path)>& copy) {
  std::error_code error;
  // RocksDB wants it absolute.
  const std::filesystem::path directory = std::filesystem::absolute(storage_path, error) / "snapshots";
  if (error) return absl::UnavailableError(absl::StrCat(storage_path, ": ", error.message()));
  RETURN_IF_ERROR(MakeDirectories(directory.string()));
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    std::error_code ignored;  // a name that is taken does not come up again
    if (entry.path().extension() == ".tmp") std::filesystem::remove_all(entry.path(), ignored);
  }
  std::string name = NameOf(now);
  const std::filesystem::path made = directory / (name + ".made.tmp");
  if (absl::Status copied = copy(made.string()); !copied.ok()) {
    std::error_code ignored;  // the next one removes it
    std::filesystem::remove_all(made, ignored);
    return copied;
  }
  RETURN_IF_ERROR(RenameDurably(made.string(), (directory / name).string()));
  return name;
}

}  // namespace pilotlight::collector
