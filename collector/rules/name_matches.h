// Which rules a function's name matches: each name is matched once, however many windows it comes in.
#pragma once

#include <prometheus/counter.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"

namespace re2 {
class RE2;
}

namespace pilotlight::collector {

// A bit for each rule.
struct RuleBits {
  uint64_t focus = 0;
  uint64_t ignore = 0;
};

// Thread-safe. Remembers names up to a limit in bytes; a full shard is emptied, which `resets` counts.
class NameMatches {
 public:
  // One entry for each rule, null for an expression that is not given.
  struct Expressions {
    std::unique_ptr<re2::RE2> focus;
    std::unique_ptr<re2::RE2> ignore;
  };
  NameMatches(std::vector<Expressions> expressions, prometheus::Counter& resets,
              size_t max_bytes = size_t{16} << 20);
  ~NameMatches();

  RuleBits Match(absl::string_view function);

 private:
  struct Shard {
    Mutex mutex;
    absl::flat_hash_map<std::string, RuleBits> known ABSL_GUARDED_BY(mutex);
    size_t bytes ABSL_GUARDED_BY(mutex) = 0;
  };
  static constexpr size_t kShards = 16;

  const std::vector<Expressions> expressions_;
  prometheus::Counter& resets_;
  const size_t max_shard_bytes_;
  std::array<Shard, kShards> shards_;
};

}  // namespace pilotlight::collector
