// A frame's kind and marks as one number, in the records of names.
#pragma once

#include <cstdint>

#include "profile/frame.h"

namespace pilotlight::collector {

inline constexpr uint64_t kFrameKindMask = 0xf;
inline constexpr uint64_t kInlinedBit = uint64_t{1} << 4;
inline constexpr uint64_t kSymbolizedBit = uint64_t{1} << 5;

inline uint64_t FlagsOf(const Frame& frame) {
  return static_cast<uint64_t>(frame.kind) | (frame.inlined ? kInlinedBit : 0) |
         (frame.symbolized ? kSymbolizedBit : 0);
}

// False when there are no such flags.
inline bool SetFlags(uint64_t flags, Frame& frame) {
  if ((flags & ~(kFrameKindMask | kInlinedBit | kSymbolizedBit)) != 0) return false;
  if ((flags & kFrameKindMask) > static_cast<uint64_t>(FrameKind::kSynthetic)) return false;
  frame.kind = static_cast<FrameKind>(flags & kFrameKindMask);
  frame.inlined = (flags & kInlinedBit) != 0;
  frame.symbolized = (flags & kSymbolizedBit) != 0;
  return true;
}

}  // namespace pilotlight::collector
