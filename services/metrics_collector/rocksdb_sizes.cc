#include "services/metrics_collector/rocksdb_sizes.h"

#include <algorithm>

#include "common/status/macros.h"
#include "common/storage/prefix_iterator.h"
#include "services/metrics_collector/rocksdb_keys.h"
#include "services/metrics_collector/rocksdb_store.h"

namespace gateway::metrics_collector {

std::string RocksdbSizes::KeyOf(uint64_t slice) const {
  return prefix_ + TimeKey(slice);
}

absl::Status RocksdbSizes::Load(const storage::Database::Handle& db) {
  bytes_.clear();
  total_ = 0;
  storage::PrefixIterator it(db, kMetaFamily, prefix_);
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    if (it.rest().size() != 8 || it.value().size() != 8) {
      return storage::DamagedData();
    }
    const int64_t bytes = storage::ReadBigEndian64(it.value().data());
    bytes_[storage::ReadBigEndian64(it.rest().data())] = bytes;
    total_ += bytes;
  }
  return it.status();
}

void RocksdbSizes::AddChange(const storage::Database::Handle& db,
                             const BySlice& change,
                             rocksdb::WriteBatch& batch) const {
  for (const auto& [slice, bytes] : change) {
    const auto it = bytes_.find(slice);
    const int64_t before = it == bytes_.end() ? 0 : it->second;
    batch.Put(db.family(kMetaFamily), KeyOf(slice),
              TimeKey(std::max<int64_t>(0, before + bytes)));
  }
}

void RocksdbSizes::Apply(const BySlice& change) {
  for (const auto& [slice, bytes] : change) {
    int64_t& held = bytes_[slice];
    const int64_t after = std::max<int64_t>(0, held + bytes);
    total_ += after - held;
    held = after;
  }
}

uint64_t RocksdbSizes::CutFor(int64_t max_bytes) const {
  int64_t left = total_;
  for (const auto& [slice, bytes] : bytes_) {
    if (left <= max_bytes) return slice * slice_us_;
    left -= bytes;
  }
  return bytes_.empty() ? 0 : (bytes_.rbegin()->first + 1) * slice_us_;
}

bool RocksdbSizes::AnyBefore(uint64_t micros) const {
  return !bytes_.empty() && bytes_.begin()->first < SliceOf(micros);
}

void RocksdbSizes::AddRemoval(const storage::Database::Handle& db,
                              uint64_t micros,
                              rocksdb::WriteBatch& batch) const {
  batch.DeleteRange(db.family(kMetaFamily), prefix_, KeyOf(SliceOf(micros)));
}

void RocksdbSizes::Forget(uint64_t micros) {
  const auto end = bytes_.lower_bound(SliceOf(micros));
  for (auto it = bytes_.begin(); it != end; it = bytes_.erase(it)) {
    total_ -= it->second;
  }
}

}  // namespace gateway::metrics_collector
