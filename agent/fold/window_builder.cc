#include "agent/fold/window_builder.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "agent/fold/frame_cache.h"
#include "agent/fold/share_out.h"
#include "exporters/utf8.h"

namespace pilotlight::agent {
namespace {

// Inlined calls multiply the frames of a source that itself stops at some 128; the wire takes 1024.
constexpr size_t kMaxStackFrames = 1000;

// Where a signal handler returns to. The kernel puts the address of its first instruction on the stack, as
// if it had been called from the instruction before, which belongs to another function.
const absl::flat_hash_set<absl::string_view>& SignalTrampolines() {
  static const auto& names =
      *new absl::flat_hash_set<absl::string_view>{"__restore_rt", "__restore", "__kernel_rt_sigreturn",
                                                  "runtime.sigreturn", "runtime.sigreturn__sigaction"};
  return names;
}

// Names come from foreign files, as any bytes. The wire takes UTF-8, and no name longer than this.
constexpr size_t kMaxNameBytes = 8192;

bool IsPlainText(absl::string_view text) {
  return text.size() <= kMaxNameBytes &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

std::string ToWireText(absl::string_view text) { return ToValidUtf8(text, kMaxNameBytes); }

// The frame itself, nearly always.
FrameId ToWireFrame(FrameId id, StackTrie& trie) {
  const FrameView frame = trie.view(id);
  if (IsPlainText(frame.function) && IsPlainText(frame.file) && IsPlainText(frame.mapping)) return id;
  const std::string function = ToWireText(frame.function);
  const std::string file = ToWireText(frame.file);
  const std::string mapping = ToWireText(frame.mapping);
  FrameView clean = frame;
  clean.function = function;
  clean.file = file;
  clean.mapping = mapping;
  return trie.InternFrame(clean);
}

FrameId SyntheticFrame(absl::string_view name, FrameKind kind, StackTrie& trie) {
  return trie.InternFrame(FrameView{.function = name, .kind = kind});
}

// The state of one Build().
class Folder {
 public:
  Folder(ProcessTable& processes, Symbolizer& symbolizer, const std::string& node, const Capture& capture,
         FoldedWindow& folded)
      : processes_(processes),
        symbolizer_(symbolizer),
        node_(node),
        capture_(capture),
        type_(capture.type),
        period_ns_(capture.period_ns),
        folded_(folded),
        trie_(folded.window.trie),
        truncated_(SyntheticFrame(kTruncatedFrame, FrameKind::kSynthetic, trie_)),
        broken_(SyntheticFrame(kBrokenFrame, FrameKind::kSynthetic, trie_)),
        unknown_(SyntheticFrame(kUnknownFrame, FrameKind::kUnknown, trie_)) {}

  void AddProcess(const ProcessSamples& samples);
  void AddProfile(const Profile& profile);

 private:
  Series& SeriesOf(Labels labels, const ProfileType& type, int64_t period);
  void AddStack(const RawStack& stack, const Process* process, FrameCache& user_frames, Series& series);
  void AppendUser(const RawStack& stack, const Process* process, FrameCache& cache);
  // A word that a walk by frame pointers took for an address may have any bits.
  bool IsInterpreted(uint64_t address) const {
    return (address & kInterpretedFrame) != 0 && (address & ~kInterpretedFrame) < capture_.interpreted.size();
  }
  void AppendInterpreted(size_t number);
  void AppendKernel(const std::vector<uint64_t>& addresses);
  bool StartsSignalTrampoline(const Process& process, uint64_t address);
  void Append(const AddressFrames& at_address);

  ProcessTable& processes_;
  Symbolizer& symbolizer_;
  const std::string& node_;
  const Capture& capture_;
  const ProfileType& type_;
  const int64_t period_ns_;
  FoldedWindow& folded_;
  StackTrie& trie_;
  const FrameId truncated_;
  const FrameId broken_;
  const FrameId unknown_;
  std::map<std::tuple<Labels, ProfileType, int64_t>, size_t> series_;
  FrameCache kernel_frames_;
  std::vector<std::optional<FrameId>> interpreted_frames_;  // by number
  std::vector<FrameId> probed_;
  std::vector<FrameId> stack_;  // of the stack in hand, the outermost caller first
  uint64_t unsymbolized_ = 0;   // of `stack_`
  bool broken_off_ = false;     // `stack_`
};

Series& Folder::SeriesOf(Labels labels, const ProfileType& type, int64_t period) {
  labels[std::string(kNodeLabel)] = node_;
  std::string& service = labels[std::string(kServiceLabel)];
  if (service.empty()) service = std::string(kUnknownService);
  for (auto& [name, value] : labels) {
    if (!IsPlainText(value)) value = ToWireText(value);
  }
  std::vector<Series>& all = folded_.window.series;
  const auto [it, is_new] = series_.try_emplace({labels, type, period}, all.size());
  if (is_new) {
    Series& series = all.emplace_back();
    series.labels = std::move(labels);
    series.type = type;
    series.period = period;
  }
  return all[it->second];
}

// A library that was opened after the snapshot has no mapping in it.
bool HasUnmappedAddress(const Process& process, const ProcessSamples& samples) {
  for (const RawStack& stack : samples.stacks) {
    for (const uint64_t address : stack.user) {
      if ((address & kInterpretedFrame) == 0 && process.maps.Find(address) == nullptr) return true;
    }
  }
  return false;
}

// Gone before anything could be read of it; the kernel may have told its name.
bool IsVanished(const Process* process) {
  return process == nullptr || (process->start_ticks == 0 && process->maps.mappings().empty());
}

uint64_t CountOf(const ProcessSamples& samples) {
  uint64_t count = samples.stackless_samples;
  for (const RawStack& stack : samples.stacks) count += stack.count;
  return count;
}

void Folder::AddProcess(const ProcessSamples& samples) {
  std::shared_ptr<const Process> process = processes_.Find(samples.pid);
  if (process != nullptr && process->dropped) {
    folded_.dropped_processes.push_back(samples.pid);
    folded_.dropped_samples += CountOf(samples);
    return;
  }
  if (!IsVanished(process.get()) && HasUnmappedAddress(*process, samples)) {
    processes_.RefreshMaps(samples.pid);
    process = processes_.Find(samples.pid);
  }
  Series& series = SeriesOf(process == nullptr ? Labels{} : process->labels, type_, period_ns_);
  if (samples.stackless_samples > 0) {
    series.samples.push_back({trie_.Child(StackTrie::kRoot, truncated_), samples.stackless_samples,
                              static_cast<int64_t>(samples.stackless_samples) * period_ns_});
    series.loss.truncated_stacks += samples.stackless_samples;
  }
  FrameCache user_frames;
  for (const RawStack& stack : samples.stacks) {
    AddStack(stack, process.get(), user_frames, series);
  }
  const uint64_t count = CountOf(samples);
  folded_.samples += count;
  if (user_frames.Holds(FrameKind::kGo, trie_)) folded_.go_processes.push_back(process);
  if (IsVanished(process.get())) {
    ++folded_.vanished_processes;
    folded_.vanished_samples += count;
  }
}

void Folder::AddStack(const RawStack& stack, const Process* process, FrameCache& user_frames,
                      Series& series) {
  stack_.clear();
  unsymbolized_ = 0;
  broken_off_ = stack.broken;
  AppendUser(stack, process, user_frames);
  AppendKernel(stack.kernel);

  bool truncated = stack.truncated || stack_.empty();
  series.loss.frames += stack_.size() * stack.count;
  series.loss.unsymbolized_frames += unsymbolized_ * stack.count;
  if (!stack.wait_reason.empty()) {
    stack_.push_back(SyntheticFrame(stack.wait_reason, FrameKind::kSynthetic, trie_));
  }
  auto outermost = stack_.begin();
  if (stack_.size() > kMaxStackFrames) {
    truncated = true;
    outermost = stack_.end() - kMaxStackFrames;
  }
  NodeId node = StackTrie::kRoot;
  if (truncated) {
    node = trie_.Child(node, truncated_);
    series.loss.truncated_stacks += stack.count;
  } else if (broken_off_) {
    node = trie_.Child(node, broken_);
    series.loss.truncated_stacks += stack.count;
    folded_.broken_samples += stack.count;
  }
  for (auto frame = outermost; frame != stack_.end(); ++frame) node = trie_.Child(node, *frame);
  series.samples.push_back({node, stack.count, static_cast<int64_t>(stack.count) * period_ns_});
}

void Folder::Append(const AddressFrames& at_address) {
  stack_.insert(stack_.end(), at_address.frames.rbegin(), at_address.frames.rend());
  unsymbolized_ += at_address.unsymbolized;
}

void Folder::AppendUser(const RawStack& stack, const Process* process, FrameCache& cache) {
  const std::vector<uint64_t>& addresses = stack.user;
  if (process == nullptr) {
    stack_.insert(stack_.end(), addresses.size(), unknown_);
    unsymbolized_ += addresses.size();
    return;
  }
  const auto symbolize = [&](uint64_t address, bool is_return_address, std::vector<FrameId>& frames) {
    const bool is_return = is_return_address && !StartsSignalTrampoline(*process, address);
    const size_t first = frames.size();
    symbolizer_.SymbolizeUser(*process, address, is_return, trie_, frames);
    for (size_t i = first; i < frames.size(); ++i) frames[i] = ToWireFrame(frames[i], trie_);
  };
  const bool skips_top = stack.with_top && !cache.FindFrameless(addresses[0], [&](uint64_t address) {
    return symbolizer_.IsFrameless(*process, address);
  });
  const bool has_python = std::ranges::any_of(addresses, [this](uint64_t address) {
    return IsInterpreted(address) &&
           capture_.interpreted[address & ~kInterpretedFrame].kind != FrameKind::kSynthetic;
  });
  bool reaches_root = false;
  for (size_t i = addresses.size(); i-- > 0;) {
    if (i == 1 && skips_top) continue;
    if (IsInterpreted(addresses[i])) {
      AppendInterpreted(addresses[i] & ~kInterpretedFrame);
      continue;
    }
    // Below kernel frames the leaf is where the kernel will go on, no return address either. After a
    // trampoline the walk by frame pointers goes on with the caller of the interrupted function.
    const AddressFrames frames = cache.Find(addresses[i], /*is_return_address=*/i > 0, trie_, symbolize);
    if (frames.is_trampoline && has_python) continue;  // the function itself is there
    // A goroutine that ran on while it was looked at leaves a stack that does not reach its root.
    if (i + 1 == addresses.size()) reaches_root = frames.is_root;
    if (frames.is_root || (frames.is_switch && !(stack.joined && reaches_root))) {
      stack_.clear();
      unsymbolized_ = 0;
      broken_off_ = false;
    }
    Append(frames);
  }
}

void Folder::AppendInterpreted(size_t number) {
  const InterpretedFrame& frame = capture_.interpreted[number];
  if (interpreted_frames_.empty()) interpreted_frames_.resize(capture_.interpreted.size());
  std::optional<FrameId>& id = interpreted_frames_[number];
  if (!id.has_value()) {
    id = ToWireFrame(trie_.InternFrame(FrameView{.function = frame.function,
                                                 .file = frame.file,
                                                 .line = frame.line,
                                                 .start_line = frame.start_line,
                                                 .kind = frame.kind,
                                                 .symbolized = frame.symbolized}),
                     trie_);
  }
  stack_.push_back(*id);
  if (!frame.symbolized) ++unsymbolized_;
}

void Folder::AppendKernel(const std::vector<uint64_t>& addresses) {
  const auto symbolize = [this](uint64_t address, bool is_return_address, std::vector<FrameId>& frames) {
    const size_t first = frames.size();
    symbolizer_.SymbolizeKernel(address, is_return_address, trie_, frames);
    for (size_t i = first; i < frames.size(); ++i) frames[i] = ToWireFrame(frames[i], trie_);
  };
  for (size_t i = addresses.size(); i-- > 0;) {
    Append(kernel_frames_.Find(addresses[i], /*is_return_address=*/i > 0, trie_, symbolize));
  }
}

bool Folder::StartsSignalTrampoline(const Process& process, uint64_t address) {
  // Functions start at multiples of 16 in all common builds, few return addresses do: so the second look
  // is rare.
  if (address % 16 != 0) return false;
  // Frames that no stack uses are not sent.
  probed_.clear();
  symbolizer_.SymbolizeUser(process, address, /*is_return_address=*/false, trie_, probed_);
  return SignalTrampolines().contains(trie_.view(probed_.front()).function);
}

void Folder::AddProfile(const Profile& profile) {
  Series& series = SeriesOf(profile.labels, profile.type, profile.period);
  series.loss += profile.loss;
  TrieMapper mapper(profile.trie, trie_);
  for (const Sample& sample : profile.samples) {
    series.samples.push_back({mapper.MapNode(sample.node), sample.count, sample.value});
    folded_.samples += sample.count;
  }
}

void ShareOutLost(const std::vector<LostSamples>& lost, std::vector<Series>& series) {
  uint64_t total = 0;
  for (const LostSamples& reason : lost) total += reason.count;
  if (total == 0) return;
  std::vector<uint64_t> sizes;
  sizes.reserve(series.size());
  for (const Series& one : series) sizes.push_back(Totals(one.samples).count);
  const std::vector<uint64_t> shares = ShareOut(total, sizes);
  for (size_t i = 0; i < series.size(); ++i) series[i].loss.lost_samples += shares[i];
}

}  // namespace

FoldedWindow WindowBuilder::Build(const Capture& capture, absl::string_view source, absl::Duration interval) {
  FoldedWindow folded;
  folded.window.start = capture.start;
  folded.window.duration = capture.duration;
  folded.window.interval = std::max(interval, capture.duration);
  folded.window.source = std::string(source);
  Folder folder(processes_, symbolizer_, node_, capture, folded);
  for (const ProcessSamples& process : capture.processes) folder.AddProcess(process);
  for (const Profile& profile : capture.profiles) folder.AddProfile(profile);
  for (Series& series : folded.window.series) MergeSamples(series.samples);
  ShareOutLost(capture.lost, folded.window.series);
  return folded;
}

}  // namespace pilotlight::agent
