#include "exporters/label_name.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace pilotlight {

std::string ToLabelName(absl::string_view text) {
  std::string name(text);
  std::ranges::replace_if(
      name, [](char c) { return !absl::ascii_isalnum(static_cast<unsigned char>(c)); }, '_');
  const size_t underscores = std::min(name.find_first_not_of('_'), name.size());
  if (underscores > 1) name.erase(0, underscores - 1);
  if (!name.empty() && absl::ascii_isdigit(static_cast<unsigned char>(name[0]))) name.insert(0, 1, '_');
  return name;
}

bool IsValidLabelName(absl::string_view name) {
  if (name.empty() || absl::ascii_isdigit(static_cast<unsigned char>(name[0]))) return false;
  if (absl::StartsWith(name, "__")) return false;
  for (const char c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_') return false;
  }
  return true;
}

}  // namespace pilotlight
