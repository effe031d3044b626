#include "tests/load/fleet_windows.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "pilotlight/v1/ingest.pb.h"
#include "profile/wire.h"

namespace pilotlight::load {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;

constexpr int64_t kPeriod = 1'000'000'000 / 19;  // ns between samples: 19 Hz
constexpr size_t kQuantiles = size_t{1} << 16;
constexpr size_t kScripts = 16;
constexpr size_t kMaxVarintBytes = 10;

void AppendVarint(uint64_t value, std::string& out) {
  uint8_t bytes[kMaxVarintBytes];
  const uint8_t* end = CodedOutputStream::WriteVarint64ToArray(value, bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(end - bytes));
}

void AppendFieldHead(int field, size_t length, std::string& out) {
  AppendVarint(WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED), out);
  AppendVarint(length, out);
}

void AppendField(int field, absl::string_view bytes, std::string& out) {
  AppendFieldHead(field, bytes.size(), out);
  out.append(bytes.data(), bytes.size());
}

// Zipf's law with exponent 1: the weight of rank r is 1 / (r + 1).
std::vector<uint16_t> ZipfRanks(size_t count) {
  double sum = 0;
  for (size_t rank = 0; rank < count; ++rank) sum += 1.0 / static_cast<double>(rank + 1);
  std::vector<uint16_t> ranks(kQuantiles);
  size_t rank = 0;
  double below = 1.0 / sum;  // the share of the ranks up to this one
  for (size_t i = 0; i < kQuantiles; ++i) {
    const double quantile = (static_cast<double>(i) + 0.5) / static_cast<double>(kQuantiles);
    while (quantile > below && rank + 1 < count) below += 1.0 / (sum * static_cast<double>(++rank + 1));
    ranks[i] = static_cast<uint16_t>(rank);
  }
  return ranks;
}

std::vector<uint16_t> Shuffled(size_t count, uint64_t seed) {
  std::vector<uint16_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), uint16_t{0});
  Random random(seed);
  for (size_t i = count - 1; i > 0; --i) std::swap(numbers[i], numbers[random.Below(i + 1)]);
  return numbers;
}

}  // namespace

// How often each stack of a pool was drawn; empties itself while it is read.
class FleetWindows::Counts {
 public:
  explicit Counts(size_t stacks) : counts_(stacks), drawn_((stacks + 63) / 64) {}

  void Add(size_t stack) {
    ++counts_[stack];
    drawn_[stack / 64] |= uint64_t{1} << (stack % 64);
  }
  // In the order of the stacks.
  template <typename Take>
  void TakeAll(const Take& take) {
    for (size_t word = 0; word < drawn_.size(); ++word) {
      for (uint64_t left = std::exchange(drawn_[word], 0); left != 0; left &= left - 1) {
        const size_t stack = word * 64 + static_cast<size_t>(std::countr_zero(left));
        take(stack, uint64_t{std::exchange(counts_[stack], 0)});
      }
    }
  }

 private:
  std::vector<uint16_t> counts_;
  std::vector<uint64_t> drawn_;
};

// The names that an agent knows, with the numbers that they have on its streams.
struct FleetWindows::Vocabulary {
  std::vector<Pool> pools;  // of each of the agent's instances, or the one that all share
  std::string dictionary;   // v1::Dictionary
};

// A stream's windows, encoded; without what tells one agent from another.
struct FleetWindows::Script {
  struct EncodedWindow {
    std::string head;  // v1::Window: the dictionary and how it begins and ends
    std::vector<std::string> series;
  };
  std::vector<EncodedWindow> windows;
};

FleetWindows::FleetWindows(const FleetOptions& options)
    : options_(options),
      zipf_ranks_(ZipfRanks(options.pool.stacks)),
      shuffled_(Shuffled(options.pool.stacks, options.seed)) {
  for (size_t instance = 0; instance < instances(); ++instance) {
    v1::Series head;
    for (const auto& [name, value] : InstanceLabels(instance)) {
      v1::Label& label = *head.add_labels();
      label.set_name(name);
      label.set_value(value);
    }
    ToProto(ProfileType{}, *head.mutable_type());
    head.set_period(kPeriod);
    series_heads_.push_back(head.SerializeAsString());
  }
  const bool is_scripted = options_.scripted_windows > 0;
  const size_t drawn_agents = is_scripted ? std::min(kScripts, options_.agents) : options_.agents;
  const size_t vocabularies = options_.pool_per_service ? drawn_agents : 1;
  for (size_t agent = 0; agent < vocabularies; ++agent) vocabularies_.push_back(MakeVocabulary(agent));
  for (size_t agent = 0; is_scripted && agent < drawn_agents; ++agent) scripts_.push_back(MakeScript(agent));
}

FleetWindows::~FleetWindows() = default;

std::string FleetWindows::AgentName(size_t agent) const { return absl::StrCat("agent-", agent); }
std::string FleetWindows::NodeName(size_t agent) const { return absl::StrCat("node-", agent); }
std::string FleetWindows::ServiceName(size_t service) const { return absl::StrCat("service-", service); }

absl::Time FleetWindows::Start(size_t agent, uint64_t sequence) const {
  const absl::Duration phase =
      options_.interval * static_cast<int64_t>(agent) / static_cast<int64_t>(options_.agents);
  return options_.start + options_.interval * static_cast<int64_t>(sequence - 1) + phase;
}

size_t FleetWindows::profiles_per_window(size_t agent) const {
  return (instances() - agent + options_.agents - 1) / options_.agents;
}

uint64_t FleetWindows::ExpectedSamples(size_t service, const std::vector<uint64_t>& sequences) const {
  uint64_t samples = 0;
  for (size_t instance = service; instance < instances(); instance += options_.services) {
    samples += sequences[instance % options_.agents] * options_.samples;
  }
  return samples;
}

Labels FleetWindows::InstanceLabels(size_t instance) const {
  const std::string service = ServiceName(instance % options_.services);
  return {{std::string(kServiceLabel), service},
          {"namespace", absl::StrCat("team-", instance % options_.services % 20)},
          {"node", NodeName(instance % options_.agents)},
          {"pod", absl::StrCat(service, "-7f9c6d5b4-", instance)}};
}

const FleetWindows::Pool& FleetWindows::PoolOf(size_t agent, size_t profile) const {
  if (!options_.pool_per_service) return vocabularies_[0]->pools[0];
  return vocabularies_[agent]->pools[profile];
}

std::vector<std::vector<NodeId>> FleetWindows::AddPools(size_t agent, StackTrie& trie) const {
  if (!options_.pool_per_service) return {AddStackPool(options_.pool, "shop", options_.seed, trie)};
  std::vector<std::vector<NodeId>> pools;
  for (size_t instance = agent; instance < instances(); instance += options_.agents) {
    const size_t service = instance % options_.services;
    pools.push_back(AddStackPool(options_.pool, ServiceName(service), options_.seed + service, trie));
  }
  return pools;
}

std::unique_ptr<FleetWindows::Vocabulary> FleetWindows::MakeVocabulary(size_t agent) const {
  auto vocabulary = std::make_unique<Vocabulary>();
  Window window;
  for (std::vector<NodeId>& stacks : AddPools(agent, window.trie)) {
    Series& series = window.series.emplace_back();
    Pool& pool = vocabulary->pools.emplace_back();
    for (const NodeId node : stacks) {
      series.samples.push_back({node, 1, 0});
      pool.depths.push_back(static_cast<uint32_t>(window.trie.Stack(node).size()));
    }
    pool.nodes = std::move(stacks);
  }
  v1::Window message;
  WindowEncoder().Encode(window, message);
  // Stacks are encoded in the order in which they were made, so nodes have the same numbers on the wire.
  CHECK(static_cast<size_t>(message.dictionary().node_frame_size()) + 1 == window.trie.node_count());
  for (size_t i = 0; i < vocabulary->pools.size(); ++i) {
    NodeId node = 0;
    for (int j = 0; j < message.series(static_cast<int>(i)).node_delta_size(); ++j) {
      node += message.series(static_cast<int>(i)).node_delta(j);
      CHECK(node == vocabulary->pools[i].nodes[static_cast<size_t>(j)]);
    }
  }
  vocabulary->dictionary = message.dictionary().SerializeAsString();
  return vocabulary;
}

std::unique_ptr<FleetWindows::Script> FleetWindows::MakeScript(size_t agent) const {
  auto script = std::make_unique<Script>();
  WindowEncoder encoder;
  encoder.set_receiver_bytes(options_.scripted_dictionary_bytes);
  Window window;
  v1::Window message;
  for (uint64_t sequence = 1; sequence <= options_.scripted_windows; ++sequence) {
    Draw(agent, sequence, window);
    encoder.Encode(window, message);
    Script::EncodedWindow& encoded = script->windows.emplace_back();
    v1::Window head;
    head.mutable_dictionary()->Swap(message.mutable_dictionary());
    head.set_dictionary_reset(message.dictionary_reset());
    head.set_dictionary_ends(message.dictionary_ends());
    encoded.head = head.SerializeAsString();
    for (v1::Series& series : *message.mutable_series()) {
      series.clear_labels();
      series.clear_type();
      series.clear_period();
      encoded.series.push_back(series.SerializeAsString());
    }
  }
  return script;
}

void FleetWindows::DrawCounts(size_t instance, uint64_t sequence, Counts& counts) const {
  const size_t stacks = shuffled_.size();
  // A service's hot stacks are its own: the ranks are those of service 0, moved on.
  const size_t first = Random(instance % options_.services).Below(stacks);
  Random random(Random(options_.seed ^ (uint64_t{instance} << 32)).Next() + sequence);
  uint64_t bits = 0;
  for (uint64_t i = 0; i < options_.samples; ++i) {
    bits = i % 4 == 0 ? random.Next() : bits >> 16;
    size_t place = first + zipf_ranks_[bits % kQuantiles];
    if (place >= stacks) place -= stacks;
    counts.Add(shuffled_[place]);
  }
}

void FleetWindows::AppendScripted(size_t agent, uint64_t sequence, std::string& window) const {
  const Script::EncodedWindow& encoded = scripts_[agent % scripts_.size()]->windows[sequence - 1];
  window += encoded.head;
  for (size_t i = 0; i < encoded.series.size(); ++i) {
    const std::string& head = series_heads_[agent + i * options_.agents];
    AppendFieldHead(v1::Window::kSeriesFieldNumber, head.size() + encoded.series[i].size(), window);
    absl::StrAppend(&window, head, encoded.series[i]);
  }
}

void FleetWindows::AppendDrawn(size_t agent, uint64_t sequence, std::string& window) const {
  Counts counts(shuffled_.size());
  std::string nodes;
  std::string numbers;
  std::string series;
  for (size_t i = 0; i < profiles_per_window(agent); ++i) {
    const Pool& pool = PoolOf(agent, i);
    const size_t instance = agent + i * options_.agents;
    DrawCounts(instance, sequence, counts);
    nodes.clear();
    numbers.clear();
    NodeId previous = 0;
    v1::LossCounters loss;
    counts.TakeAll([&](size_t stack, uint64_t count) {
      AppendVarint(pool.nodes[stack] - std::exchange(previous, pool.nodes[stack]), nodes);
      AppendVarint(count, numbers);
      loss.set_frames(loss.frames() + count * pool.depths[stack]);
    });
    series = series_heads_[instance];
    AppendField(v1::Series::kNodeDeltaFieldNumber, nodes, series);
    AppendField(v1::Series::kCountFieldNumber, numbers, series);
    AppendField(v1::Series::kLossFieldNumber, loss.SerializeAsString(), series);
    AppendField(v1::Window::kSeriesFieldNumber, series, window);
  }
}

void FleetWindows::Encode(size_t agent, uint64_t sequence, bool opens_stream, std::string& request) const {
  v1::Window head;
  head.set_agent(AgentName(agent));
  head.set_boot(options_.boot);
  head.set_sequence(sequence);
  head.set_start_unix_ns(absl::ToUnixNanos(Start(agent, sequence)));
  head.set_duration_ns(absl::ToInt64Nanoseconds(options_.duration));
  head.set_interval_ns(absl::ToInt64Nanoseconds(options_.interval));
  head.set_source("ebpf");
  std::string body = head.SerializeAsString();

  if (!scripts_.empty()) {
    AppendScripted(agent, sequence, body);
  } else {
    if (opens_stream) AppendField(v1::Window::kDictionaryFieldNumber, vocabulary(agent).dictionary, body);
    AppendDrawn(agent, sequence, body);
  }
  request.clear();
  AppendField(v1::StreamRequest::kWindowFieldNumber, body, request);
}

void FleetWindows::Draw(size_t agent, uint64_t sequence, Window& window) const {
  window.agent = AgentName(agent);
  window.boot = options_.boot;
  window.sequence = sequence;
  window.start = Start(agent, sequence);
  window.duration = options_.duration;
  window.interval = options_.interval;
  window.source = "ebpf";
  window.series.clear();
  if (window.trie.node_count() == 1) AddPools(agent, window.trie);
  Counts counts(shuffled_.size());
  for (size_t i = 0; i < profiles_per_window(agent); ++i) {
    const Pool& pool = PoolOf(agent, i);
    const size_t instance = agent + i * options_.agents;
    Series& series = window.series.emplace_back();
    series.labels = InstanceLabels(instance);
    series.period = kPeriod;
    DrawCounts(instance, sequence, counts);
    counts.TakeAll([&](size_t stack, uint64_t count) {
      series.samples.push_back({pool.nodes[stack], count, static_cast<int64_t>(count) * kPeriod});
      series.loss.frames += count * pool.depths[stack];
    });
  }
}

}  // namespace pilotlight::load
