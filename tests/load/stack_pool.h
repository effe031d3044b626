// The stacks that a made-up program can be in: a tree like a real program's, the same for the same seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "profile/stack_trie.h"

namespace pilotlight::load {

// Cheap, and the same everywhere: what the distributions of <random> draw differs between libraries.
class Random {  // splitmix64, https://prng.di.unimi.it/splitmix64.c
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // Biased by less than below / 2^32.
  size_t Below(size_t below) { return static_cast<size_t>(((Next() >> 32) * below) >> 32); }

 private:
  uint64_t state_;
};

struct StackPoolOptions {
  size_t stacks = 2000;
  size_t min_depth = 20;
  size_t max_depth = 40;
};

// Adds the stacks of `program`; the nodes ascend. Each stack leaves an earlier one somewhere in its second
// half; half of its functions are of libraries, which all programs have in common.
std::vector<NodeId> AddStackPool(const StackPoolOptions& options, const std::string& program, uint64_t seed,
                                 StackTrie& trie);

}  // namespace pilotlight::load
