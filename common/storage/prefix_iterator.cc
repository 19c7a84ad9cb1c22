#include "common/storage/prefix_iterator.h"

#include <utility>

namespace gateway::storage {

PrefixIterator::PrefixIterator(const Database::Handle& db, size_t family,
                               std::string prefix)
    : prefix_(std::move(prefix)), end_(prefix_) {
  while (!end_.empty() && static_cast<unsigned char>(end_.back()) == 0xff) {
    end_.pop_back();
  }
  if (!end_.empty()) end_.back() = static_cast<char>(end_.back() + 1);
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
