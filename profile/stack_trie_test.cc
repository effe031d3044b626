#include "profile/stack_trie.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/stacks.h"

namespace pilotlight {
namespace {

TEST(StackTrieTest, NumbersParentsBelowTheirChildren) {
  StackTrie trie;
  AddStack(trie, "a;b;c");
  AddStack(trie, "a;d");
  AddStack(trie, "b;a;c");
  for (NodeId node = 1; node < trie.node_count(); ++node) EXPECT_LT(trie.parent(node), node);
  EXPECT_EQ(trie.node_count(), 8u);
}

TEST(StackTrieTest, GivesEqualStacksOneNode) {
  StackTrie trie;
  EXPECT_EQ(AddStack(trie, "a;b"), AddStack(trie, "a;b"));
  EXPECT_NE(AddStack(trie, "a;b"), AddStack(trie, "b;a"));
}

TEST(StackTrieTest, KeepsItsStringsWhenMoved) {
  StackTrie trie;
  const NodeId node = AddStack(trie, "short;a name that is longer than any inline buffer of a string");
  const StackTrie moved = std::move(trie);
  EXPECT_EQ(moved.view(moved.Stack(node)[0]).function, "short");
  StackTrie again = StackTrie();
  again.InternString("x");
  EXPECT_EQ(again.InternString("x"), again.InternString("x"));
}

TEST(StackTrieTest, ListsAStackFromTheRoot) {
  StackTrie trie;
  const NodeId node = AddStack(trie, "a;b;c");
  std::vector<std::string> names;
  for (const FrameId frame : trie.Stack(node)) names.emplace_back(trie.view(frame).function);
  EXPECT_THAT(names, testing::ElementsAre("a", "b", "c"));
}

TEST(TrieMapperTest, MapsNodesAlsoOfATrieThatGrows) {
  StackTrie from;
  StackTrie to;
  AddStack(to, "z;b");
  TrieMapper mapper(from, to);
  const NodeId first = mapper.MapNode(AddStack(from, "a;b"));
  EXPECT_EQ(first, AddStack(to, "a;b"));
  const NodeId second = mapper.MapNode(AddStack(from, "a;b;new"));
  EXPECT_EQ(second, AddStack(to, "a;b;new"));
  EXPECT_EQ(mapper.MapNode(StackTrie::kRoot), StackTrie::kRoot);
}

}  // namespace
}  // namespace pilotlight
