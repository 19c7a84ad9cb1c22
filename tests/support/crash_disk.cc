#include "tests/support/crash_disk.h"

#include <rocksdb/file_system.h>

#include <filesystem>
#include <map>
#include <mutex>
#include <string>

namespace gateway {

using rocksdb::DataVerificationInfo;
using rocksdb::DirFsyncOptions;
using rocksdb::FileOptions;
using rocksdb::FSDirectory;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class CrashDisk::Files : public rocksdb::FileSystemWrapper {
 public:
  Files() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "CrashDisk"; }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<FSWritableFile>* file,
                           IODebugContext* debug) override;
  IOStatus ReopenWritableFile(const std::string& path,
                              const FileOptions& options,
                              std::unique_ptr<FSWritableFile>* file,
                              IODebugContext* debug) override {
    return IOStatus::NotSupported("not a habit of this database");
  }
  IOStatus ReuseWritableFile(const std::string& path, const std::string& old,
                             const FileOptions& options,
                             std::unique_ptr<FSWritableFile>* file,
                             IODebugContext* debug) override {
    return IOStatus::NotSupported("not a habit of this database");
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions& options,
                        std::unique_ptr<FSDirectory>* directory,
                        IODebugContext* debug) override;
  IOStatus DeleteFile(const std::string& path, const IOOptions& options,
                      IODebugContext* debug) override;
  IOStatus RenameFile(const std::string& from, const std::string& to,
                      const IOOptions& options, IODebugContext* debug) override;

  // Whether a write may go on.
  IOStatus Check() const {
    std::lock_guard lock(mu_);
    if (!powered_) return IOStatus::IOError("no power");
    if (full_) return IOStatus::NoSpace("the disk is full");
    return IOStatus::OK();
  }
  IOStatus CheckPower() const {
    std::lock_guard lock(mu_);
    return powered_ ? IOStatus::OK() : IOStatus::IOError("no power");
  }
  void Grown(const std::string& path, int64_t bytes) {
    std::lock_guard lock(mu_);
    files_[path].size += bytes;
  }
  void Truncated(const std::string& path, int64_t size) {
    std::lock_guard lock(mu_);
    State& file = files_[path];
    file.size = size;
    file.synced = std::min(file.synced, size);
  }
  void Synced(const std::string& path) {
    std::lock_guard lock(mu_);
    ++syncs_;
    if (ignore_log_syncs_ && path.ends_with(".log")) return;
    State& file = files_[path];
    file.synced = file.size;
  }
  void DirectorySynced(const std::string& directory) {
    std::lock_guard lock(mu_);
    for (auto& [path, file] : files_) {
      if (std::filesystem::path(path).parent_path() == directory) {
        file.named = true;
      }
    }
  }
  void SetPower(bool powered) {
    std::lock_guard lock(mu_);
    powered_ = powered;
  }
  void SetFull(bool full) {
    std::lock_guard lock(mu_);
    full_ = full;
  }
  void IgnoreLogSyncs() {
    std::lock_guard lock(mu_);
    ignore_log_syncs_ = true;
  }
  void FailLogSyncs(bool fail) {
    std::lock_guard lock(mu_);
    fail_log_syncs_ = fail;
  }
  IOStatus CheckSync(const std::string& path) const {
    std::lock_guard lock(mu_);
    if (!powered_) return IOStatus::IOError("no power");
    if (fail_log_syncs_ && path.ends_with(".log")) {
      return IOStatus::IOError("the sync failed");
    }
    return IOStatus::OK();
  }
  void DropUnsynced() {
    std::lock_guard lock(mu_);
    for (auto& [path, file] : files_) {
      std::error_code ignored;
      if (!file.named) {
        std::filesystem::remove(path, ignored);
      } else if (file.synced < file.size) {
        std::filesystem::resize_file(path, file.synced, ignored);
      }
    }
    files_.clear();
  }
  int64_t UnsyncedBytes() const {
    std::lock_guard lock(mu_);
    int64_t bytes = 0;
    for (const auto& [path, file] : files_) {
      bytes += file.size - (file.named ? file.synced : 0);
    }
    return bytes;
  }
  int64_t Syncs() const {
    std::lock_guard lock(mu_);
    return syncs_;
  }

 private:
  struct State {
    int64_t size = 0;
    int64_t synced = 0;
    bool named = false;  // its directory was synced after it was made
  };
  class File;
  class Directory;

  mutable std::mutex mu_;
  std::map<std::string, State> files_;  // by mu_, as all below
  bool powered_ = true;
  bool full_ = false;
  bool ignore_log_syncs_ = false;
  bool fail_log_syncs_ = false;
  int64_t syncs_ = 0;
};

class CrashDisk::Files::File : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(std::unique_ptr<FSWritableFile> file, std::string path, Files* files)
      : FSWritableFileOwnerWrapper(std::move(file)),
        path_(std::move(path)),
        files_(files) {}

  IOStatus Append(const Slice& data, const IOOptions& options,
                  IODebugContext* debug) override {
    return Count(data, [&] {
      return FSWritableFileOwnerWrapper::Append(data, options, debug);
    });
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const DataVerificationInfo& info,
                  IODebugContext* debug) override {
    return Count(data, [&] {
      return FSWritableFileOwnerWrapper::Append(data, options, info, debug);
    });
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options,
                    IODebugContext* debug) override {
    IOStatus status = files_->CheckPower();
    if (!status.ok()) return status;
    status = FSWritableFileOwnerWrapper::Truncate(size, options, debug);
    if (status.ok()) files_->Truncated(path_, static_cast<int64_t>(size));
    return status;
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = files_->CheckSync(path_);
    // The real sync would only cost time: what survives is kept here.
    if (status.ok()) files_->Synced(path_);
    return status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Sync(options, debug);
  }

 private:
  template <class Append>
  IOStatus Count(const Slice& data, Append append) {
    IOStatus status = files_->Check();
    if (!status.ok()) return status;
    status = append();
    if (status.ok()) files_->Grown(path_, static_cast<int64_t>(data.size()));
    return status;
  }

  const std::string path_;
  Files* const files_;
};

class CrashDisk::Files::Directory : public rocksdb::FSDirectoryWrapper {
 public:
  Directory(std::unique_ptr<FSDirectory> directory, std::string path,
            Files* files)
      : FSDirectoryWrapper(std::move(directory)),
        path_(std::filesystem::path(path + "/").parent_path()),
        files_(files) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = files_->CheckPower();
    if (status.ok()) files_->DirectorySynced(path_);
    return status;
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const DirFsyncOptions& unused) override {
    return Fsync(options, debug);
  }

 private:
  const std::string path_;
  Files* const files_;
};

IOStatus CrashDisk::Files::NewWritableFile(
    const std::string& path, const FileOptions& options,
    std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) {
  IOStatus status = Check();
  if (!status.ok()) return status;
  status = FileSystemWrapper::NewWritableFile(path, options, file, debug);
  if (!status.ok()) return status;
  {
    std::lock_guard lock(mu_);
    files_[path] = State();
  }
  *file = std::make_unique<File>(std::move(*file), path, this);
  return status;
}

IOStatus CrashDisk::Files::NewDirectory(const std::string& path,
                                        const IOOptions& options,
                                        std::unique_ptr<FSDirectory>* directory,
                                        IODebugContext* debug) {
  const IOStatus status =
      FileSystemWrapper::NewDirectory(path, options, directory, debug);
  if (status.ok()) {
    *directory = std::make_unique<Directory>(std::move(*directory), path, this);
  }
  return status;
}

IOStatus CrashDisk::Files::DeleteFile(const std::string& path,
                                      const IOOptions& options,
                                      IODebugContext* debug) {
  IOStatus status = CheckPower();
  if (!status.ok()) return status;
  status = FileSystemWrapper::DeleteFile(path, options, debug);
  if (status.ok()) {
    std::lock_guard lock(mu_);
    files_.erase(path);
  }
  return status;
}

IOStatus CrashDisk::Files::RenameFile(const std::string& from,
                                      const std::string& to,
                                      const IOOptions& options,
                                      IODebugContext* debug) {
  IOStatus status = CheckPower();
  if (!status.ok()) return status;
  status = FileSystemWrapper::RenameFile(from, to, options, debug);
  if (status.ok()) {
    std::lock_guard lock(mu_);
    const auto it = files_.find(from);
    if (it != files_.end()) {
      State file = it->second;
      file.named = true;
      files_.erase(it);
      files_[to] = file;
    }
  }
  return status;
}

CrashDisk::CrashDisk()
    : files_(std::make_shared<Files>()),
      env_(rocksdb::NewCompositeEnv(files_)) {}

CrashDisk::~CrashDisk() = default;

rocksdb::Env* CrashDisk::env() { return env_.get(); }

void CrashDisk::CutPower() { files_->SetPower(false); }

void CrashDisk::RestorePower() {
  files_->DropUnsynced();
  files_->SetPower(true);
}

void CrashDisk::IgnoreLogSyncs() { files_->IgnoreLogSyncs(); }

void CrashDisk::FailLogSyncs(bool fail) { files_->FailLogSyncs(fail); }

void CrashDisk::SetFull(bool full) { files_->SetFull(full); }

int64_t CrashDisk::UnsyncedBytes() const { return files_->UnsyncedBytes(); }

int64_t CrashDisk::Syncs() const { return files_->Syncs(); }

}  // namespace gateway
