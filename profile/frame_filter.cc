#include "profile/frame_filter.h"

#include <re2/re2.h>

#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "profile/stack_filter.h"

namespace pilotlight {

FrameFilter::FrameFilter() = default;
FrameFilter::~FrameFilter() = default;
FrameFilter::FrameFilter(FrameFilter&&) noexcept = default;
FrameFilter& FrameFilter::operator=(FrameFilter&&) noexcept = default;

absl::StatusOr<FrameFilter> FrameFilter::Create(const FrameFilterText& text) {
  FrameFilter filter;
  ASSIGN_OR_RETURN(filter.show_, CompileExpression("show", text.show));
  ASSIGN_OR_RETURN(filter.hide_, CompileExpression("hide", text.hide));
  ASSIGN_OR_RETURN(filter.prune_from_, CompileExpression("prune-from", text.prune_from));
  return filter;
}

void FrameFilter::Apply(StackTrie& trie, absl::Span<std::vector<Sample>* const> samples) const {
  if (keeps_everything()) return;
  // Where a stack that ends in a node is to end: its innermost frame that calls what is pruned, or itself.
  std::vector<NodeId> ends(trie.node_count());
  if (prune_from_ != nullptr) {
    FunctionMatches prunes(trie, *prune_from_);
    std::vector<bool> pruned(trie.node_count());
    for (NodeId node = 1; node < trie.node_count(); ++node) {
      const NodeId parent = trie.parent(node);
      const bool matches = prunes.Of(trie.frame_of(node));
      pruned[node] = matches || pruned[parent];
      ends[node] = !matches && pruned[parent] ? ends[parent] : node;
    }
  } else {
    for (NodeId node = 0; node < trie.node_count(); ++node) ends[node] = node;
  }

  std::optional<FunctionMatches> shown;
  std::optional<FunctionMatches> hidden;
  if (show_ != nullptr) shown.emplace(trie, *show_);
  if (hide_ != nullptr) hidden.emplace(trie, *hide_);
  const auto stays = [&](FrameId frame) {
    return (!shown || shown->Of(frame)) && !(hidden && hidden->Of(frame));
  };

  std::vector<bool> needed(trie.node_count());
  for (const std::vector<Sample>* list : samples) {
    for (const Sample& sample : *list) needed[ends[sample.node]] = true;
  }
  for (NodeId node = static_cast<NodeId>(trie.node_count()); node-- > 1;) {
    if (needed[node]) needed[trie.parent(node)] = true;
  }
  StackTrie kept;
  TrieMapper mapper(trie, kept);
  std::vector<NodeId> mapped(trie.node_count(), StackTrie::kRoot);
  for (NodeId node = 1; node < trie.node_count(); ++node) {
    if (!needed[node]) continue;
    const NodeId parent = mapped[trie.parent(node)];
    const FrameId frame = trie.frame_of(node);
    mapped[node] = stays(frame) ? kept.Child(parent, mapper.MapFrame(frame)) : parent;
  }
  for (std::vector<Sample>* list : samples) {
    for (Sample& sample : *list) sample.node = mapped[ends[sample.node]];
    MergeSamples(*list);
  }
  trie = std::move(kept);
}

}  // namespace pilotlight
