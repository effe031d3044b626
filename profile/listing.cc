#include "profile/listing.h"

#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/status_macros.h"
#include "profile/stack_filter.h"

namespace pilotlight {
namespace {

struct Found {
  ListedFunction function;
  std::map<uint32_t, ListedLine> lines;
};

// Of the functions that are wanted.
class Adder {
 public:
  Adder(const StackTrie& trie, const re2::RE2& expression) : trie_(trie), is_wanted_(trie, expression) {}

  void Add(const Sample& sample) {
    functions_in_stack_.clear();
    lines_in_stack_.clear();
    for (NodeId node = sample.node; node != StackTrie::kRoot; node = trie_.parent(node)) {
      const FrameId id = trie_.frame_of(node);
      if (!is_wanted_.Of(id)) continue;
      const Frame& frame = trie_.frame(id);
      const auto [at, is_new] = positions_.try_emplace({frame.function, frame.file}, found_.size());
      if (is_new) Begin(frame);
      Found& found = found_[at->second];
      NoteStart(frame.start_line, found.function);
      ListedLine& line = found.lines[frame.line];
      if (node == sample.node) {
        found.function.flat += sample;
        line.flat += sample;
      }
      if (AddOnce(at->second, functions_in_stack_)) found.function.cumulative += sample;
      if (AddOnce({at->second, frame.line}, lines_in_stack_)) line.cumulative += sample;
    }
  }

  std::vector<Found> Take() { return std::move(found_); }

 private:
  void Begin(const Frame& frame) {
    ListedFunction& function = found_.emplace_back().function;
    function.function = std::string(trie_.string(frame.function));
    function.file = std::string(trie_.string(frame.file));
    function.kind = frame.kind;
    function.start_line = frame.start_line;
  }

  static void NoteStart(uint32_t start_line, ListedFunction& function) {
    if (start_line == 0 || start_line == function.start_line) return;
    function.moved = function.moved || function.start_line != 0;
    function.start_line =
        function.start_line == 0 ? start_line : std::min<uint32_t>(function.start_line, start_line);
  }

  // Stacks are short.
  template <typename T>
  static bool AddOnce(const T& value, std::vector<T>& values) {
    if (std::ranges::find(values, value) != values.end()) return false;
    values.push_back(value);
    return true;
  }

  const StackTrie& trie_;
  FunctionMatches is_wanted_;
  absl::flat_hash_map<std::pair<StringId, StringId>, size_t> positions_;  // by function and file
  std::vector<Found> found_;
  std::vector<size_t> functions_in_stack_;
  std::vector<std::pair<size_t, uint32_t>> lines_in_stack_;
};

}  // namespace

absl::StatusOr<Listing> BuildListing(const Profile& profile, absl::string_view function, size_t limit) {
  if (function.empty()) return absl::InvalidArgumentError("which function? Give an expression for its name");
  ASSIGN_OR_RETURN(const std::unique_ptr<re2::RE2> expression, CompileExpression("function", function));
  Adder adder(profile.trie, *expression);
  for (const Sample& sample : profile.samples) adder.Add(sample);
  std::vector<Found> found = adder.Take();
  std::ranges::sort(found, {}, [](const Found& one) {
    return std::make_tuple(-one.function.cumulative.value, absl::string_view(one.function.function),
                           absl::string_view(one.function.file));
  });
  Listing listing;
  listing.total = Totals(profile.samples);
  listing.all_functions = found.size();
  if (limit > 0 && found.size() > limit) found.resize(limit);
  for (Found& one : found) {
    ListedFunction& added = listing.functions.emplace_back(std::move(one.function));
    for (const auto& [number, line] : one.lines) {
      added.lines.push_back(line);
      added.lines.back().line = number;
    }
  }
  return listing;
}

}  // namespace pilotlight
