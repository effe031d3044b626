// The source files that profiles name, as they are on this machine.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pilotlight::cli {

struct SourceFile {
  std::string path;
  std::vector<std::string> lines;
};

class SourceFiles {
 public:
  explicit SourceFiles(std::vector<std::string> directories) : directories_(std::move(directories)) {}

  // `file` itself when its path is absolute, else the longest end of it that the first of the directories
  // has: for /build/shop/cart/cart.go that is shop/cart/cart.go, then cart/cart.go, then cart.go. NotFound
  // when there is none.
  absl::StatusOr<SourceFile> Read(absl::string_view file) const;

 private:
  const std::vector<std::string> directories_;
};

}  // namespace pilotlight::cli
