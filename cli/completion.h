// Completion of the command line, as scripts for shells, from what the program tells CLI11 of itself.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace pilotlight::cli {

// `shell` is bash, zsh or fish. Completes commands, flags, their choices, files, and services of the
// collector.
std::string WriteCompletion(const CLI::App& app, const std::string& shell);

}  // namespace pilotlight::cli
