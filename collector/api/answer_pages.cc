#include "collector/api/answer_pages.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"

namespace pilotlight::collector {
namespace {

absl::Status CheckSize(int32_t page_size) {
  return page_size >= 0 ? absl::OkStatus() : absl::InvalidArgumentError("page_size is negative");
}

// Keeps `size` items from `first` on, all of them for 0. Whether these are the last ones.
template <typename Item>
bool KeepItems(std::vector<Item>& items, size_t first, size_t size) {
  items.erase(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(first));
  if (size == 0 || items.size() <= size) return true;
  items.erase(items.begin() + static_cast<std::ptrdiff_t>(size), items.end());
  return false;
}

}  // namespace

absl::StatusOr<std::string> KeepPage(std::vector<std::string>& values, int32_t page_size,
                                     const std::string& page_token) {
  RETURN_IF_ERROR(CheckSize(page_size));
  const size_t first =
      page_token.empty() ? 0
                         : static_cast<size_t>(std::ranges::upper_bound(values, page_token) - values.begin());
  return KeepItems(values, first, static_cast<size_t>(page_size)) ? "" : values.back();
}

absl::StatusOr<SeriesPage> SeriesPage::Create(int32_t page_size, const std::string& page_token) {
  RETURN_IF_ERROR(CheckSize(page_size));
  SeriesPage page;
  page.size_ = static_cast<size_t>(page_size);
  if (page_token.empty()) return page;
  const std::vector<std::string> parts = absl::StrSplit(page_token, ':');
  int64_t start = 0;
  int64_t end = 0;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &start) || !absl::SimpleAtoi(parts[1], &end) ||
      start >= end || !absl::SimpleAtoi(parts[2], &page.offset_)) {
    return absl::InvalidArgumentError("page_token is not the next_page_token of an answer");
  }
  page.span_ = {absl::FromUnixNanos(start), absl::FromUnixNanos(end)};
  return page;
}

void SeriesPage::SetSpan(SelectionText& text) const {
  if (span_.start == span_.end) return;
  text.start = span_.start;
  text.end = span_.end;
}

std::string SeriesPage::Keep(SeriesAnswer& answer) const {
  const size_t first = std::min(offset_, answer.series.size());
  if (KeepItems(answer.series, first, size_)) return "";
  return absl::StrCat(absl::ToUnixNanos(answer.span.start), ":", absl::ToUnixNanos(answer.span.end), ":",
                      first + size_);
}

}  // namespace pilotlight::collector
