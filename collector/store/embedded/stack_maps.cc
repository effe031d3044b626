#include "collector/store/embedded/stack_maps.h"

namespace pilotlight::collector {
namespace {

template <typename Map>
size_t TableBytes(const Map& map) {
  constexpr size_t kControlByte = 1;  // of absl's tables, per slot
  return map.capacity() * (sizeof(typename Map::value_type) + kControlByte);
}

}  // namespace

NodeId StackMap::Map(const StackTable& from, NodeId node, BlockDictionary& to) {
  if (node == StackTable::kRoot) return StackTable::kRoot;
  const auto [known, is_new] = nodes_.try_emplace(node);
  if (!is_new) return known->second;
  path_.clear();
  NodeId mapped = StackTable::kRoot;
  for (NodeId ancestor = node; ancestor != StackTable::kRoot; ancestor = from.parent(ancestor)) {
    if (const auto found = path_nodes_.find(ancestor); found != path_nodes_.end()) {
      mapped = found->second;
      break;
    }
    path_.push_back(ancestor);
  }
  for (size_t i = path_.size(); i-- > 0;) {
    mapped = to.Child(mapped, MapFrame(from, from.frame_of(path_[i]), to));
    path_nodes_.emplace(path_[i], mapped);
  }
  known->second = mapped;
  return mapped;
}

FrameId StackMap::MapFrame(const StackTable& from, FrameId frame, BlockDictionary& to) {
  const auto [known, is_new] = frames_.try_emplace(frame);
  if (is_new) known->second = to.InternFrame(from.view(frame));
  return known->second;
}

size_t StackMap::byte_size() const {
  return sizeof(StackMap) + TableBytes(nodes_) + TableBytes(frames_) + TableBytes(path_nodes_);
}

StackMap& StackMaps::Get(uint64_t table_id, const BlockKey& block) {
  NoteSizeOfFirst();
  const Key key(table_id, block);
  if (const auto found = index_.find(key); found != index_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return entries_.front().map;
  }
  while (bytes_ > max_bytes_ && !entries_.empty()) {
    bytes_ -= entries_.back().bytes;
    index_.erase(entries_.back().key);
    entries_.pop_back();
  }
  entries_.emplace_front().key = key;
  index_.emplace(key, entries_.begin());
  return entries_.front().map;
}

void StackMaps::Clear() {
  index_.clear();
  entries_.clear();
  bytes_ = 0;
}

// Its user is done with it by now.
void StackMaps::NoteSizeOfFirst() {
  if (entries_.empty()) return;
  Entry& first = entries_.front();
  first.map.BeginWindow();
  const size_t bytes = first.map.byte_size();
  bytes_ += bytes - first.bytes;
  first.bytes = bytes;
}

}  // namespace pilotlight::collector
