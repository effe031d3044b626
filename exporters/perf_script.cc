#include "exporters/perf_script.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "exporters/utf8.h"

namespace pilotlight {
namespace {

constexpr absl::string_view kUnknown = "[unknown]";
// Of one profile, so that adding up its samples never overflows.
constexpr int64_t kMaxTotal = int64_t{1} << 60;
// Addresses that are no offset in a file: the kernel's are in the upper half, and what perf could not
// place in a file it prints where it was in memory, for programs of 64 bits far above this.
constexpr uint64_t kKernelStart = uint64_t{1} << 63;
constexpr uint64_t kLargestOffset = uint64_t{1} << 32;

re2::StringPiece Piece(absl::string_view text) { return {text.data(), text.size()}; }
absl::string_view View(re2::StringPiece piece) { return {piece.data(), piece.size()}; }

absl::string_view TakeLine(absl::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const absl::string_view line = absl::StripSuffix(text.substr(0, end), "\r");
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

bool StartsWithSpace(absl::string_view line) {
  return !line.empty() && absl::ascii_isspace(static_cast<unsigned char>(line[0]));
}

// The first line of a sample. What is empty was not printed.
struct Header {
  absl::string_view comm;
  absl::string_view time;    // seconds
  absl::string_view period;  // events, or nanoseconds, that the sample stands for
  absl::string_view event;
  absl::string_view rest;
};

bool ParseHeader(absl::string_view line, Header& header) {
  // Names of threads are any 15 bytes, so the expression is not of UTF-8.
  static const re2::RE2& expression = *new re2::RE2(
      R"(\s*(\S|\S.*?\S)\s+-?\d+(?:/-?\d+)?\s+(?:\[\d+\]\s+)?(?:(\d+\.\d+):(?:\s+|$))?(?:(?:(\d+)\s+)?([^\s\d]\S*?):(?:\s+(.*))?)?)",
      re2::RE2::Latin1);
  re2::StringPiece comm;
  re2::StringPiece time;
  re2::StringPiece period;
  re2::StringPiece event;
  re2::StringPiece rest;
  if (!re2::RE2::FullMatch(Piece(line), expression, &comm, &time, &period, &event, &rest)) return false;
  header = {View(comm), View(time), View(period), View(event), View(rest)};
  return !header.time.empty() || !header.event.empty();
}

// "cycles" of "cycles:upp"; "sched_sched_switch" of "sched:sched_switch".
std::string EventName(absl::string_view event) {
  const size_t colon = event.rfind(':');
  if (colon != absl::string_view::npos && colon > 0 &&
      event.substr(colon + 1).find_first_not_of("ukhIGHpPSDWeb") == absl::string_view::npos) {
    event = event.substr(0, colon);
  }
  return absl::StrReplaceAll(ToValidUtf8(event), {{":", "_"}});
}

struct PerfFrame {
  uint64_t address = 0;
  absl::string_view symbol;
  absl::string_view binary;  // as perf prints it: a path, "[kernel.kallsyms]", "[unknown]", …
  bool inlined = false;
  absl::string_view file;
  uint32_t line = 0;
};

// Splits "symbol (binary)". Both may have parentheses themselves: "operator()(int)", "/bin/app (deleted)".
void SplitBinary(absl::string_view text, PerfFrame& frame) {
  frame.symbol = text;
  if (!absl::EndsWith(text, ")")) return;
  size_t open = text.size();
  for (int depth = 0; open-- > 0;) {
    if (text[open] == ')') ++depth;
    if (text[open] == '(' && --depth == 0) break;
  }
  const bool matched = open < text.size();
  if (!matched || (open > 0 && text[open - 1] != ' ')) {
    // An argument list and no binary, or a path with one parenthesis.
    const size_t path = text.rfind(" (/");
    if (path == absl::string_view::npos) return;
    open = path + 1;
  }
  frame.symbol = absl::StripTrailingAsciiWhitespace(text.substr(0, open));
  frame.binary = text.substr(open + 1, text.size() - open - 2);
  frame.inlined = frame.binary == "inlined";
}

bool ParseFrame(absl::string_view line, PerfFrame& frame) {
  const absl::string_view text = absl::StripAsciiWhitespace(line);
  const size_t end = std::min(text.find(' '), text.size());
  if (!absl::SimpleHexAtoi(text.substr(0, end), &frame.address)) return false;
  SplitBinary(absl::StripAsciiWhitespace(text.substr(end)), frame);
  const size_t plus = frame.symbol.rfind("+0x");
  if (plus != absl::string_view::npos && plus > 0 &&
      frame.symbol.find_first_not_of("0123456789abcdef", plus + 3) == absl::string_view::npos) {
    frame.symbol = frame.symbol.substr(0, plus);
  }
  return true;
}

class PerfScriptReader {
 public:
  explicit PerfScriptReader(const PerfScriptLimits& limits) : limits_(limits) {}

  absl::StatusOr<std::vector<Profile>> Read(absl::string_view text) {
    for (size_t number = 1; !text.empty(); ++number) {
      if (const absl::Status status = AddLine(TakeLine(text)); !status.ok()) {
        return absl::Status(status.code(), absl::StrCat("line ", number, ": ", status.message()));
      }
    }
    RETURN_IF_ERROR(EndSample());
    if (events_.empty()) return absl::InvalidArgumentError("there is no sample in it");
    return Finish();
  }

 private:
  struct Event {
    std::string name;
    bool of_cpu_time = false;
    Profile profile;
    ProfileTotals total;
  };

  absl::Status AddLine(absl::string_view line) {
    if (absl::StripAsciiWhitespace(line).empty()) return EndSample();
    if (!in_sample_ && line[0] == '#') return absl::OkStatus();
    // Of `perf script --show-mmap-events` and the like.
    if (absl::StrContains(line, " PERF_RECORD_")) {
      NoteLost(line);
      return absl::OkStatus();
    }
    Header header;
    // Names of threads are padded to the left where frames stand on the same line.
    if (!(in_sample_ && line[0] == '\t') && ParseHeader(line, header)) {
      RETURN_IF_ERROR(EndSample());
      return BeginSample(header);
    }
    if (!in_sample_ || !StartsWithSpace(line)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "no sample of `perf script`: it must begin like \"app 4711 123.456: 250000 cycles:\", not \"",
          ToValidUtf8(line, 80), "\""));
    }
    PerfFrame frame;
    if (ParseFrame(line, frame)) {
      frames_.push_back(frame);
    } else {
      AddSourceLine(absl::StripAsciiWhitespace(line));
    }
    return absl::OkStatus();
  }

  // What --show-lost-events shows.
  void NoteLost(absl::string_view line) {
    static const re2::RE2& expression = *new re2::RE2(R"( PERF_RECORD_LOST\S* lost (\d+))", re2::RE2::Latin1);
    uint64_t lost = 0;
    if (!re2::RE2::PartialMatch(Piece(line), expression, &lost)) return;
    lost_ += std::min<uint64_t>(lost, kMaxTotal - lost_);
  }

  absl::Status BeginSample(const Header& header) {
    in_sample_ = true;
    comm_ = header.comm;
    frames_.clear();
    period_ = 0;
    if (!header.period.empty() && !absl::SimpleAtoi(header.period, &period_)) {
      return absl::InvalidArgumentError(absl::StrCat("the period ", header.period, " is too large"));
    }
    if (double seconds = 0; absl::SimpleAtod(header.time, &seconds)) {
      first_time_ = has_time_ ? std::min(first_time_, seconds) : seconds;
      last_time_ = has_time_ ? std::max(last_time_, seconds) : seconds;
      has_time_ = true;
    }
    const std::string name = EventName(header.event);
    const bool of_cpu_time = (name == "cpu-clock" || name == "task-clock") && period_ > 0;
    const auto known = std::find_if(events_.begin(), events_.end(), [&](const Event& event) {
      return event.name == name && event.of_cpu_time == of_cpu_time;
    });
    event_ = static_cast<size_t>(known - events_.begin());
    if (known == events_.end()) {
      if (events_.size() == limits_.max_events) {
        return absl::OutOfRangeError(absl::StrCat("more than ", limits_.max_events, " different events"));
      }
      Event& added = events_.emplace_back();
      added.name = name;
      added.of_cpu_time = of_cpu_time;
      added.profile.period = period_;
    }
    // What a tracepoint prints of itself is no frame.
    PerfFrame frame;
    if (absl::EndsWith(header.rest, ")") && ParseFrame(header.rest, frame)) frames_.push_back(frame);
    return absl::OkStatus();
  }

  // "main.cc:12", of `-F +srcline`; "libc.so.6[2724a]" where there is none.
  void AddSourceLine(absl::string_view text) {
    const size_t colon = text.rfind(':');
    uint32_t line = 0;
    if (frames_.empty() || colon == absl::string_view::npos ||
        !absl::SimpleAtoi(text.substr(colon + 1), &line) || line == 0) {
      return;
    }
    frames_.back().file = text.substr(0, colon);
    frames_.back().line = line;
  }

  absl::Status EndSample() {
    if (!in_sample_) return absl::OkStatus();
    in_sample_ = false;
    Event& event = events_[event_];
    Profile& profile = event.profile;
    if (profile.period != period_) profile.period = 0;
    const int64_t value = std::max<int64_t>(period_, 1);
    ++event.total.count;
    if (value > kMaxTotal - event.total.value) {
      return absl::OutOfRangeError("the periods add up to more than can be counted");
    }
    event.total.value += value;

    const size_t nodes_before = profile.trie.node_count();
    NodeId node = profile.trie.Child(
        StackTrie::kRoot, profile.trie.InternFrame(FrameView{.function = Name(comm_), .symbolized = true}));
    size_t depth = frames_.size();
    if (depth > limits_.max_depth) {
      depth = limits_.max_depth;
      ++profile.loss.truncated_stacks;
      node = profile.trie.Child(node, profile.trie.InternFrame(FrameView{.function = "[truncated]",
                                                                         .kind = FrameKind::kSynthetic}));
    }
    absl::string_view binary;
    for (size_t i = depth; i-- > 0;) {
      if (!frames_[i].inlined) binary = frames_[i].binary;
      node = profile.trie.Child(node, FrameFor(frames_[i], binary, profile));
    }
    nodes_ += profile.trie.node_count() - nodes_before;
    if (nodes_ > limits_.max_nodes) {
      return absl::OutOfRangeError(absl::StrCat("more than ", limits_.max_nodes, " different stacks"));
    }
    profile.loss.frames += depth + 1;
    profile.samples.push_back({.node = node, .count = 1, .value = value});
    return absl::OkStatus();
  }

  // `binary` is that of the frame itself, or of the one that it is inlined in.
  FrameId FrameFor(const PerfFrame& frame, absl::string_view binary, Profile& profile) {
    const bool of_kernel = frame.address >= kKernelStart;
    binary = absl::StripSuffix(binary == kUnknown ? "" : binary, " (deleted)");
    if (of_kernel) binary = "[kernel]";
    const std::string mapping = Name(binary);
    const bool named = !frame.symbol.empty() && frame.symbol != kUnknown;
    std::string function(kUnknown);
    if (named) {
      function = Name(frame.symbol);
    } else if (frame.address < kLargestOffset && absl::StartsWith(mapping, "/")) {
      function = absl::StrCat(mapping.substr(mapping.rfind('/') + 1), "+0x", absl::Hex(frame.address));
    }
    if (!named) ++profile.loss.unsymbolized_frames;
    return profile.trie.InternFrame(FrameView{.function = function,
                                              .file = Name(frame.file),
                                              .mapping = mapping,
                                              .line = frame.line,
                                              .kind = of_kernel         ? FrameKind::kKernel
                                                      : mapping.empty() ? FrameKind::kUnknown
                                                                        : FrameKind::kNative,
                                              .inlined = frame.inlined,
                                              .symbolized = named});
  }

  std::string Name(absl::string_view text) const { return ToValidUtf8(text, limits_.max_name_bytes); }

  std::vector<Profile> Finish() {
    std::stable_sort(events_.begin(), events_.end(), [](const Event& a, const Event& b) {
      return std::pair(!a.of_cpu_time, b.total.count) < std::pair(!b.of_cpu_time, a.total.count);
    });
    // Of which event they were is not known.
    events_.front().profile.loss.lost_samples = lost_;
    std::vector<Profile> profiles;
    for (Event& event : events_) {
      Profile& profile = event.profile;
      if (event.name.empty()) {
        profile.type = {"samples", "samples", "count", "", ""};
      } else if (!event.of_cpu_time || !profiles.empty()) {
        // cpu-clock and task-clock of one recording count the same time twice, so one of them is CPU time.
        const std::string unit = event.of_cpu_time ? "nanoseconds" : "events";
        profile.type = {event.name, event.name, unit, event.name, unit};
      }
      profile.duration = absl::Seconds(last_time_ - first_time_);
      MergeSamples(profile.samples);
      profiles.push_back(std::move(profile));
    }
    return profiles;
  }

  const PerfScriptLimits limits_;
  std::vector<Event> events_;
  size_t nodes_ = 0;
  uint64_t lost_ = 0;
  bool has_time_ = false;
  double first_time_ = 0;
  double last_time_ = 0;
  // Of the sample at hand.
  bool in_sample_ = false;
  size_t event_ = 0;  // index into `events_`
  absl::string_view comm_;
  int64_t period_ = 0;
  std::vector<PerfFrame> frames_;  // the innermost first
};

}  // namespace

bool LooksLikePerfScript(absl::string_view text) {
  while (!text.empty()) {
    const absl::string_view line = TakeLine(text);
    if (line.empty() || line[0] == '#' || absl::StrContains(line, " PERF_RECORD_")) continue;
    Header header;
    return ParseHeader(line, header) && (!header.time.empty() || StartsWithSpace(text));
  }
  return false;
}

absl::StatusOr<std::vector<Profile>> ReadPerfScript(absl::string_view text, const PerfScriptLimits& limits) {
  return PerfScriptReader(limits).Read(text);
}

}  // namespace pilotlight
