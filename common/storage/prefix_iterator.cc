#include "common/storage/prefix_iterator.h"

#include <utility>

namespace gateway::storage {

std::string PrefixEnd(absl::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) {
    end.pop_back();
  }
  if (!end.empty()) end.back() = static_cast<char>(end.back() + 1);
  return end;
}

PrefixIterator::PrefixIterator(const Database::Handle& db, size_t family,
                               std::string prefix)
    : prefix_(std::move(prefix)), end_(PrefixEnd(prefix_)) {
  lower_ = prefix_;
  upper_ = end_;
  rocksdb::ReadOptions options;
  options.iterate_lower_bound = &lower_;
  if (!end_.empty()) options.iterate_upper_bound = &upper_;
  it_.reset(db->NewIterator(options, db.family(family)));
}

absl::string_view PrefixIterator::rest() const {
  const rocksdb::Slice key = it_->key();
  return absl::string_view(key.data(), key.size()).substr(prefix_.size());
}

}  // namespace gateway::storage
