// A service that floods a collector with names: code made at run time with addresses in its names, pods that
// live for a moment.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace pilotlight::load {

inline constexpr char kAttackingService[] = "attacker";

struct CardinalityAttack {
  size_t stacks = 10'000'000;
  size_t label_sets = 1'000'000;
  absl::Time start;  // of the first window; the others follow within `length`
  absl::Duration length = absl::Hours(12);
};

// Over one agent's stream; returns when all windows are acknowledged. Not OK when one was refused.
absl::Status Attack(int port, const CardinalityAttack& attack);

}  // namespace pilotlight::load
