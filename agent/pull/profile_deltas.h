// What has happened since the last look, of profiles that only grow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "profile/profile.h"

namespace pilotlight::agent {

// Remembers the last profile of each owner and type, as sums by a hash of the stack. Not thread-safe.
class ProfileDeltas {
 public:
  // One whose stacks find no room beside the others' is not remembered, and gives nothing.
  explicit ProfileDeltas(size_t max_stacks = 200'000) : max_stacks_(max_stacks) {}

  // `now` less the last one of the same owner and type; nothing for the first. Stacks that did not grow are
  // left out.
  std::optional<Profile> Since(const std::string& owner, Profile now);
  // Forgets all other owners.
  void Retain(const absl::flat_hash_set<std::string>& owners);
  size_t stacks() const { return stacks_; }

 private:
  using Sums = absl::flat_hash_map<uint64_t, std::pair<uint64_t, int64_t>>;  // count and value, by the stack
  const size_t max_stacks_;
  size_t stacks_ = 0;
  std::map<std::pair<std::string, ProfileType>, Sums> last_;
};

}  // namespace pilotlight::agent
