// Focus and ignore, as `go tool pprof` has them, and a call site: whole stacks are kept or dropped by their
// function names.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "profile/profile.h"

namespace re2 {
class RE2;
}

namespace pilotlight {

// InvalidArgument names `what` and the expression. Null for an empty one.
absl::StatusOr<std::unique_ptr<re2::RE2>> CompileExpression(absl::string_view what,
                                                            absl::string_view expression);

// Whose functions match. Each name is looked at once, when it is first asked for. Both must outlive it; the
// trie may not grow meanwhile.
class FunctionMatches {
 public:
  FunctionMatches(const StackTrie& trie, const re2::RE2& expression);

  bool Of(FrameId frame);

 private:
  const StackTrie& trie_;
  const re2::RE2& expression_;
  std::vector<bool> known_;  // by string
  std::vector<bool> matches_;
};

// Immutable, so it may be shared among threads.
class StackFilter {
 public:
  // Keeps everything.
  StackFilter();
  ~StackFilter();
  StackFilter(StackFilter&&) noexcept;
  StackFilter& operator=(StackFilter&&) noexcept;

  // RE2 expressions that match anywhere in a function's name; empty means no condition. `focus` keeps the
  // stacks that have a match, `ignore` drops those that have one. InvalidArgument names a bad expression.
  static absl::StatusOr<StackFilter> Create(absl::string_view focus, absl::string_view ignore);

  // Keeps only the stacks that begin with these functions, the outermost caller first.
  void SetCallSite(std::vector<std::string> functions) { call_site_ = std::move(functions); }

  bool keeps_everything() const { return focus_ == nullptr && ignore_ == nullptr && call_site_.empty(); }
  // Drops from `samples` (of `trie`) what the filter does not keep. Each name is matched once.
  void Apply(const StackTrie& trie, std::vector<Sample>& samples) const;

 private:
  std::unique_ptr<re2::RE2> focus_;
  std::unique_ptr<re2::RE2> ignore_;
  std::vector<std::string> call_site_;
};

}  // namespace pilotlight
