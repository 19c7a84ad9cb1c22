#include "services/batch_aggregator/item_key.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <openssl/evp.h>

#include <cstdint>

namespace gateway::batch_aggregator {
namespace {

// Each part goes in with its length, so that none can reach into the next.
void Append(const std::string& part, std::string& all) {
  const uint64_t size = part.size();
  all.append(reinterpret_cast<const char*>(&size), sizeof(size));
  all.append(part);
}

std::string Sha256(const std::string& bytes) {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(),
             reinterpret_cast<unsigned char*>(digest.data()), &size,
             EVP_sha256(), nullptr);
  digest.resize(size);
  return digest;
}

std::string Bytes(const chat::v1::ChatRequest& request) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  request.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

}  // namespace

std::string ItemKey(const common::v1::Account& account,
                    const v1::BatchItem& item,
                    std::optional<double> temperature) {
  if (temperature != 0.0) return "";
  std::string all;
  Append(account.tenant(), all);
  Append(account.key_id(), all);
  Append(account.user(), all);
  Append(item.session_id(), all);
  if (item.has_typed()) {
    Append("typed", all);
    Append(Bytes(item.typed()), all);
  } else {
    Append(item.encoded().dialect(), all);
    Append(item.encoded().body(), all);
  }
  return Sha256(all);
}

}  // namespace gateway::batch_aggregator
