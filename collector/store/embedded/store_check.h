// Reads all of a store that nobody uses and says what is wrong with it; and puts right what it can.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/store/embedded/embedded_store.h"

namespace pilotlight::collector {

struct StoreCheck {
  uint64_t tables = 0;
  uint64_t table_bytes = 0;
  uint64_t blocks = 0;
  uint64_t sums_compared = 0;               // series of closed spans, with the finer records
  std::map<std::string, uint64_t> records;  // by kind: "windows", "ten minutes", …
  // How many of each kind there are: "table" (a checksum is wrong), "list" (a record beside the blocks),
  // "record" (is none of its kind), "name" (of a series or a stack, and nothing says that it was lost),
  // "block" (is not in the list of blocks), "sum" (is not that of its finer records).
  std::map<std::string, uint64_t> problems;
  std::vector<std::string> examples;  // the first of them
  // What is known to be lost, in blocks that salvage has closed. They are no problems: nothing is wrong about
  // what is left.
  uint64_t lost_names = 0;       // series in records whose stacks lack names
  uint64_t lost_finer_sums = 0;  // series of sums that have more than what is left of finer records

  bool clean() const { return problems.empty(); }
};

// `done` of `total` bytes of tables have been read; records follow.
using CheckProgress = std::function<void(uint64_t done, uint64_t total)>;

// Changes no byte. FailedPrecondition: a collector has the store open, or it is of another version; NotFound:
// there is none. Uses path and env of the options.
absl::StatusOr<StoreCheck> CheckStore(const EmbeddedStoreOptions& options, const CheckProgress& progress);

struct StoreRepair {
  StoreCheck before;
  StoreCheck after;
  bool salvaged = false;
  uint64_t deleted_records = 0;
  uint64_t closed_blocks = 0;
  uint64_t reopened_spans = 0;
};

// Until a check finds nothing: salvages corrupt tables, deletes records that cannot be read, closes blocks
// that have lost names, and opens the spans of wrong sums, so that the collector makes them anew. Errors as
// CheckStore(), and those of writing; it can be begun again.
absl::StatusOr<StoreRepair> RepairStore(const EmbeddedStoreOptions& options, const CheckProgress& progress);

}  // namespace pilotlight::collector
