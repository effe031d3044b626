#include "profile/stack_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>

namespace pilotlight {

uint64_t HashString(absl::string_view text) { return XXH3_64bits(text.data(), text.size()); }

uint64_t HashFrame(const FrameView& frame) {
  const std::array<uint64_t, 4> fields = {
      HashString(frame.function), HashString(frame.file), HashString(frame.mapping),
      uint64_t{frame.line} | static_cast<uint64_t>(frame.kind) << 32 | uint64_t{frame.inlined} << 36 |
          uint64_t{frame.symbolized} << 37 | uint64_t{frame.start_line} << 40};
  return XXH3_64bits(fields.data(), sizeof(fields));
}

uint64_t HashStack(uint64_t caller_stack_hash, uint64_t frame_hash) {
  const std::array<uint64_t, 2> both = {caller_stack_hash, frame_hash};
  return XXH3_64bits(both.data(), sizeof(both));
}

}  // namespace pilotlight
