// How to get from a function's frame to its caller's.
#pragma once

#include <cstdint>
#include <utility>

namespace pilotlight {

// Of the CFA, the canonical frame address: the stack pointer before the call instruction pushed anything
// (DWARF 5, section 6.4).
enum class CfaRule : uint8_t {
  kUnknown = 0,            // nothing is known of this place
  kOutermost,              // there is no caller
  kStackPointer,           // sp + offset
  kFramePointer,           // fp + offset
  kAtStackPointer,         // *(sp + offset) + addend
  kAtFramePointer,         // *(fp + offset) + addend
  kPlt,                    // sp + 8 before the second push of a PLT entry, 16 from its 11th byte on; x86-64
  kSignalFrame,            // the interrupted registers lie at sp: the kernel's rt_sigframe
  kFrameChain,             // the code keeps frame pointers: {caller's fp, return address} at fp
  kFrameChainUnconfirmed,  // perhaps: nothing describes the code
};

// Where the caller's frame pointer is.
enum class FpRule : uint8_t {
  kSame = 0,        // in its register
  kAtCfa,           // *(CFA + fp_offset)
  kAtFramePointer,  // *(fp + fp_offset)
};

struct UnwindRule {
  CfaRule cfa = CfaRule::kUnknown;
  FpRule fp = FpRule::kSame;
  int16_t cfa_addend = 0;
  int32_t cfa_offset = 0;
  int32_t fp_offset = 0;
  // The return address is at CFA + ra_offset; 0 says that it is still in the link register, which x86-64 does
  // not have.
  int32_t ra_offset = 0;

  friend bool operator==(const UnwindRule&, const UnwindRule&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const UnwindRule& rule) {
    return H::combine(std::move(h), rule.cfa, rule.fp, rule.fp_offset, rule.cfa_offset, rule.cfa_addend,
                      rule.ra_offset);
  }
};
static_assert(sizeof(UnwindRule) == 16);

}  // namespace pilotlight
