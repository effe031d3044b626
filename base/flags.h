// Command-line flags in the style of the Prometheus projects, over CLI11, its only home with cli/.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace pilotlight {

inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

// Adds --version and reads the command line. Returns the exit code when the program should end now: 0 after
// --help and --version, and after --help-man, alone, which prints the manual page and is left out of --help;
// 2 after a wrong flag, which is explained on standard error.
std::optional<int> ParseFlags(CLI::App& app, int argc, const char* const* argv);

// "10s", "1m30s", "500ms", "7d" (a day has 24 hours); negative ones are refused. The default shown is the
// value of `target`.
CLI::Option* AddDurationFlag(CLI::App& app, const std::string& name, absl::Duration& target,
                             const std::string& help);
// "1048576", "512KiB", "256MiB", "10GiB", and kB, MB, GB in powers of ten.
CLI::Option* AddSizeFlag(CLI::App& app, const std::string& name, uint64_t& target, const std::string& help);

std::optional<absl::Duration> ParseDurationText(const std::string& text);

// Whether --help shows it, an option or a command.
template <typename Part>
bool IsShown(const Part* part) {
  return !part->get_group().empty();
}
// "-o", "--output"; none of a positional one.
std::vector<std::string> FlagNames(const CLI::Option& option);
// What stands for an option's value: "FORMAT"; empty for a flag. A positional one is its own value.
std::string ValueName(const CLI::Option& option);
// What CLI::IsMember() lets the value be; empty when it may be anything.
std::vector<std::string> Choices(const CLI::Option& option);

struct LoggingFlags {
  std::string level = "info";
  std::string format = "logfmt";
};
// Adds --log.level and --log.format.
void AddLoggingFlags(CLI::App& app, LoggingFlags& flags);

}  // namespace pilotlight
