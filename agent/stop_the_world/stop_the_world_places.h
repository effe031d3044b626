// Where a Go program stops and starts the world.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "objfile/elf_file.h"

namespace pilotlight::agent {

struct StopTheWorldPlace {
  uint64_t file_offset = 0;
  uint64_t place = 0;  // PL_WORLD_… of bpf/stop_the_world_abi.h
};

// The runtime's functions, as near to their entries as the kernel executes the probed instruction itself, and
// in startTheWorldWithSema the call of wakep, which comes when all are running again. Empty when it is no Go
// program of 1.18 to 1.26 for x86-64, or one of them is not to be found.
std::vector<StopTheWorldPlace> FindStopTheWorldPlaces(const ElfFile& elf);

}  // namespace pilotlight::agent
