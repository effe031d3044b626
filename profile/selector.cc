#include "profile/selector.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace pilotlight {

std::string QuoteForSelector(absl::string_view text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}}), "\"");
}

}  // namespace pilotlight
