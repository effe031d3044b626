// The manual page of a program, from what it tells CLI11 of itself.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace pilotlight {

// In the macros of man(7), section 1: flags, and all commands with theirs and their examples. In UTF-8.
std::string WriteManPage(const CLI::App& app);

}  // namespace pilotlight
