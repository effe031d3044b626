// The kernel gives all processes the same vDSO, so our own stands for theirs.
#pragma once

#include <string>

namespace pilotlight::agent {

// A copy of its ELF image; empty when there is none.
std::string ReadVdso();

}  // namespace pilotlight::agent
