#include "tests/load/stack_pool.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace pilotlight::load {
namespace {

constexpr size_t kOwnFunctions = 3000;
constexpr size_t kLibraryFunctions = 1500;

FrameId AddFunction(const std::string& program, Random& random, StackTrie& trie) {
  const bool is_own = random.Below(2) == 0;
  const size_t number = random.Below(is_own ? kOwnFunctions : kLibraryFunctions);
  const size_t package = number / 40;
  return trie.InternFrame(
      FrameView{.function = is_own ? absl::StrCat("example.com/", program, "/internal/package", package,
                                                  ".(*Service).function", number)
                                   : absl::StrCat("golang.org/x/library", package, ".(*Type).Method", number),
                .file = absl::StrCat(is_own ? "/src/internal/package" : "/go/pkg/mod/golang.org/x/library",
                                     package, "/file", number / 8, ".go"),
                .mapping = program,
                .line = static_cast<uint32_t>(20 + number % 1000),
                .kind = FrameKind::kGo,
                .symbolized = true});
}

}  // namespace

std::vector<NodeId> AddStackPool(const StackPoolOptions& options, const std::string& program, uint64_t seed,
                                 StackTrie& trie) {
  Random random(seed);
  std::vector<NodeId> stacks;
  stacks.reserve(options.stacks);
  while (stacks.size() < options.stacks) {
    std::vector<FrameId> frames;
    if (!stacks.empty()) frames = trie.Stack(stacks[random.Below(stacks.size())]);
    frames.resize(frames.size() / 2 + random.Below(frames.size() / 2 + 1));
    const size_t depth = options.min_depth + random.Below(options.max_depth - options.min_depth + 1);
    frames.resize(std::min(frames.size(), depth - 1));
    NodeId node = StackTrie::kRoot;
    for (const FrameId frame : frames) node = trie.Child(node, frame);
    const size_t nodes_before = trie.node_count();
    // Longer than drawn only when it would be an earlier stack.
    for (size_t i = frames.size(); i < depth || trie.node_count() == nodes_before; ++i) {
      node = trie.Child(node, AddFunction(program, random, trie));
    }
    stacks.push_back(node);
  }
  return stacks;
}

}  // namespace pilotlight::load
