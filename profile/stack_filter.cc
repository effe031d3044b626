#include "profile/stack_filter.h"

#include <re2/re2.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace pilotlight {
namespace {

// Per node: does its stack have a frame whose function matches? A parent comes before its children.
std::vector<bool> NodesWithMatch(const StackTrie& trie, const re2::RE2& expression) {
  FunctionMatches matches(trie, expression);
  std::vector<bool> node_matches(trie.node_count());
  for (NodeId node = 1; node < trie.node_count(); ++node) {
    if (node_matches[trie.parent(node)]) {
      node_matches[node] = true;
      continue;
    }
    node_matches[node] = matches.Of(trie.frame_of(node));
  }
  return node_matches;
}

// Per node: does its stack begin with these functions?
std::vector<bool> NodesBelow(const StackTrie& trie, const std::vector<std::string>& call_site) {
  // How many of them a node's stack begins with, as long as it has no other function.
  constexpr size_t kNotBelow = SIZE_MAX;
  std::vector<size_t> matched(trie.node_count(), kNotBelow);
  matched[StackTrie::kRoot] = 0;
  std::vector<bool> below(trie.node_count());
  below[StackTrie::kRoot] = call_site.empty();
  for (NodeId node = 1; node < trie.node_count(); ++node) {
    const NodeId parent = trie.parent(node);
    if (below[parent]) {
      below[node] = true;
    } else if (matched[parent] != kNotBelow &&
               trie.string(trie.frame(trie.frame_of(node)).function) == call_site[matched[parent]]) {
      matched[node] = matched[parent] + 1;
      below[node] = matched[node] == call_site.size();
    }
  }
  return below;
}

}  // namespace

FunctionMatches::FunctionMatches(const StackTrie& trie, const re2::RE2& expression)
    : trie_(trie), expression_(expression), known_(trie.string_count()), matches_(trie.string_count()) {}

bool FunctionMatches::Of(FrameId frame) {
  const StringId function = trie_.frame(frame).function;
  if (!known_[function]) {
    const absl::string_view name = trie_.string(function);
    matches_[function] = re2::RE2::PartialMatch(re2::StringPiece(name.data(), name.size()), expression_);
    known_[function] = true;
  }
  return matches_[function];
}

absl::StatusOr<std::unique_ptr<re2::RE2>> CompileExpression(absl::string_view what,
                                                            absl::string_view expression) {
  if (expression.empty()) return nullptr;
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto compiled = std::make_unique<re2::RE2>(re2::StringPiece(expression.data(), expression.size()), options);
  if (!compiled->ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " \"", expression, "\" is not a regular expression: ", compiled->error()));
  }
  return compiled;
}

StackFilter::StackFilter() = default;
StackFilter::~StackFilter() = default;
StackFilter::StackFilter(StackFilter&&) noexcept = default;
StackFilter& StackFilter::operator=(StackFilter&&) noexcept = default;

absl::StatusOr<StackFilter> StackFilter::Create(absl::string_view focus, absl::string_view ignore) {
  StackFilter filter;
  ASSIGN_OR_RETURN(filter.focus_, CompileExpression("focus", focus));
  ASSIGN_OR_RETURN(filter.ignore_, CompileExpression("ignore", ignore));
  return filter;
}

void StackFilter::Apply(const StackTrie& trie, std::vector<Sample>& samples) const {
  if (focus_ != nullptr) {
    const std::vector<bool> focused = NodesWithMatch(trie, *focus_);
    std::erase_if(samples, [&focused](const Sample& sample) { return !focused[sample.node]; });
  }
  if (!call_site_.empty()) {
    const std::vector<bool> below = NodesBelow(trie, call_site_);
    std::erase_if(samples, [&below](const Sample& sample) { return !below[sample.node]; });
  }
  if (ignore_ != nullptr) {
    const std::vector<bool> ignored = NodesWithMatch(trie, *ignore_);
    std::erase_if(samples, [&ignored](const Sample& sample) { return ignored[sample.node]; });
  }
}

}  // namespace pilotlight
