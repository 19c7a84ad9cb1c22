#include "common/config/change.h"

#include <absl/strings/str_cat.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/message_differencer.h>

#include <map>

#include "common/config/scalar.h"
#include "gateway/config/v1/options.pb.h"

namespace gateway::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;

bool NeedsRestart(const FieldDescriptor& field) {
  return field.options().GetExtension(v1::restart);
}

// A message with this one field of `from`.
std::unique_ptr<Message> Only(const FieldDescriptor& field,
                              const Message& from) {
  std::unique_ptr<Message> only(from.New());
  only->CopyFrom(from);
  const auto* type = from.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    if (type->field(i) != &field) {
      only->GetReflection()->ClearField(only.get(), type->field(i));
    }
  }
  return only;
}

bool SameField(const FieldDescriptor& field, const Message& a,
               const Message& b) {
  return MessageDifferencer::Equals(*Only(field, a), *Only(field, b));
}

// A map's entries by their names.
std::map<std::string, const Message*> Entries(const FieldDescriptor& field,
                                              const Message& from) {
  std::map<std::string, const Message*> entries;
  const auto* reflection = from.GetReflection();
  for (int i = 0; i < reflection->FieldSize(from, &field); ++i) {
    const Message& entry = reflection->GetRepeatedMessage(from, &field, i);
    entries[entry.GetReflection()->GetString(
        entry, field.message_type()->map_key())] = &entry;
  }
  return entries;
}

class Walker {
 public:
  std::vector<Change> changes;

  void Walk(const Message& before, const Message& after, const std::string& at,
            bool restart) {
    const auto* type = before.GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor& field = *type->field(i);
      const std::string key =
          absl::StrCat(at, at.empty() ? "" : ".", field.json_name());
      const bool needs = restart || NeedsRestart(field);
      if (field.is_map()) {
        WalkMap(field, before, after, key, needs);
      } else if (field.is_repeated() || IsScalar(field)) {
        if (!SameField(field, before, after)) changes.push_back({key, needs});
      } else {
        Walk(before.GetReflection()->GetMessage(before, &field),
             after.GetReflection()->GetMessage(after, &field), key, needs);
      }
    }
  }

 private:
  void WalkMap(const FieldDescriptor& field, const Message& before,
               const Message& after, const std::string& at, bool needs) {
    const auto was = Entries(field, before);
    const auto is = Entries(field, after);
    auto all = was;
    all.insert(is.begin(), is.end());
    for (const auto& [name, entry] : all) {
      const auto old = was.find(name);
      const auto now = is.find(name);
      if (old == was.end() || now == is.end() ||
          !MessageDifferencer::Equals(*old->second, *now->second)) {
        changes.push_back({absl::StrCat(at, ".", name), needs});
      }
    }
  }
};

}  // namespace

std::vector<Change> ChangesBetween(const Message& before,
                                   const Message& after) {
  Walker walker;
  walker.Walk(before, after, "", false);
  return std::move(walker.changes);
}

void KeepRestartOnly(const Message& running, Message* config) {
  const auto* type = running.GetDescriptor();
  const auto* reflection = running.GetReflection();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor& field = *type->field(i);
    if (NeedsRestart(field)) {
      reflection->ClearField(config, &field);
      config->MergeFrom(*Only(field, running));
    } else if (!field.is_repeated() && !IsScalar(field) &&
               (reflection->HasField(running, &field) ||
                reflection->HasField(*config, &field))) {
      KeepRestartOnly(reflection->GetMessage(running, &field),
                      reflection->MutableMessage(config, &field));
    }
  }
}

}  // namespace gateway::config
