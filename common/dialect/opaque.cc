#include "common/dialect/opaque.h"

#include <algorithm>
#include <utility>

#include "common/dialect/json_write.h"

namespace gateway::dialect {

void ExtraMembers::Add(absl::string_view key, JsonRef value) {
  for (JsonMember& member : members_) {
    if (member.key == key) {
      // Of a repeated member the last counts.
      member.value = value;
      return;
    }
  }
  members_.push_back({std::string(key), value});
}

void ExtraMembers::AppendTo(
    absl::string_view dialect,
    google::protobuf::RepeatedPtrField<chat::v1::OpaquePart>* extras) const {
  if (members_.empty()) return;
  chat::v1::OpaquePart* part = extras->Add();
  part->set_dialect(std::string(dialect));
  JsonObject object(part->mutable_json());
  for (const JsonMember& member : members_) {
    object.Raw(member.key, member.value.raw());
  }
}

std::vector<JsonMember> MembersOf(
    const google::protobuf::RepeatedPtrField<chat::v1::OpaquePart>& extras,
    absl::string_view dialect) {
  std::vector<JsonMember> all;
  for (const chat::v1::OpaquePart& part : extras) {
    if (part.dialect() != dialect) continue;
    const std::optional<JsonRef> json = ParseJson(part.json());
    if (!json.has_value()) continue;
    std::vector<JsonMember> members = json->Members();
    std::move(members.begin(), members.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace gateway::dialect
