#include "base/flags.h"

#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/man_page.h"
#include "base/version.h"

namespace pilotlight {
namespace {

std::optional<uint64_t> ParseSizeText(const std::string& text) {
  struct Unit {
    absl::string_view suffix;
    uint64_t bytes;
  };
  // The longer suffixes first: "B" ends all of them.
  constexpr Unit kUnits[] = {{"KiB", uint64_t{1} << 10},
                             {"MiB", uint64_t{1} << 20},
                             {"GiB", uint64_t{1} << 30},
                             {"TiB", uint64_t{1} << 40},
                             {"kB", 1000},
                             {"MB", 1000000},
                             {"GB", 1000000000},
                             {"TB", 1000000000000},
                             {"B", 1}};
  absl::string_view number = text;
  uint64_t unit = 1;
  for (const Unit& candidate : kUnits) {
    if (absl::ConsumeSuffix(&number, candidate.suffix)) {
      unit = candidate.bytes;
      break;
    }
  }
  uint64_t value = 0;
  if (!absl::SimpleAtoi(number, &value) || __builtin_mul_overflow(value, unit, &value)) return std::nullopt;
  return value;
}

std::string SizeText(uint64_t bytes) {
  if (bytes != 0 && bytes % (uint64_t{1} << 30) == 0) return absl::StrCat(bytes >> 30, "GiB");
  if (bytes != 0 && bytes % (uint64_t{1} << 20) == 0) return absl::StrCat(bytes >> 20, "MiB");
  return absl::StrCat(bytes);
}

}  // namespace

std::optional<absl::Duration> ParseDurationText(const std::string& text) {
  absl::string_view rest = text;
  absl::Duration days;
  if (const size_t d = rest.find('d'); d != absl::string_view::npos) {
    double count = 0;
    if (!absl::SimpleAtod(rest.substr(0, d), &count)) return std::nullopt;
    days = count * absl::Hours(24);
    rest.remove_prefix(d + 1);
    if (rest.empty()) return days < absl::ZeroDuration() ? std::nullopt : std::make_optional(days);
  }
  absl::Duration duration;
  if (!absl::ParseDuration(rest, &duration)) return std::nullopt;
  duration += days;
  if (duration < absl::ZeroDuration() || duration == absl::InfiniteDuration()) return std::nullopt;
  return duration;
}

std::optional<int> ParseFlags(CLI::App& app, int argc, const char* const* argv) {
  app.set_version_flag("--version", absl::StrCat(app.get_name(), " ", kVersion));
  // Before the command line is read, as that may need a command.
  if (argc == 2 && absl::string_view(argv[1]) == "--help-man") {
    std::cout << WriteManPage(app);
    return 0;
  }
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success, std::cout, std::cerr);
  } catch (const CLI::ParseError& error) {
    std::string typed = app.get_name();
    for (const CLI::App* command : app.get_subcommands()) absl::StrAppend(&typed, " ", command->get_name());
    std::cerr << typed << ": " << error.what() << "\nSee " << typed << " --help.\n";
    return kExitUsage;
  }
}

CLI::Option* AddDurationFlag(CLI::App& app, const std::string& name, absl::Duration& target,
                             const std::string& help) {
  return app
      .add_option_function<std::string>(
          name,
          [&target, name](const std::string& text) {
            const std::optional<absl::Duration> parsed = ParseDurationText(text);
            if (!parsed) {
              throw CLI::ValidationError(
                  name, absl::StrCat("\"", text, "\" is not a duration; write it like 10s, 1m30s or 7d"));
            }
            target = *parsed;
          },
          help)
      ->type_name("DURATION")
      ->default_str(absl::FormatDuration(target));
}

CLI::Option* AddSizeFlag(CLI::App& app, const std::string& name, uint64_t& target, const std::string& help) {
  return app
      .add_option_function<std::string>(
          name,
          [&target, name](const std::string& text) {
            const std::optional<uint64_t> parsed = ParseSizeText(text);
            if (!parsed) {
              throw CLI::ValidationError(
                  name, absl::StrCat("\"", text, "\" is not a size; write it like 256MiB or 10GiB"));
            }
            target = *parsed;
          },
          help)
      ->type_name("SIZE")
      ->default_str(SizeText(target));
}

std::vector<std::string> FlagNames(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

// CLI11 appends what the checks say: "FORMAT:{table,json}".
std::string ValueName(const CLI::Option& option) {
  if (option.get_positional()) return option.get_name();
  const std::string type = option.get_type_name();
  if (option.get_type_size() == 0) return "";
  return type == "HOST:PORT" ? type : type.substr(0, type.find(':'));
}

std::vector<std::string> Choices(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t begin = type.find(":{");
  const size_t end = type.find('}', begin == std::string::npos ? 0 : begin);
  if (begin == std::string::npos || end == std::string::npos) return {};
  return absl::StrSplit(type.substr(begin + 2, end - begin - 2), ',');
}

void AddLoggingFlags(CLI::App& app, LoggingFlags& flags) {
  app.add_option("--log.level", flags.level, "Least severity that is logged")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  app.add_option("--log.format", flags.format, "How log lines look")
      ->check(CLI::IsMember({"logfmt", "json"}))
      ->capture_default_str();
}

}  // namespace pilotlight
