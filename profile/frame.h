// One line of a stack: a function, possibly inlined, and where it is in the source and in a binary.
#pragma once

#include <cstdint>
#include <tuple>

#include "absl/strings/string_view.h"

namespace pilotlight {

using StringId = uint32_t;
using FrameId = uint32_t;
using NodeId = uint32_t;

// The numbers are part of the wire format and of the store's.
enum class FrameKind : uint8_t {
  kUnknown = 0,
  kGo = 1,
  kNative = 2,
  kKernel = 3,
  kSynthetic = 4,  // made by the profiler: "[truncated]"
};

// As callers give and read it. The views live as long as what they came from.
struct FrameView {
  absl::string_view function;  // whole and demangled; "app+0x1234" when it has no name
  absl::string_view file;      // source file, empty when unknown
  absl::string_view mapping;   // file name of the binary, "[kernel]", "[vdso]", or empty
  uint32_t line = 0;           // 1-based line in `file`, 0 when unknown
  uint32_t start_line = 0;     // where the function begins, likewise
  FrameKind kind = FrameKind::kUnknown;
  bool inlined = false;     // its caller in the stack has no call instruction for it
  bool symbolized = false;  // `function` is a real name
};

// What a Frame has room for; where a function begins beyond that is not known.
inline constexpr uint32_t kMaxStartLine = (1 << 24) - 1;

// The same with the strings interned in a StackTrie.
struct Frame {
  StringId function = 0;
  StringId file = 0;
  StringId mapping = 0;
  uint32_t line = 0;
  uint32_t start_line : 24 = 0;
  FrameKind kind : 4 = FrameKind::kUnknown;
  bool inlined : 1 = false;
  bool symbolized : 1 = false;

  friend bool operator==(const Frame&, const Frame&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Frame& f) {
    return H::combine(std::move(h), f.function, f.file, f.mapping, f.line, f.start_line, f.kind, f.inlined,
                      f.symbolized);
  }
};
static_assert(sizeof(Frame) == 20);

// All of `view` but its strings.
constexpr Frame WithoutStrings(const FrameView& view) {
  return Frame{.line = view.line,
               .start_line = view.start_line > kMaxStartLine ? 0 : view.start_line & kMaxStartLine,
               .kind = view.kind,
               .inlined = view.inlined,
               .symbolized = view.symbolized};
}

}  // namespace pilotlight
