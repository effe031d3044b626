// The names that a JIT compiler has written down for its code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace pilotlight::agent {

// The text of /tmp/perf-PID.map: a line for each function, "START SIZE NAME", both numbers hexadecimal
// (Linux, tools/perf/Documentation/jit-interface.txt). Code that took the place of other code comes later.
class PerfMap {
 public:
  // More text; whole lines are taken, the rest is left for the next time. Lines that are not understood are
  // left out and counted. Returns the bytes taken.
  size_t Append(absl::string_view text);

  static constexpr size_t kMaxNameBytes = 1024;
  // One function, to be found after Sort(). Without a name or code it is left out and counted, as a line is.
  void Add(uint64_t start, uint64_t bytes, absl::string_view name);
  void Sort();

  // The function that holds `address`; empty when there is none. Valid until more is added.
  absl::string_view Find(uint64_t address) const;

  size_t size() const { return functions_.size(); }
  uint64_t broken_lines() const { return broken_lines_; }
  size_t byte_size() const { return functions_.capacity() * sizeof(Function) + names_.capacity(); }

 private:
  struct Function {
    uint64_t start = 0;
    uint32_t bytes = 0;
    uint32_t name = 0;  // offset of its length, two bytes, in names_
    uint64_t number = 0;
  };

  std::vector<Function> functions_;  // sorted by start, then by number
  size_t sorted_ = 0;                // so many of them; the others were added since
  std::string names_;
  uint64_t added_ = 0;
  uint64_t broken_lines_ = 0;
};

}  // namespace pilotlight::agent
