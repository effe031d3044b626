// The files of the collector's page, as web/build.mjs embeds them into the program.
#pragma once

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pilotlight {

struct PageFile {
  absl::string_view path;  // of its address
  absl::string_view content_type;
  absl::string_view etag;  // quoted; of the content
  absl::string_view gzip;  // the content, compressed
};

absl::Span<const PageFile> PageFiles();

}  // namespace pilotlight
