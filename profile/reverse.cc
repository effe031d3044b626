#include "profile/reverse.h"

#include <utility>

namespace pilotlight {

void ReverseStacks(Profile& profile) {
  StackTrie reversed;
  TrieMapper mapper(profile.trie, reversed);
  for (Sample& sample : profile.samples) {
    NodeId turned = StackTrie::kRoot;
    for (NodeId node = sample.node; node != StackTrie::kRoot; node = profile.trie.parent(node)) {
      turned = reversed.Child(turned, mapper.MapFrame(profile.trie.frame_of(node)));
    }
    sample.node = turned;
  }
  MergeSamples(profile.samples);
  profile.trie = std::move(reversed);
}

}  // namespace pilotlight
