#include "collector/store/embedded/boot_table.h"

#include <algorithm>
#include <memory>

#include "base/status_macros.h"
#include "collector/store/embedded/bytes.h"
#include "collector/store/embedded/keys.h"
#include "collector/store/embedded/rocks_status.h"

namespace pilotlight::collector {

absl::Status BootTable::Load(rocksdb::DB& rocks) {
  absl::flat_hash_map<Name, Boot> boots;
  const std::string prefix = BootPrefix();
  const std::unique_ptr<rocksdb::Iterator> records(rocks.NewIterator(rocksdb::ReadOptions()));
  for (records->Seek(prefix); records->Valid() && records->key().starts_with(prefix); records->Next()) {
    ByteReader key(ToView(records->key()).substr(prefix.size()));
    std::string agent(key.Sized());
    std::string name(key.Bytes(key.remaining()));
    ByteReader value(ToView(records->value()));
    Boot boot;
    boot.id = static_cast<uint32_t>(value.VarintUpTo(UINT32_MAX));
    boot.last_sequence = value.Varint();
    boot.last_seen = absl::FromUnixNanos(static_cast<int64_t>(value.BigEndian<uint64_t>()));
    if (!key.done() || !value.done()) return absl::DataLossError("a boot's record is broken");
    boots[{std::move(agent), std::move(name)}] = boot;
  }
  RETURN_IF_ERROR(ToStatus(records->status(), "reading the agents' boots"));
  boots_ = std::move(boots);
  return absl::OkStatus();
}

const BootTable::Boot* BootTable::Find(const std::string& agent, const std::string& boot) const {
  const auto found = boots_.find(Name(agent, boot));
  return found == boots_.end() ? nullptr : &found->second;
}

void BootTable::Set(const std::string& agent, const std::string& boot, const Boot& state,
                    rocksdb::WriteBatch& batch) {
  boots_[{agent, boot}] = state;
  std::string value;
  AppendVarint(value, state.id);
  AppendVarint(value, state.last_sequence);
  AppendBigEndian(value, static_cast<uint64_t>(absl::ToUnixNanos(state.last_seen)));
  batch.Put(BootKey(agent, boot), value);
}

size_t BootTable::ForgetSeenBefore(absl::Time time, rocksdb::WriteBatch& batch) {
  const size_t before = boots_.size();
  absl::erase_if(boots_, [&](const auto& entry) {
    const auto& [name, boot] = entry;
    if (boot.last_seen >= time) return false;
    batch.Delete(BootKey(name.first, name.second));
    return true;
  });
  return before - boots_.size();
}

size_t BootTable::ForgetDownTo(size_t count, rocksdb::WriteBatch& batch) {
  if (boots_.size() <= count) return 0;
  const size_t forgotten = boots_.size() - count;
  std::vector<std::pair<absl::Time, Name>> by_age;
  for (const auto& [name, boot] : boots_) by_age.emplace_back(boot.last_seen, name);
  std::ranges::nth_element(by_age, by_age.begin() + static_cast<std::ptrdiff_t>(forgotten));
  by_age.resize(forgotten);
  for (const auto& [seen, name] : by_age) {
    boots_.erase(name);
    batch.Delete(BootKey(name.first, name.second));
  }
  return forgotten;
}

}  // namespace pilotlight::collector
