#include "collector/store/embedded/series_table.h"

#include <utility>

#include "collector/store/embedded/bytes.h"

namespace pilotlight::collector {

std::string EncodeSeriesIdentity(const SeriesIdentity& identity) {
  std::string out;
  const ProfileType& type = identity.type;
  for (const std::string* part :
       {&type.name, &type.sample_type, &type.sample_unit, &type.period_type, &type.period_unit}) {
    AppendSized(out, *part);
  }
  AppendVarint(out, identity.labels.size());
  for (const auto& [name, value] : identity.labels) {
    AppendSized(out, name);
    AppendSized(out, value);
  }
  return out;
}

absl::Status DecodeSeriesIdentity(absl::string_view bytes, SeriesIdentity& identity) {
  ByteReader reader(bytes);
  ProfileType& type = identity.type;
  for (std::string* part :
       {&type.name, &type.sample_type, &type.sample_unit, &type.period_type, &type.period_unit}) {
    *part = std::string(reader.Sized());
  }
  identity.labels.clear();
  for (size_t count = reader.Count(2); count > 0; --count) {
    std::string name(reader.Sized());
    identity.labels[std::move(name)] = std::string(reader.Sized());
  }
  if (!reader.done()) return absl::DataLossError("broken series record");
  return absl::OkStatus();
}

absl::Status SeriesTable::AddRecord(uint32_t id, absl::string_view record) {
  // Numbers are dense but for lost records; a number far off is itself broken.
  constexpr uint32_t kMaxGap = 1u << 20;
  if (id < size() || id - size() > kMaxGap) return absl::DataLossError("broken series number");
  SeriesIdentity identity;
  if (absl::Status status = DecodeSeriesIdentity(record, identity); !status.ok()) return status;
  Add(id, std::string(record), std::move(identity));
  return absl::OkStatus();
}

SeriesTable::Interned SeriesTable::Intern(const std::string& record, const SeriesIdentity& identity) {
  if (const auto found = ids_.find(record); found != ids_.end()) return {found->second, /*added=*/false};
  const auto id = static_cast<uint32_t>(size());
  Add(id, record, identity);
  return {id, /*added=*/true};
}

void SeriesTable::Add(uint32_t id, const std::string& record, SeriesIdentity identity) {
  // A map node with two short strings, and a slot in each table.
  constexpr size_t kLabelBytes = 112;
  constexpr size_t kSlotBytes = sizeof(std::optional<SeriesIdentity>) + 2 * sizeof(std::string);
  byte_size_ += kSlotBytes + 2 * record.size() + identity.labels.size() * kLabelBytes;
  identities_.resize(size_t{id} + 1);
  identities_[id] = std::move(identity);
  ids_.emplace(record, id);
}

}  // namespace pilotlight::collector
