#include "collector/store/embedded/aggregates.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "collector/store/embedded/bytes.h"
#include "collector/store/embedded/keys.h"
#include "collector/store/embedded/open_spans.h"
#include "collector/store/embedded/rocks_status.h"

namespace pilotlight::collector {
namespace {

std::vector<std::vector<std::string>> Normalized(std::vector<std::vector<std::string>> definitions) {
  for (std::vector<std::string>& labels : definitions) std::ranges::sort(labels);
  std::ranges::sort(definitions, [](const auto& a, const auto& b) {
    return std::make_pair(a.size(), a) < std::make_pair(b.size(), b);
  });
  definitions.erase(std::unique(definitions.begin(), definitions.end()), definitions.end());
  // Any other one has the sums over its label sets, too.
  if (definitions.size() > 1 && definitions.front().empty()) definitions.erase(definitions.begin());
  return definitions;
}

// No label's name has a comma.
std::string NameOf(const std::vector<std::string>& labels) { return absl::StrJoin(labels, ","); }

}  // namespace

Labels Aggregate::Reduce(const Labels& labels_of_series) const {
  Labels reduced;
  for (const std::string& name : labels) {
    if (const auto label = labels_of_series.find(name); label != labels_of_series.end()) {
      reduced.insert(*label);
    }
  }
  return reduced;
}

Aggregates::Aggregates(std::vector<std::vector<std::string>> definitions)
    : definitions_(Normalized(std::move(definitions))) {}

absl::Status Aggregates::Load(rocksdb::DB& rocks, absl::Time first_new, rocksdb::WriteBatch& batch) {
  struct Known {
    uint32_t id;
    uint64_t since_ns;
  };
  std::map<std::string, Known> known;
  uint32_t lowest_id = kAllAggregates;
  const std::string prefix = AggregatePrefix();
  const std::unique_ptr<rocksdb::Iterator> records(rocks.NewIterator(rocksdb::ReadOptions()));
  for (records->Seek(prefix); records->Valid() && records->key().starts_with(prefix); records->Next()) {
    ByteReader reader(ToView(records->value()));
    Known one{};
    one.id = static_cast<uint32_t>(reader.VarintUpTo(UINT32_MAX));
    one.since_ns = reader.Varint();
    if (!reader.done()) return absl::DataLossError("an aggregate's record is broken");
    lowest_id = std::min(lowest_id, one.id);
    known[std::string(ToView(records->key()).substr(prefix.size()))] = one;
  }
  RETURN_IF_ERROR(ToStatus(records->status(), "reading the aggregates"));

  std::vector<Aggregate> aggregates;
  for (const std::vector<std::string>& labels : definitions_) {
    const std::string name = NameOf(labels);
    const auto found = known.find(name);
    if (found != known.end()) {
      aggregates.push_back({labels, found->second.id, found->second.since_ns});
      known.erase(found);
      continue;
    }
    const Aggregate& added = aggregates.emplace_back(
        Aggregate{labels, --lowest_id, static_cast<uint64_t>(absl::ToUnixNanos(first_new))});
    std::string record;
    AppendVarint(record, added.id);
    AppendVarint(record, added.since_ns);
    batch.Put(AggregateKey(name), record);
  }
  for (const auto& [name, one] : known) batch.Delete(AggregateKey(name));

  const MutexLock lock(mutex_);
  aggregates_ = std::move(aggregates);
  return absl::OkStatus();
}

std::vector<Aggregate> Aggregates::All() const {
  const MutexLock lock(mutex_);
  return aggregates_;
}

std::optional<Aggregate> Aggregates::Find(const std::vector<Matcher>& matchers,
                                          const std::vector<std::string>& group_by) const {
  const MutexLock lock(mutex_);
  for (const Aggregate& aggregate : aggregates_) {
    const auto keeps = [&aggregate](const std::string& name) {
      return std::ranges::binary_search(aggregate.labels, name);
    };
    if (std::ranges::all_of(matchers, keeps, &Matcher::name) && std::ranges::all_of(group_by, keeps)) {
      return aggregate;
    }
  }
  return std::nullopt;
}

}  // namespace pilotlight::collector
