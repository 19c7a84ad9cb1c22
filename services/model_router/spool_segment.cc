#include "services/model_router/spool_segment.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

namespace gateway::model_router {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr char kMagic[8] = {'A', 'G', 'S', 'P', 'O', 'O', 'L', '1'};
constexpr size_t kHeaderSize = 24;

struct Header {
  uint32_t payload_size;
  uint32_t checksum;
  uint64_t id;
  uint64_t kind;
};
static_assert(sizeof(Header) == kHeaderSize);

size_t Padded(size_t size) { return (size + 7) & ~size_t{7}; }

// Tells a torn record from a whole one. Stored: do not change.
uint32_t Checksum(uint64_t id, uint64_t kind, absl::string_view payload) {
  uint64_t hash = 0x9e3779b97f4a7c15 ^ payload.size();
  const auto mix = [&hash](uint64_t word) {
    hash = (hash ^ word) * 0xff51afd7ed558ccd;
    hash ^= hash >> 32;
  };
  mix(id);
  mix(kind);
  size_t at = 0;
  for (; at + 8 <= payload.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, payload.data() + at, 8);
    mix(word);
  }
  uint64_t tail = 0;
  std::memcpy(&tail, payload.data() + at, payload.size() - at);
  mix(tail);
  return static_cast<uint32_t>(hash ^ (hash >> 29));
}

absl::Status SystemError(absl::string_view what, const std::string& path) {
  return absl::UnavailableError(
      absl::StrCat(what, " ", path, ": ", std::strerror(errno)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SpoolSegment>> SpoolSegment::Create(
    const std::string& path, uint64_t sequence, size_t size) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
                      S_IRUSR | S_IWUSR);
  if (fd < 0) return SystemError("cannot create", path);
  void* data = MAP_FAILED;
  errno = posix_fallocate(fd, 0, static_cast<off_t>(size));
  if (errno == 0) {
    data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  if (data == MAP_FAILED) {
    absl::Status status = SystemError("cannot reserve space for", path);
    close(fd);
    unlink(path.c_str());
    return status;
  }
  std::unique_ptr<SpoolSegment> segment(
      new SpoolSegment(path, fd, static_cast<char*>(data), size));
  segment->sequence_ = sequence;
  std::memcpy(segment->data_, kMagic, sizeof(kMagic));
  std::memcpy(segment->data_ + sizeof(kMagic), &sequence, sizeof(sequence));
  return segment;
}

absl::StatusOr<std::unique_ptr<SpoolSegment>> SpoolSegment::Open(
    const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return SystemError("cannot open", path);
  struct stat info;
  void* data = MAP_FAILED;
  const bool sized =
      fstat(fd, &info) == 0 && info.st_size >= static_cast<off_t>(kBegin);
  const size_t size = sized ? static_cast<size_t>(info.st_size) : 0;
  if (sized) {
    data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  if (data == MAP_FAILED || std::memcmp(data, kMagic, sizeof(kMagic)) != 0) {
    if (data != MAP_FAILED) munmap(data, size);
    close(fd);
    return absl::DataLossError(absl::StrCat(path, " is no usage spool"));
  }
  std::unique_ptr<SpoolSegment> segment(
      new SpoolSegment(path, fd, static_cast<char*>(data), size));
  std::memcpy(&segment->sequence_, segment->data_ + sizeof(kMagic),
              sizeof(segment->sequence_));
  segment->sealed_ = true;
  while (const auto record = segment->At(segment->end_)) {
    segment->end_ = record->next;
  }
  return segment;
}

SpoolSegment::SpoolSegment(std::string path, int fd, char* data, size_t size)
    : path_(std::move(path)), fd_(fd), data_(data), size_(size) {}

SpoolSegment::~SpoolSegment() {
  munmap(data_, size_);
  close(fd_);
  if (delete_file_) unlink(path_.c_str());
}

size_t SpoolSegment::RecordSize(size_t payload_size) {
  return kHeaderSize + Padded(payload_size);
}

void SpoolSegment::Append(Kind kind, uint64_t id, absl::string_view payload) {
  Header header;
  header.payload_size = static_cast<uint32_t>(payload.size());
  header.id = id;
  header.kind = static_cast<uint64_t>(kind);
  header.checksum = Checksum(header.id, header.kind, payload);
  std::memcpy(data_ + end_ + kHeaderSize, payload.data(), payload.size());
  std::memcpy(data_ + end_, &header, kHeaderSize);
  end_ += RecordSize(payload.size());
}

std::optional<SpoolSegment::Record> SpoolSegment::At(size_t offset) const {
  if (offset + kHeaderSize > size_) return std::nullopt;
  Header header;
  std::memcpy(&header, data_ + offset, kHeaderSize);
  const size_t room = size_ - offset - kHeaderSize;
  if (header.payload_size == 0 || header.payload_size > room) {
    return std::nullopt;
  }
  const absl::string_view payload(data_ + offset + kHeaderSize,
                                  header.payload_size);
  if (header.checksum != Checksum(header.id, header.kind, payload)) {
    return std::nullopt;
  }
  return Record{static_cast<Kind>(header.kind), header.id, payload,
                offset + RecordSize(payload.size())};
}

void SpoolSegment::Clear() {
  // All of it: whatever stood there must not be taken for a record again.
  std::memset(data_ + kBegin, 0, size_ - kBegin);
  end_ = kBegin;
  sealed_ = false;
}

absl::Status SpoolSegment::Sync() {
  if (fdatasync(fd_) != 0) return SystemError("cannot sync", path_);
  return absl::OkStatus();
}

}  // namespace gateway::model_router
