// Where results go, and in which format.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pilotlight::cli {

enum class ProfileFormat { kSvg, kFolded, kPprof, kJson, kSpeedscope, kCpuProfile, kDot };

absl::string_view FormatName(ProfileFormat format);
std::vector<std::string> FormatNames();
std::optional<ProfileFormat> ParseFormat(absl::string_view name);
// By the suffix: .svg, .folded .collapsed .txt, .pprof .pb.gz .pb .prof .pgo .gz, .json, .speedscope.json,
// .cpuprofile, .dot .gv.
std::optional<ProfileFormat> GuessFormat(absl::string_view path);

// `format` when it is given, else what the suffix of `out` says, else `otherwise`.
// InvalidArgument for an unknown format, or when nothing tells.
absl::StatusOr<ProfileFormat> ChooseFormat(absl::string_view format, absl::string_view out,
                                           std::optional<ProfileFormat> otherwise);

// FailedPrecondition when `format` on standard output would fill a terminal with what nobody can read.
absl::Status CheckFitsTerminal(ProfileFormat format, absl::string_view out);

// Writes to the file `out`, or to standard output when it is empty or "-".
absl::Status WriteOutput(absl::string_view bytes, absl::string_view out);

}  // namespace pilotlight::cli
