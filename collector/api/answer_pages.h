// Answers in pages (proto/pilotlight/v1/query.proto, https://google.aip.dev/158). The tokens carry all that
// the next page needs, so nothing is kept between pages.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/query/query_engine.h"
#include "collector/query/selection.h"

namespace pilotlight::collector {

// Keeps the page of the sorted `values` and returns the token of the next one, empty after the last.
// InvalidArgument for a negative size.
absl::StatusOr<std::string> KeepPage(std::vector<std::string>& values, int32_t page_size,
                                     const std::string& page_token);

// A page of series begins with series `offset` of those in the span of the first page.
class SeriesPage {
 public:
  // InvalidArgument for a negative size, or a token that no answer had.
  static absl::StatusOr<SeriesPage> Create(int32_t page_size, const std::string& page_token);

  // Before the question is asked: in the span of the first page.
  void SetSpan(SelectionText& text) const;
  // As KeepPage() of values.
  std::string Keep(SeriesAnswer& answer) const;

 private:
  size_t size_ = 0;  // 0: all
  size_t offset_ = 0;
  TimeSpan span_;  // empty: that of the question
};

}  // namespace pilotlight::collector
