#ifndef GATEWAY_COMMON_STORAGE_PREFIX_ITERATOR_H_
#define GATEWAY_COMMON_STORAGE_PREFIX_ITERATOR_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>
#include <rocksdb/iterator.h>

#include <memory>
#include <string>

#include "common/storage/database.h"

namespace gateway::storage {

// The next string that does not begin with `prefix`; empty: there is none.
std::string PrefixEnd(absl::string_view prefix);

// Iterates over the keys of a family that begin with a prefix, and no others.
// Stands nowhere until one of the Seeks. Thread-compatible; `db` outlives it.
class PrefixIterator {
 public:
  PrefixIterator(const Database::Handle& db, size_t family, std::string prefix);

  // False behind either end, and where something is damaged: see status().
  bool Valid() const { return it_->Valid(); }
  void SeekToFirst() { it_->Seek(lower_); }
  // To the first that is not before `key`.
  void Seek(const std::string& key) { it_->Seek(key); }
  void SeekForPrev(const std::string& key) { it_->SeekForPrev(key); }
  void Next() { it_->Next(); }
  void Prev() { it_->Prev(); }

  rocksdb::Slice key() const { return it_->key(); }
  rocksdb::Slice value() const { return it_->value(); }
  // What follows the prefix in the key.
  absl::string_view rest() const;

  // Why it is not Valid; OK at an end.
  absl::Status status() const { return ToStatus(it_->status()); }

 private:
  const std::string prefix_;
  const std::string end_;
  rocksdb::Slice lower_;
  rocksdb::Slice upper_;
  std::unique_ptr<rocksdb::Iterator> it_;
};

}  // namespace gateway::storage

#endif  // GATEWAY_COMMON_STORAGE_PREFIX_ITERATOR_H_
