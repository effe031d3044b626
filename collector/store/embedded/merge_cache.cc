#include "collector/store/embedded/merge_cache.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

namespace pilotlight::collector {
namespace {

bool Holds(const TimeRange& range, const std::vector<uint64_t>& starts_ns) {
  return std::ranges::any_of(starts_ns, [&range](uint64_t start_ns) {
    return start_ns >= range.start_ns && start_ns < range.end_ns;
  });
}

// All but the stacks and the samples.
void CopyRest(const MergedProfile& from, MergedProfile& to) {
  to.coverage = from.coverage;
  to.profile.type = from.profile.type;
  to.profile.period = from.profile.period;
  to.profile.start = from.profile.start;
  to.profile.duration = from.profile.duration;
  to.profile.labels = from.profile.labels;
  to.profile.loss = from.profile.loss;
}

}  // namespace

std::string MergeCache::KeyOf(const StoreSelection& selection) {
  std::vector<std::string> matchers;
  for (const Matcher& matcher : selection.matchers) {
    matchers.push_back(absl::StrCat(static_cast<int>(matcher.kind()), " ", matcher.name().size(), " ",
                                    matcher.name(), matcher.value().size(), " ", matcher.value()));
  }
  std::ranges::sort(matchers);
  std::string key = absl::StrCat(selection.type.ToString(), " ", absl::ToUnixNanos(selection.span.start), " ",
                                 absl::ToUnixNanos(selection.span.end));
  for (const std::string& matcher : matchers) absl::StrAppend(&key, " ", matcher);
  return key;
}

MergeCache::Packed MergeCache::Pack(const MergedProfile& merged) {
  Packed packed;
  CopyRest(merged, packed.rest);
  const StackTrie& trie = merged.profile.trie;
  // Number 0 of each is there from the beginning.
  for (StringId id = 1; id < trie.string_count(); ++id) packed.stacks.AddString(trie.string(id));
  for (FrameId id = 1; id < trie.frame_count(); ++id) packed.stacks.AddFrame(trie.frame(id));
  for (NodeId id = 1; id < trie.node_count(); ++id) packed.stacks.AddNode(trie.parent(id), trie.frame_of(id));
  packed.rest.profile.samples = merged.profile.samples;
  // Small ones are charged more than they take: each window that comes is compared with all of them.
  constexpr size_t kLeastBytes = 4096;
  packed.bytes = std::max(kLeastBytes, sizeof(Packed) + packed.stacks.byte_size() +
                                           packed.rest.profile.samples.size() * sizeof(Sample));
  return packed;
}

MergedProfile MergeCache::Unpack(const Packed& packed) {
  MergedProfile merged;
  CopyRest(packed.rest, merged);
  merged.profile.samples = packed.rest.profile.samples;
  // In their order, so that each keeps its number.
  TrieMapper mapper(packed.stacks, merged.profile.trie);
  for (NodeId node = 0; node < packed.stacks.node_count(); ++node) mapper.MapNode(node);
  return merged;
}

std::optional<MergedProfile> MergeCache::Find(const std::string& key) {
  std::shared_ptr<const Packed> packed;
  {
    const MutexLock lock(memory_.mutex_);
    const auto found = index_.find(key);
    if (found == index_.end()) {
      ++counters_.misses;
      return std::nullopt;
    }
    ++counters_.hits;
    memory_.entries_.splice(memory_.entries_.begin(), memory_.entries_, found->second);
    packed = found->second->packed;
  }
  return Unpack(*packed);
}

MergeCache::Answer::Answer(MergeCache& cache, std::string key, const TimeRange& range)
    : cache_(cache), key_(std::move(key)), range_(range) {
  const MutexLock lock(cache_.memory_.mutex_);
  cache_.answers_.push_back(this);
}

MergeCache::Answer::~Answer() {
  const MutexLock lock(cache_.memory_.mutex_);
  std::erase(cache_.answers_, this);
}

bool MergeCache::IsAskedAgain(const std::string& key) {
  if (memory_.max_bytes_ == 0) return false;
  constexpr size_t kMaxAsked = 4096;
  const MutexLock lock(memory_.mutex_);
  if (asked_.size() >= kMaxAsked) asked_.clear();
  return !asked_.insert(absl::HashOf(key)).second;
}

void MergeCache::Answer::Keep(const MergedProfile& merged) {
  auto packed = std::make_shared<const Packed>(Pack(merged));
  if (packed->bytes > cache_.memory_.max_bytes_) return;
  const MutexLock lock(cache_.memory_.mutex_);
  if (is_outdated_) return;
  if (const auto found = cache_.index_.find(key_); found != cache_.index_.end()) {
    Erase(cache_.memory_, found->second);
  }
  cache_.counters_.bytes += packed->bytes;
  cache_.memory_.bytes_ += packed->bytes;
  cache_.memory_.entries_.push_front({&cache_, key_, range_, std::move(packed)});
  cache_.index_.emplace(key_, cache_.memory_.entries_.begin());
  while (cache_.memory_.bytes_ > cache_.memory_.max_bytes_)
    Erase(cache_.memory_, std::prev(cache_.memory_.entries_.end()));
}

void MergeCache::Forget(const std::vector<uint64_t>& starts_ns) {
  const MutexLock lock(memory_.mutex_);
  for (Answer* answer : answers_) answer->is_outdated_ |= Holds(answer->range_, starts_ns);
  for (auto entry = index_.begin(); entry != index_.end();) {
    const auto next = std::next(entry);
    if (Holds(entry->second->range, starts_ns)) Erase(memory_, entry->second);
    entry = next;
  }
}

void MergeCache::Clear() {
  const MutexLock lock(memory_.mutex_);
  for (Answer* answer : answers_) answer->is_outdated_ = true;
  for (const auto& [key, entry] : index_) memory_.entries_.erase(entry);
  index_.clear();
  memory_.bytes_ -= counters_.bytes;
  counters_.bytes = 0;
}

MergeCache::Counters MergeCache::counters() const {
  const MutexLock lock(memory_.mutex_);
  return counters_;
}

void MergeCache::Erase(MergeMemory& memory, Entries::iterator entry) {
  entry->owner->counters_.bytes -= entry->packed->bytes;
  memory.bytes_ -= entry->packed->bytes;
  entry->owner->index_.erase(entry->key);
  memory.entries_.erase(entry);
}

}  // namespace pilotlight::collector
