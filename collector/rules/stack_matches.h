// Which rules a stack matches: each stack and each frame is matched once, however many windows it comes in.
#pragma once

#include <prometheus/counter.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"
#include "profile/stack_trie.h"

namespace re2 {
class RE2;
}

namespace pilotlight::collector {

// A bit for each rule.
struct RuleBits {
  uint64_t focus = 0;
  uint64_t ignore = 0;

  RuleBits& operator|=(const RuleBits& other) {
    focus |= other.focus;
    ignore |= other.ignore;
    return *this;
  }
};

// Thread-safe. Remembers stacks and frames by their hashes, up to a limit in bytes; a full shard is emptied,
// which `resets` counts.
class StackMatches {
 public:
  // One entry for each rule, null for an expression that is not given.
  struct Expressions {
    std::unique_ptr<re2::RE2> focus;
    std::unique_ptr<re2::RE2> ignore;
  };
  StackMatches(std::vector<Expressions> expressions, prometheus::Counter& resets,
               size_t max_bytes = size_t{16} << 20);
  ~StackMatches();

  // The rules that some frame of the node's stack matches.
  RuleBits Match(const StackTable& stacks, NodeId node);

 private:
  class Known {
   public:
    static constexpr size_t kShards = 16;

    // `match` is called when the hash is not known.
    RuleBits Find(uint64_t hash, size_t max_entries, prometheus::Counter& resets,
                  const std::function<RuleBits()>& match);

   private:
    struct Shard {
      Mutex mutex;
      absl::flat_hash_map<uint64_t, RuleBits> bits ABSL_GUARDED_BY(mutex);
    };
    std::array<Shard, kShards> shards_;
  };

  RuleBits MatchFrame(const StackTable& stacks, FrameId frame);

  const std::vector<Expressions> expressions_;
  prometheus::Counter& resets_;
  const size_t max_entries_;  // of a shard
  Known stacks_;
  Known frames_;
};

}  // namespace pilotlight::collector
