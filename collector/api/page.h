// Serves the page that people open in a browser.
#pragma once

#include "absl/types/span.h"
#include "base/http_server.h"
#include "web/page_files.h"

namespace pilotlight::collector {

// What `files` view must outlive the server. REQUIRES: before its Start().
void AddPage(absl::Span<const PageFile> files, HttpServer& server);

}  // namespace pilotlight::collector
