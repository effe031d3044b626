#include "cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/terminal.h"

namespace pilotlight::cli {
namespace {

struct NamedFormat {
  absl::string_view name;
  ProfileFormat format;
};
constexpr NamedFormat kFormats[] = {{"svg", ProfileFormat::kSvg},
                                    {"folded", ProfileFormat::kFolded},
                                    {"pprof", ProfileFormat::kPprof},
                                    {"json", ProfileFormat::kJson},
                                    {"speedscope", ProfileFormat::kSpeedscope},
                                    {"cpuprofile", ProfileFormat::kCpuProfile},
                                    {"dot", ProfileFormat::kDot}};

constexpr NamedFormat kSuffixes[] = {
    {".speedscope.json", ProfileFormat::kSpeedscope},  // before .json
    {".cpuprofile", ProfileFormat::kCpuProfile},
    {".dot", ProfileFormat::kDot},
    {".gv", ProfileFormat::kDot},
    {".svg", ProfileFormat::kSvg},
    {".folded", ProfileFormat::kFolded},
    {".collapsed", ProfileFormat::kFolded},
    {".txt", ProfileFormat::kFolded},
    {".pprof", ProfileFormat::kPprof},
    {".pb.gz", ProfileFormat::kPprof},
    {".pb", ProfileFormat::kPprof},
    {".prof", ProfileFormat::kPprof},
    {".pgo", ProfileFormat::kPprof},
    {".gz", ProfileFormat::kPprof},
    {".json", ProfileFormat::kJson},
};

bool IsStandardOutput(absl::string_view out) { return out.empty() || out == "-"; }

}  // namespace

absl::string_view FormatName(ProfileFormat format) {
  for (const NamedFormat& known : kFormats) {
    if (known.format == format) return known.name;
  }
  return "";
}

std::vector<std::string> FormatNames() {
  std::vector<std::string> names;
  for (const NamedFormat& known : kFormats) names.emplace_back(known.name);
  return names;
}

std::optional<ProfileFormat> ParseFormat(absl::string_view name) {
  for (const NamedFormat& known : kFormats) {
    if (known.name == name) return known.format;
  }
  return std::nullopt;
}

std::optional<ProfileFormat> GuessFormat(absl::string_view path) {
  for (const NamedFormat& known : kSuffixes) {
    if (absl::EndsWithIgnoreCase(path, known.name)) return known.format;
  }
  return std::nullopt;
}

absl::StatusOr<ProfileFormat> ChooseFormat(absl::string_view format, absl::string_view out,
                                           std::optional<ProfileFormat> otherwise) {
  if (!format.empty()) {
    const std::optional<ProfileFormat> named = ParseFormat(format);
    if (named) return *named;
    return absl::InvalidArgumentError(
        absl::StrCat("-o ", format,
                     " is not a format; there are svg, folded, pprof, json, speedscope, cpuprofile and dot"));
  }
  if (!IsStandardOutput(out)) {
    const std::optional<ProfileFormat> guessed = GuessFormat(out);
    if (guessed) return *guessed;
    return absl::InvalidArgumentError(absl::StrCat(
        "the name ", out, " does not tell the format; add -o svg, -o folded, -o pprof or -o json"));
  }
  if (otherwise) return *otherwise;
  return absl::InvalidArgumentError("which format? Add -o svg, -o folded, -o pprof or -o json");
}

absl::Status CheckFitsTerminal(ProfileFormat format, absl::string_view out) {
  if (!IsStandardOutput(out) || !IsTerminal(STDOUT_FILENO)) return absl::OkStatus();
  if (format == ProfileFormat::kPprof) {
    return absl::FailedPreconditionError(
        "a pprof file is binary and does not belong on a terminal; add --out profile.pb.gz");
  }
  if (format == ProfileFormat::kSvg) {
    return absl::FailedPreconditionError(
        "an SVG picture cannot be read on a terminal; add --out flame.svg, or -o folded for text");
  }
  return absl::OkStatus();
}

absl::Status WriteOutput(absl::string_view bytes, absl::string_view out) {
  if (!IsStandardOutput(out)) {
    // In place, not renamed over: `out` may be a pipe or a device.
    const std::string path(out);
    std::FILE* const file = std::fopen(path.c_str(), "we");
    if (file == nullptr) return absl::ErrnoToStatus(errno, path);
    const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
    const int write_errno = errno;
    if (std::fclose(file) != 0 || !written) return absl::ErrnoToStatus(written ? errno : write_errno, path);
    return absl::OkStatus();
  }
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() || std::fflush(stdout) != 0) {
    return absl::ErrnoToStatus(errno, "standard output");
  }
  return absl::OkStatus();
}

}  // namespace pilotlight::cli
