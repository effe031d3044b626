#include "collector/store/embedded/record.h"

#include <algorithm>
#include <cstring>

#include "collector/store/embedded/block_dictionary.h"
#include "collector/store/embedded/bytes.h"

namespace pilotlight::collector {
namespace {

constexpr uint64_t kHasValues = 1;
// Bounds the sums that a broken record can make a query allocate.
constexpr uint64_t kMaxNode = BlockDictionary::kMaxEntries;
// Bytes of a series without samples: twelve numbers.
constexpr size_t kMinSeriesBytes = 12;

ProfileTotals WrappingTotals(const Sample* first, size_t count) {
  uint64_t counts = 0;
  uint64_t values = 0;
  for (size_t i = 0; i < count; ++i) {
    counts += first[i].count;
    values += static_cast<uint64_t>(first[i].value);
  }
  return {counts, static_cast<int64_t>(values)};
}

uint64_t BitsOf(double value) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

double FromBits(uint64_t bits) {
  double value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

void EncodeSpan(uint64_t start_ns, const SeriesSpan& span, std::string& out) {
  AppendVarint(out, span.windows);
  AppendZigzag(out, span.watched_ns);
  AppendBigEndian(out, BitsOf(span.estimated_value));
  AppendVarint(out, span.first_start_ns - start_ns);
  AppendVarint(out, span.last_end_ns - span.first_start_ns);
}

void ParseSpan(uint64_t start_ns, ByteReader& reader, SeriesSpan& span) {
  span.windows = reader.Varint();
  span.watched_ns = reader.Zigzag();
  span.estimated_value = FromBits(reader.BigEndian<uint64_t>());
  span.first_start_ns = start_ns + reader.Varint();
  span.last_end_ns = span.first_start_ns + reader.Varint();
}

// `span_start_ns` is null for a window.
void EncodeSeries(const RecordedSeries& series, uint32_t previous_id, const uint64_t* span_start_ns,
                  std::string& out) {
  std::string nodes;
  std::string counts;
  std::string values;
  NodeId previous_node = 0;
  bool values_follow = true;
  for (const Sample& sample : series.samples) {
    AppendVarint(nodes, sample.node - previous_node);
    AppendVarint(counts, sample.count);
    previous_node = sample.node;
    values_follow &= sample.value == ValueOf(sample.count, series.period);
  }
  if (!values_follow) {
    for (const Sample& sample : series.samples) AppendZigzag(values, sample.value);
  }
  AppendVarint(out, series.id - previous_id);
  AppendVarint(out, values_follow ? 0 : kHasValues);
  AppendZigzag(out, series.period);
  if (span_start_ns != nullptr) EncodeSpan(*span_start_ns, series.span, out);
  AppendVarint(out, series.loss.lost_samples);
  AppendVarint(out, series.loss.truncated_stacks);
  AppendVarint(out, series.loss.frames);
  AppendVarint(out, series.loss.unsymbolized_frames);
  const ProfileTotals total = WrappingTotals(series.samples.data(), series.samples.size());
  AppendVarint(out, total.count);
  AppendZigzag(out, total.value);
  AppendVarint(out, series.samples.size());
  AppendVarint(out, nodes.size());
  AppendVarint(out, counts.size());
  if (!values_follow) AppendVarint(out, values.size());
  out += nodes;
  out += counts;
  out += values;
}

void EncodeAll(const std::vector<RecordedSeries>& series, const uint64_t* span_start_ns, std::string& out) {
  AppendVarint(out, series.size());
  uint32_t previous_id = 0;
  for (const RecordedSeries& one : series) {
    EncodeSeries(one, previous_id, span_start_ns, out);
    previous_id = one.id;
  }
}

}  // namespace

int64_t ValueOf(uint64_t count, int64_t period) {
  return static_cast<int64_t>(count * static_cast<uint64_t>(period));
}

double ScaleToInterval(int64_t value, int64_t duration_ns, int64_t interval_ns) {
  if (duration_ns <= 0) return static_cast<double>(value);
  return static_cast<double>(value) * static_cast<double>(interval_ns) / static_cast<double>(duration_ns);
}

SeriesSpan& SeriesSpan::operator+=(const SeriesSpan& other) {
  if (other.windows == 0) return *this;
  first_start_ns = windows == 0 ? other.first_start_ns : std::min(first_start_ns, other.first_start_ns);
  last_end_ns = std::max(last_end_ns, other.last_end_ns);
  windows += other.windows;
  watched_ns =
      static_cast<int64_t>(static_cast<uint64_t>(watched_ns) + static_cast<uint64_t>(other.watched_ns));
  estimated_value += other.estimated_value;
  return *this;
}

void Add(RecordedSeries&& from, RecordedSeries& to) {
  if (to.period != from.period) to.period = 0;
  to.loss += from.loss;
  to.span += from.span;
  to.samples.insert(to.samples.end(), from.samples.begin(), from.samples.end());
}

std::string EncodeWindowRecord(int64_t duration_ns, int64_t interval_ns,
                               const std::vector<RecordedSeries>& series) {
  std::string out;
  AppendZigzag(out, duration_ns);
  AppendZigzag(out, interval_ns - duration_ns);
  EncodeAll(series, nullptr, out);
  return out;
}

std::string EncodeSpanRecord(uint64_t span_start_ns, const std::vector<RecordedSeries>& series) {
  std::string out;
  EncodeAll(series, &span_start_ns, out);
  return out;
}

std::string EncodeServiceSums(uint64_t span_start_ns, const std::vector<ServiceSum>& sums) {
  std::string out;
  AppendVarint(out, sums.size());
  std::vector<RecordedSeries> series;
  for (const ServiceSum& one : sums) {
    AppendVarint(out, one.ids.size());
    uint32_t previous = 0;
    for (const uint32_t id : one.ids) {
      AppendVarint(out, id - previous);
      previous = id;
    }
    series.push_back(one.sum);
  }
  EncodeAll(series, &span_start_ns, out);
  return out;
}

bool ParseServiceSums(Level level, uint64_t start_ns, absl::string_view bytes,
                      std::vector<SeriesInRecord>& series) {
  ByteReader reader(bytes);
  std::vector<std::vector<uint32_t>> ids(reader.Count(1));
  for (std::vector<uint32_t>& of_one : ids) {
    of_one.resize(reader.Count(1));
    uint64_t id = 0;
    for (uint32_t& one : of_one) {
      id += reader.VarintUpTo(UINT32_MAX);
      if (id > UINT32_MAX) return false;
      one = static_cast<uint32_t>(id);
    }
  }
  if (!reader.ok()) return false;
  if (!ParseRecord(level, start_ns, bytes.substr(bytes.size() - reader.remaining()), series)) return false;
  if (series.size() != ids.size()) return false;
  for (size_t i = 0; i < series.size(); ++i) {
    if (ids[i].empty() || ids[i].front() != series[i].id) return false;
    series[i].further_ids.assign(ids[i].begin() + 1, ids[i].end());
  }
  return true;
}

bool ParseRecord(Level level, uint64_t start_ns, absl::string_view bytes, std::vector<SeriesInRecord>& all) {
  ByteReader reader(bytes);
  const bool is_window = level == Level::kWindow;
  int64_t duration_ns = 0;
  int64_t interval_ns = 0;
  if (is_window) {
    duration_ns = reader.Zigzag();
    interval_ns =
        static_cast<int64_t>(static_cast<uint64_t>(duration_ns) + static_cast<uint64_t>(reader.Zigzag()));
  }
  all.resize(reader.Count(kMinSeriesBytes));
  uint64_t id = 0;
  for (SeriesInRecord& series : all) {
    id += reader.VarintUpTo(UINT32_MAX);
    if (id > UINT32_MAX) return false;
    series.id = static_cast<uint32_t>(id);
    series.further_ids.clear();
    const uint64_t flags = reader.VarintUpTo(kHasValues);
    series.has_values = (flags & kHasValues) != 0;
    series.period = reader.Zigzag();
    if (!is_window) ParseSpan(start_ns, reader, series.span);
    series.loss.lost_samples = reader.Varint();
    series.loss.truncated_stacks = reader.Varint();
    series.loss.frames = reader.Varint();
    series.loss.unsymbolized_frames = reader.Varint();
    series.total.count = reader.Varint();
    series.total.value = reader.Zigzag();
    if (is_window) {
      series.span = {.windows = 1,
                     .watched_ns = duration_ns,
                     .estimated_value = ScaleToInterval(series.total.value, duration_ns, interval_ns),
                     .first_start_ns = start_ns,
                     .last_end_ns = start_ns + static_cast<uint64_t>(interval_ns)};
    }
    series.sample_count = reader.Count(2);
    const uint64_t node_bytes = reader.Varint();
    const uint64_t count_bytes = reader.Varint();
    const uint64_t value_bytes = series.has_values ? reader.Varint() : 0;
    series.nodes = reader.Bytes(node_bytes);
    series.counts = reader.Bytes(count_bytes);
    series.values = reader.Bytes(value_bytes);
  }
  return reader.done();
}

bool DecodeSamples(const SeriesInRecord& series, std::vector<Sample>& samples) {
  const size_t before = samples.size();
  samples.resize(before + series.sample_count);
  Sample* const first = samples.data() + before;
  ByteReader nodes(series.nodes);
  ByteReader counts(series.counts);
  uint64_t node = 0;
  bool in_range = true;
  for (size_t i = 0; i < series.sample_count; ++i) {
    node += nodes.VarintUpTo(kMaxNode);
    in_range &= node <= kMaxNode;
    first[i].node = static_cast<NodeId>(node);
    first[i].count = counts.Varint();
    first[i].value = ValueOf(first[i].count, series.period);
  }
  ByteReader values(series.values);
  if (series.has_values) {
    for (size_t i = 0; i < series.sample_count; ++i) first[i].value = values.Zigzag();
  }
  const ProfileTotals total = WrappingTotals(first, series.sample_count);
  if (nodes.done() && counts.done() && values.done() && in_range && total.count == series.total.count &&
      total.value == series.total.value) {
    return true;
  }
  samples.resize(before);
  return false;
}

}  // namespace pilotlight::collector
