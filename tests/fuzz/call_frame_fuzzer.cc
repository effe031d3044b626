// A section of call frame information of any content is refused or read, in little time, and its rules are in
// order. The first byte chooses the machine and the kind of section.
#include <elf.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/check.h"
#include "objfile/call_frame_info.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint16_t machine = (data[0] & 1) != 0 ? EM_AARCH64 : EM_X86_64;
  std::optional<uint64_t> last;
  pilotlight::UnwindRule last_rule;
  const auto stats =
      pilotlight::ReadCallFrames({.bytes = std::string(reinterpret_cast<const char*>(data) + 1, size - 1),
                                  .vaddr = 0x1000,
                                  .is_eh_frame = (data[0] & 2) == 0},
                                 machine, [&](uint64_t address, const pilotlight::UnwindRule& rule) {
                                   CHECK(!last.has_value() || address > *last);
                                   CHECK(rule != last_rule);
                                   last = address;
                                   last_rule = rule;
                                 });
  if (stats.ok() && last.has_value()) CHECK(last_rule == pilotlight::UnwindRule{});
  return 0;
}
