#include "profile/filter.h"

#include <re2/re2.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace pilotlight {
namespace {

// Per node: does its stack have a frame whose function matches? A parent comes before its children.
std::vector<bool> NodesWithMatch(const StackTrie& trie, const re2::RE2& expression) {
  std::vector<bool> string_matches(trie.string_count());
  std::vector<bool> string_known(trie.string_count());
  std::vector<bool> node_matches(trie.node_count());
  for (NodeId node = 1; node < trie.node_count(); ++node) {
    if (node_matches[trie.parent(node)]) {
      node_matches[node] = true;
      continue;
    }
    const StringId function = trie.frame(trie.frame_of(node)).function;
    if (!string_known[function]) {
      const absl::string_view name = trie.string(function);
      string_matches[function] =
          re2::RE2::PartialMatch(re2::StringPiece(name.data(), name.size()), expression);
      string_known[function] = true;
    }
    node_matches[node] = string_matches[function];
  }
  return node_matches;
}

}  // namespace

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
  if (ignore_ != nullptr) {
    const std::vector<bool> ignored = NodesWithMatch(trie, *ignore_);
    std::erase_if(samples, [&ignored](const Sample& sample) { return ignored[sample.node]; });
  }
}

}  // namespace pilotlight
