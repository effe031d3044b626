#include "cli/source_files.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace pilotlight::cli {
namespace {

bool IsFile(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

absl::StatusOr<SourceFile> ReadLines(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return SourceFile{.path = path, .lines = absl::StrSplit(text, '\n')};
}

}  // namespace

absl::StatusOr<SourceFile> SourceFiles::Read(absl::string_view file) const {
  if (absl::StartsWith(file, "/") && IsFile(std::string(file))) return ReadLines(std::string(file));
  for (const std::string& directory : directories_) {
    for (absl::string_view end = file; !end.empty();) {
      const std::string path = absl::StrCat(directory, absl::StartsWith(end, "/") ? "" : "/", end);
      if (IsFile(path)) return ReadLines(path);
      const size_t slash = end.find('/');
      end = slash == absl::string_view::npos ? absl::string_view() : end.substr(slash + 1);
    }
  }
  return absl::NotFoundError(absl::StrCat("no file ", file, " here"));
}

}  // namespace pilotlight::cli
