#include "collector/store/embedded/open_spans.h"

#include <limits>
#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "collector/store/embedded/rocks_status.h"

namespace pilotlight::collector {

absl::Status OpenSpans::Load(rocksdb::DB& rocks) {
  absl::btree_map<SpanKey, State> spans;
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
  for (const Level level : kSummedLevels) {
    const auto first = spans_.lower_bound({level, 0, 0});
    if (first == spans_.end() || first->first.level != level) continue;
    starts[static_cast<size_t>(level)] = first->first.start_unix_ns;
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

std::vector<OpenSpans::OpenSpan> OpenSpans::Find(Level level, const std::optional<SpanKey>& after,
                                                 absl::FunctionRef<bool(const OpenSpan&)> wanted,
                                                 size_t max) const {
  std::vector<OpenSpan> found;
  const MutexLock lock(mutex_);
  auto entry = after ? spans_.upper_bound(*after) : spans_.lower_bound({level, 0, 0});
  for (; entry != spans_.end() && entry->first.level == level && found.size() < max; ++entry) {
    const OpenSpan span = {entry->first, entry->second.touches, entry->second.last_touch};
    if (wanted(span)) found.push_back(span);
  }
  return found;
}

std::vector<SpanKey> OpenSpans::Before(Level level, uint64_t start_ns) const {
  std::vector<SpanKey> before;
  const MutexLock lock(mutex_);
  const auto end = spans_.lower_bound({level, start_ns, 0});
  for (auto entry = spans_.lower_bound({level, 0, 0}); entry != end; ++entry) before.push_back(entry->first);
  return before;
}

bool OpenSpans::ContainsAnyService(Level level, uint64_t start_ns) const {
  const MutexLock lock(mutex_);
  const auto first = spans_.lower_bound({level, start_ns, 0});
  return first != spans_.end() && first->first < SpanKey{level, start_ns, kAllAggregates};
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
