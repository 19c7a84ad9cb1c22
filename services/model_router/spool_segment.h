#ifndef GATEWAY_SERVICES_MODEL_ROUTER_SPOOL_SEGMENT_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_SPOOL_SEGMENT_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace gateway::model_router {

// One file of the usage spool: a fixed size, reserved on disk when it is made
// and mapped into memory, so that a record costs a copy and no system call.
// What is copied belongs to the kernel and survives the process, however it
// ends.
//
// Format, little endian. The file: 8 bytes magic, 8 bytes sequence number, then
// records. A record: u32 payload size, u32 checksum, u64 attempt id, u8 kind, 7
// bytes 0, payload, 0 up to a multiple of 8. A size of 0 ends the file. A
// record whose checksum is wrong was torn by a kill: nothing behind it counts.
//
// Thread-compatible; reading what lies before a known end() is safe beside an
// Append.
class SpoolSegment {
 public:
  // Stored; do not renumber.
  enum class Kind : uint8_t {
    // The attempt may begin: its row as far as it is known.
    kOpened = 1,
    // It has ended: its whole row.
    kClosed = 2,
  };

  struct Record {
    Kind kind;
    uint64_t id;
    // Into the mapping; as long as the segment lives.
    absl::string_view payload;
    // Where the next record begins.
    size_t next;
  };

  // Reserves `size` bytes in a new file. UNAVAILABLE: the disk is full or the
  // directory cannot be written.
  static absl::StatusOr<std::unique_ptr<SpoolSegment>> Create(
      const std::string& path, uint64_t sequence, size_t size);

  // Maps a file that an earlier process left behind, to be read: its end may be
  // torn, so nothing fits behind it. DATA_LOSS: not a segment.
  static absl::StatusOr<std::unique_ptr<SpoolSegment>> Open(
      const std::string& path);

  ~SpoolSegment();
  SpoolSegment(const SpoolSegment&) = delete;
  SpoolSegment& operator=(const SpoolSegment&) = delete;

  // What a payload of this size takes.
  static size_t RecordSize(size_t payload_size);

  // Where the first record begins.
  static constexpr size_t kBegin = 16;
  // Behind the last record.
  size_t end() const { return end_; }
  size_t free_bytes() const { return sealed_ ? 0 : size_ - end_; }
  uint64_t sequence() const { return sequence_; }

  // Precondition: RecordSize(payload.size()) <= free_bytes(), payload not
  // empty.
  void Append(Kind kind, uint64_t id, absl::string_view payload);

  // The record at `offset`; nullopt if none that is whole begins there.
  std::optional<Record> At(size_t offset) const;

  // Waits until what was appended is on the disk.
  absl::Status Sync();

  // Forgets all records; the file is as if new. Nothing reads it meanwhile.
  void Clear();

  // The file goes with the object.
  void DeleteFile() { delete_file_ = true; }

 private:
  SpoolSegment(std::string path, int fd, char* data, size_t size);

  const std::string path_;
  const int fd_;
  char* const data_;
  const size_t size_;
  uint64_t sequence_ = 0;
  size_t end_ = kBegin;
  bool sealed_ = false;
  bool delete_file_ = false;
};

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_SPOOL_SEGMENT_H_
