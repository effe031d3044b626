// Brings a database with corrupt files back, with all records that can still be read.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "collector/store/embedded/store_counters.h"
#include "rocksdb/db.h"
#include "rocksdb/options.h"

namespace pilotlight::collector {

// First step, on a closed database: rebuilds its list of tables from those that are whole (RocksDB's
// RepairDB) and moves the others to the subdirectory "lost".
absl::Status RepairTables(const std::string& path, const rocksdb::Options& options);

// True when the steps were begun and not ended; they may be begun again at any point.
bool SalvageWasCutOff(const std::string& path);

// Second step: stores the records of lost tables that can be read, and removes the tables; then makes what
// lists of blocks and services lack from the blocks themselves. Every record has one value for ever but for
// those of boots and of the next ids, where the greater one is kept.
absl::Status PutBackLostTables(rocksdb::DB& rocks, const std::string& path, const rocksdb::Options& options,
                               StoreCounters& counters);

}  // namespace pilotlight::collector
