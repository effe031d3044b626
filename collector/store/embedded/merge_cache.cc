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
    const MutexLock lock(mutex_);
    const auto found = index_.find(key);
    if (found == index_.end()) {
      ++counters_.misses;
      return std::nullopt;
    }
    ++counters_.hits;
    entries_.splice(entries_.begin(), entries_, found->second);
    packed = found->second->packed;
  }
  return Unpack(*packed);
}

MergeCache::Answer::Answer(MergeCache& cache, std::string key, const TimeRange& range)
    : cache_(cache), key_(std::move(key)), range_(range) {
  const MutexLock lock(cache_.mutex_);
  cache_.answers_.push_back(this);
}

MergeCache::Answer::~Answer() {
  const MutexLock lock(cache_.mutex_);
  std::erase(cache_.answers_, this);
}

bool MergeCache::IsAskedAgain(const std::string& key) {
  if (max_bytes_ == 0) return false;
  constexpr size_t kMaxAsked = 4096;
  const MutexLock lock(mutex_);
  if (asked_.size() >= kMaxAsked) asked_.clear();
  return !asked_.insert(absl::HashOf(key)).second;
}

void MergeCache::Answer::Keep(const MergedProfile& merged) {
  auto packed = std::make_shared<const Packed>(Pack(merged));
  if (packed->bytes > cache_.max_bytes_) return;
  const MutexLock lock(cache_.mutex_);
  if (is_outdated_) return;
  if (const auto found = cache_.index_.find(key_); found != cache_.index_.end()) cache_.Erase(found->second);
  cache_.counters_.bytes += packed->bytes;
  cache_.entries_.push_front({key_, range_, std::move(packed)});
  cache_.index_.emplace(key_, cache_.entries_.begin());
  while (cache_.counters_.bytes > cache_.max_bytes_) cache_.Erase(std::prev(cache_.entries_.end()));
}

void MergeCache::Forget(const std::vector<uint64_t>& starts_ns) {
  const MutexLock lock(mutex_);
  for (Answer* answer : answers_) answer->is_outdated_ |= Holds(answer->range_, starts_ns);
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if (Holds(entry->range, starts_ns)) Erase(entry);
    entry = next;
  }
}

void MergeCache::Clear() {
  const MutexLock lock(mutex_);
  for (Answer* answer : answers_) answer->is_outdated_ = true;
  entries_.clear();
  index_.clear();
  counters_.bytes = 0;
}

MergeCache::Counters MergeCache::counters() const {
  const MutexLock lock(mutex_);
  return counters_;
}

void MergeCache::Erase(Entries::iterator entry) {
  counters_.bytes -= entry->packed->bytes;
  index_.erase(entry->key);
  entries_.erase(entry);
}

}  // namespace pilotlight::collector
