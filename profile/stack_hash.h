// What a string, a frame and a stack are called where no numbers reach: equal ones hash equally in every
// process and on every machine, so the hashes may be stored. XXH3, 64 bits: that two stacks of ten million
// have the same hash has a chance of 3 in a million.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "profile/frame.h"

namespace pilotlight {

inline constexpr uint64_t kRootStackHash = 0;

uint64_t HashString(absl::string_view text);
// Of every field.
uint64_t HashFrame(const FrameView& frame);
// Of the stack with one more frame.
uint64_t HashStack(uint64_t caller_stack_hash, uint64_t frame_hash);

}  // namespace pilotlight
