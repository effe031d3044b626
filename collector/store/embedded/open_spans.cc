#include "collector/store/embedded/open_spans.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "collector/store/embedded/rocks_status.h"

namespace pilotlight::collector {

absl::Status OpenSpans::Load(rocksdb::DB& rocks) {
  absl::flat_hash_map<SpanKey, State> spans;
  const std::string prefix = OpenSpanPrefix();
  const std::unique_ptr<rocksdb::Iterator> records(rocks.NewIterator(rocksdb::ReadOptions()));
  for (records->Seek(prefix); records->Valid() && records->key().starts_with(prefix); records->Next()) {
    const auto span = ParseOpenSpanKey(ToView(records->key()).substr(prefix.size()));
    if (!span) return absl::DataLossError("the record of an open span is broken");
    spans[*span] = {};
  }
  RETURN_IF_ERROR(ToStatus(records->status(), "reading the open spans"));
  const MutexLock lock(mutex_);
  // A window whose write seemed to fail may be there after all.
  ++touches_;
  for (auto& [span, state] : spans) state.touches = touches_;
  spans_ = std::move(spans);
  return absl::OkStatus();
}

bool OpenSpans::Contains(const SpanKey& span) const {
  const MutexLock lock(mutex_);
  return spans_.contains(span);
}

std::array<uint64_t, 4> OpenSpans::EarliestStarts() const {
  std::array<uint64_t, 4> starts{};
  starts.fill(std::numeric_limits<uint64_t>::max());
  const MutexLock lock(mutex_);
  for (const auto& [span, state] : spans_) {
    uint64_t& start = starts[static_cast<size_t>(span.level)];
    start = std::min(start, span.start_unix_ns);
  }
  return starts;
}

void OpenSpans::Touch(uint64_t start_ns, uint32_t service, absl::Time now, rocksdb::WriteBatch& batch) {
  const MutexLock lock(mutex_);
  for (const uint32_t id : {service, kAllAggregates}) {
    for (const Level level : kSummedLevels) {
      const SpanKey span = {level, SpanStart(level, start_ns), id};
      const auto [entry, opened] = spans_.try_emplace(span);
      State& state = entry->second;
      if (opened || state.is_closing) batch.Put(OpenSpanKey(span), rocksdb::Slice());
      state.touches = ++touches_;
      state.last_touch = now;
      state.is_closing = false;
    }
  }
}

std::vector<OpenSpans::OpenSpan> OpenSpans::All() const {
  std::vector<OpenSpan> all;
  {
    const MutexLock lock(mutex_);
    all.reserve(spans_.size());
    for (const auto& [key, state] : spans_) all.push_back({key, state.touches, state.last_touch});
  }
  std::ranges::sort(all, {}, &OpenSpan::key);
  return all;
}

bool OpenSpans::Unchanged(const OpenSpan& span) const {
  const MutexLock lock(mutex_);
  const auto found = spans_.find(span.key);
  return found != spans_.end() && found->second.touches == span.touches;
}

void OpenSpans::BeginClosing(const SpanKey& span, rocksdb::WriteBatch& batch) {
  batch.Delete(OpenSpanKey(span));
  const MutexLock lock(mutex_);
  if (const auto found = spans_.find(span); found != spans_.end()) found->second.is_closing = true;
}

void OpenSpans::Close(const SpanKey& span) {
  const MutexLock lock(mutex_);
  const auto found = spans_.find(span);
  if (found != spans_.end() && found->second.is_closing) spans_.erase(found);
}

size_t OpenSpans::size() const {
  const MutexLock lock(mutex_);
  return spans_.size();
}

}  // namespace pilotlight::collector
