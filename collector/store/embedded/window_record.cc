#include "collector/store/embedded/window_record.h"

#include "collector/store/embedded/bytes.h"

namespace pilotlight::collector {
namespace {

constexpr uint64_t kHasValues = 1;
// As BlockDictionary's: bounds the sums that a broken record can make a query allocate.
constexpr uint64_t kMaxNode = uint64_t{1} << 26;
// Bytes of a series without samples: twelve numbers.
constexpr size_t kMinSeriesBytes = 12;

// Sums wrap instead of overflowing: what a broken or hostile record says must not be undefined behaviour.
int64_t Multiply(uint64_t count, int64_t period) {
  return static_cast<int64_t>(count * static_cast<uint64_t>(period));
}

ProfileTotals WrappingTotals(const Sample* first, size_t count) {
  uint64_t counts = 0;
  uint64_t values = 0;
  for (size_t i = 0; i < count; ++i) {
    counts += first[i].count;
    values += static_cast<uint64_t>(first[i].value);
  }
  return {counts, static_cast<int64_t>(values)};
}

void EncodeSeries(const RecordedSeries& series, uint32_t previous_id, std::string& out) {
  std::string nodes;
  std::string counts;
  std::string values;
  NodeId previous_node = 0;
  bool values_follow = true;
  for (const Sample& sample : series.samples) {
    AppendVarint(nodes, sample.node - previous_node);
    AppendVarint(counts, sample.count);
    previous_node = sample.node;
    values_follow &= sample.value == Multiply(sample.count, series.period);
  }
  if (!values_follow) {
    for (const Sample& sample : series.samples) AppendZigzag(values, sample.value);
  }
  AppendVarint(out, series.id - previous_id);
  AppendVarint(out, values_follow ? 0 : kHasValues);
  AppendZigzag(out, series.period);
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

}  // namespace

std::string EncodeWindowRecord(int64_t duration_ns, int64_t interval_ns,
                               const std::vector<RecordedSeries>& series) {
  std::string out;
  AppendZigzag(out, duration_ns);
  AppendZigzag(out, interval_ns - duration_ns);
  AppendVarint(out, series.size());
  uint32_t previous_id = 0;
  for (const RecordedSeries& one : series) {
    EncodeSeries(one, previous_id, out);
    previous_id = one.id;
  }
  return out;
}

bool ParseWindowRecord(absl::string_view bytes, WindowRecord& record) {
  ByteReader reader(bytes);
  record.duration_ns = reader.Zigzag();
  record.interval_ns = static_cast<int64_t>(static_cast<uint64_t>(record.duration_ns) +
                                            static_cast<uint64_t>(reader.Zigzag()));
  record.series.resize(reader.Count(kMinSeriesBytes));
  uint64_t id = 0;
  for (SeriesInRecord& series : record.series) {
    id += reader.VarintUpTo(UINT32_MAX);
    if (id > UINT32_MAX) return false;
    series.id = static_cast<uint32_t>(id);
    const uint64_t flags = reader.VarintUpTo(kHasValues);
    series.has_values = (flags & kHasValues) != 0;
    series.period = reader.Zigzag();
    series.loss.lost_samples = reader.Varint();
    series.loss.truncated_stacks = reader.Varint();
    series.loss.frames = reader.Varint();
    series.loss.unsymbolized_frames = reader.Varint();
    series.total.count = reader.Varint();
    series.total.value = reader.Zigzag();
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
    first[i].value = Multiply(first[i].count, series.period);
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
