// From addresses to frames.
#pragma once

#include <cstdint>
#include <vector>

#include "agent/targets/process_table.h"
#include "profile/stack_trie.h"

namespace pilotlight::agent {

// Interns frames in the caller's trie; ids are meaningful for that trie alone, so one Symbolizer may serve
// several. Called by one thread at a time.
class Symbolizer {
 public:
  virtual ~Symbolizer() = default;

  // Appends the frames at `address`, the innermost inlined function first, at least one.
  // `is_return_address`: the instruction of interest is the one before.
  // What cannot be named becomes "app+0x1234" (file name and address in the file, as in its ELF headers)
  // or "[unknown]" when no mapping holds the address.
  virtual void SymbolizeUser(const Process& process, uint64_t address, bool is_return_address,
                             StackTrie& trie, std::vector<FrameId>& frames) = 0;
  // The code at `address` is Go's and has no frame there: where it returns to is on the top of the stack.
  virtual bool IsFrameless(const Process& /*process*/, uint64_t /*address*/) { return false; }
  virtual void SymbolizeKernel(uint64_t address, bool is_return_address, StackTrie& trie,
                               std::vector<FrameId>& frames) = 0;
};

}  // namespace pilotlight::agent
