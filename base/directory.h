// What a directory holds.
#pragma once

#include <string>
#include <vector>

namespace pilotlight {

// The names in it, in no order, without "." and ".."; empty when it cannot be read.
std::vector<std::string> ListDirectory(const std::string& path);

}  // namespace pilotlight
