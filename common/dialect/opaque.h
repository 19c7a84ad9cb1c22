#ifndef GATEWAY_COMMON_DIALECT_OPAQUE_H_
#define GATEWAY_COMMON_DIALECT_OPAQUE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/dialect/json_ref.h"
#include "gateway/chat/v1/chat.pb.h"

namespace gateway::dialect {

// Members of an object that the typed form has no place for, on their way into
// one OpaquePart. Thread-compatible.
class ExtraMembers {
 public:
  void Add(absl::string_view key, JsonRef value);
  // Adds a part to `extras`, if there are any members.
  void AppendTo(
      absl::string_view dialect,
      google::protobuf::RepeatedPtrField<chat::v1::OpaquePart>* extras) const;

 private:
  std::vector<JsonMember> members_;
};

// The members of all parts of `dialect`, in order; parts that are no valid JSON
// object give none. The views point into `extras`.
std::vector<JsonMember> MembersOf(
    const google::protobuf::RepeatedPtrField<chat::v1::OpaquePart>& extras,
    absl::string_view dialect);

}  // namespace gateway::dialect

#endif  // GATEWAY_COMMON_DIALECT_OPAQUE_H_
