// Show, hide and prune-from, as `go tool pprof` has them: frames are taken out of stacks by their function
// names, and no sample is lost.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "profile/profile.h"

namespace re2 {
class RE2;
}

namespace pilotlight {

// RE2 expressions that match anywhere in a function's name; empty means no condition.
struct FrameFilterText {
  std::string show;        // only these frames stay
  std::string hide;        // these frames go
  std::string prune_from;  // what the innermost of these calls goes
};

// Immutable, so it may be shared among threads.
class FrameFilter {
 public:
  // Keeps everything.
  FrameFilter();
  ~FrameFilter();
  FrameFilter(FrameFilter&&) noexcept;
  FrameFilter& operator=(FrameFilter&&) noexcept;

  // InvalidArgument names a bad expression.
  static absl::StatusOr<FrameFilter> Create(const FrameFilterText& text);

  bool keeps_everything() const { return show_ == nullptr && hide_ == nullptr && prune_from_ == nullptr; }
  // Takes the frames out of `trie`, of which all `samples` are. Those whose stack has none left become the
  // root's own. What nobody samples any more goes, too.
  void Apply(StackTrie& trie, absl::Span<std::vector<Sample>* const> samples) const;

 private:
  std::unique_ptr<re2::RE2> show_;
  std::unique_ptr<re2::RE2> hide_;
  std::unique_ptr<re2::RE2> prune_from_;
};

}  // namespace pilotlight
