#include "common/process/version.h"

#include <absl/strings/str_cat.h>
#include <google/protobuf/stubs/common.h>
#include <openssl/crypto.h>

#include <boost/version.hpp>

#include "build_info.h"

namespace gateway::process {
namespace {

std::string Libraries() {
  return absl::StrCat(
      "protobuf ",
      google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION),
      ", Boost ", BOOST_VERSION / 100000, ".", BOOST_VERSION / 100 % 1000, ", ",
      OpenSSL_version(OPENSSL_VERSION), ", gRPC ", GATEWAY_GRPC_VERSION,
      ", RocksDB ", GATEWAY_ROCKSDB_VERSION);
}

}  // namespace

const BuildInfo& GetBuildInfo() {
  static const BuildInfo& info = *new BuildInfo{
      GATEWAY_VERSION, GATEWAY_REVISION, GATEWAY_BUILD_TYPE, Libraries()};
  return info;
}

std::string VersionText(const std::string& program) {
  const BuildInfo& info = GetBuildInfo();
  return absl::StrCat(program, " ", info.version, "\nrevision ", info.revision,
                      "\nbuild ", info.build_type, "\n", info.libraries, "\n");
}

}  // namespace gateway::process
