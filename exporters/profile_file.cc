#include "exporters/profile_file.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/gzip.h"
#include "base/status_macros.h"
#include "exporters/folded.h"
#include "exporters/perf_script.h"
#include "exporters/pprof.h"

namespace pilotlight {
namespace {

constexpr size_t kMaxBytes = size_t{256} << 20;

// A binary pprof file has control characters from its second byte on: its fields' numbers and lengths.
bool IsText(absl::string_view bytes) {
  const absl::string_view head = bytes.substr(0, 4096);
  return std::all_of(head.begin(), head.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\r' || c == '\t' || c == '\x1b';
  });
}

// Not by the name /dev/stdin, which cannot be opened when it is a socket.
absl::StatusOr<std::string> ReadStandardInput() {
  std::string bytes;
  char buffer[size_t{16} << 10];
  while (const size_t count = std::fread(buffer, 1, sizeof(buffer), stdin)) {
    bytes.append(buffer, count);
    if (bytes.size() > kMaxBytes)
      return absl::OutOfRangeError(absl::StrCat("larger than ", kMaxBytes, " bytes"));
  }
  if (std::ferror(stdin) != 0) return absl::UnavailableError("the standard input cannot be read");
  return bytes;
}

absl::StatusOr<std::vector<LabelledProfile>> ReadPerfScriptFile(absl::string_view text) {
  ASSIGN_OR_RETURN(std::vector<Profile> profiles, ReadPerfScript(text));
  return WithoutLabels(std::move(profiles));
}

absl::StatusOr<std::vector<LabelledProfile>> ReadFoldedFile(absl::string_view text) {
  ASSIGN_OR_RETURN(Profile profile, ReadFolded(text));
  std::vector<Profile> profiles;
  profiles.push_back(std::move(profile));
  return WithoutLabels(std::move(profiles));
}

absl::StatusOr<std::vector<LabelledProfile>> DetectAndRead(absl::string_view bytes) {
  if (bytes.empty() || !IsText(bytes)) return ReadLabelledPprof(bytes);
  if (LooksLikePerfScript(bytes)) return ReadPerfScriptFile(bytes);
  absl::StatusOr<std::vector<LabelledProfile>> folded = ReadFoldedFile(bytes);
  if (folded.ok()) return folded;
  // pprof's reader recognises pages and text forms that are fetched by mistake.
  return absl::Status(
      folded.status().code(),
      absl::StrCat("neither pprof (", ReadPprof(bytes).status().message(),
                   "), nor text of perf script, nor folded stacks (", folded.status().message(), ")"));
}

}  // namespace

absl::StatusOr<std::vector<LabelledProfile>> ParseLabelledProfileFile(absl::string_view bytes,
                                                                      ProfileFileFormat format) {
  std::string decompressed;
  if (IsGzip(bytes)) {
    ASSIGN_OR_RETURN(decompressed, Gunzip(bytes, kMaxBytes));
    bytes = decompressed;
  }
  switch (format) {
    case ProfileFileFormat::kAuto:
      break;
    case ProfileFileFormat::kPprof:
      return ReadLabelledPprof(bytes);
    case ProfileFileFormat::kFolded:
      return ReadFoldedFile(bytes);
    case ProfileFileFormat::kPerfScript:
      return ReadPerfScriptFile(bytes);
  }
  return DetectAndRead(bytes);
}

absl::StatusOr<std::vector<LabelledProfile>> ReadLabelledProfileFile(const std::string& path,
                                                                     ProfileFileFormat format) {
  std::string bytes;
  if (path == "-") {
    ASSIGN_OR_RETURN(bytes, ReadStandardInput());
  } else {
    ASSIGN_OR_RETURN(bytes, ReadFile(path, kMaxBytes));
  }
  absl::StatusOr<std::vector<LabelledProfile>> profiles = ParseLabelledProfileFile(bytes, format);
  if (profiles.ok()) return profiles;
  return absl::Status(profiles.status().code(), absl::StrCat(path, ": ", profiles.status().message()));
}

absl::StatusOr<std::vector<Profile>> ParseProfileFile(absl::string_view bytes, ProfileFileFormat format) {
  ASSIGN_OR_RETURN(std::vector<LabelledProfile> profiles, ParseLabelledProfileFile(bytes, format));
  return AddUpParts(std::move(profiles));
}

absl::StatusOr<std::vector<Profile>> ReadProfileFile(const std::string& path, ProfileFileFormat format) {
  ASSIGN_OR_RETURN(std::vector<LabelledProfile> profiles, ReadLabelledProfileFile(path, format));
  return AddUpParts(std::move(profiles));
}

}  // namespace pilotlight
