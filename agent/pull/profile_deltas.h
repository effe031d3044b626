// What has happened since the last look, of profiles that only grow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "profile/profile.h"

namespace pilotlight::agent {

// Remembers each source's last profile, as sums by a hash of the stack. Not thread-safe.
class ProfileDeltas {
 public:
  // One whose stacks find no room beside the others' is not remembered, and gives nothing.
  explicit ProfileDeltas(size_t max_stacks = 200'000) : max_stacks_(max_stacks) {}

  // `now` less the last one of the same source; nothing for the first. Stacks that did not grow are left out.
  std::optional<Profile> Since(const std::string& source, Profile now);
  // Forgets the sources that were not asked for since the last call.
  void EndRound();
  size_t stacks() const { return stacks_; }

 private:
  using Sums = absl::flat_hash_map<uint64_t, std::pair<uint64_t, int64_t>>;  // count and value, by the stack
  struct Last {
    Sums sums;
    bool used = false;
  };

  const size_t max_stacks_;
  size_t stacks_ = 0;
  absl::flat_hash_map<std::string, Last> last_;
};

}  // namespace pilotlight::agent
