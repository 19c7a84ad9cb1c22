#include "common/config/yaml_file.h"

#include <absl/strings/str_cat.h>
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <system_error>

#include "common/config/key_path.h"
#include "common/config/scalar.h"

namespace gateway::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// "only one of file, env may be set".
std::string OneOf(const google::protobuf::OneofDescriptor& oneof) {
  std::string names;
  for (int i = 0; i < oneof.field_count(); ++i) {
    absl::StrAppend(&names, i == 0 ? "" : ", ", oneof.field(i)->json_name());
  }
  return absl::StrCat("only one of ", names, " may be set");
}

// Walks a document and a message side by side.
class Merger {
 public:
  Merger(std::string path, Refusal refusal)
      : path_(std::move(path)), refusal_(std::move(refusal)) {}

  void MergeMap(const YAML::Node& node, const std::string& at,
                Message* message) {
    if (node.IsNull()) return;
    if (!node.IsMap()) {
      Fault(node, at, "expected keys and values");
      return;
    }
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const std::string key = entry.first.Scalar();
      const std::string below = at.empty() ? key : absl::StrCat(at, ".", key);
      if (!seen.insert(key).second) {
        Fault(entry.first, below, "this key stands twice");
        continue;
      }
      const FieldDescriptor* field = FindField(*message->GetDescriptor(), key);
      if (field == nullptr) {
        Fault(entry.first, below, UnknownKey(*message->GetDescriptor(), key));
        continue;
      }
      const std::string refused = refusal_(below);
      if (!refused.empty()) {
        Fault(entry.first, below, refused);
        continue;
      }
      MergeField(entry.second, below, *field, message);
    }
  }

  std::vector<std::string> TakeFaults() { return std::move(faults_); }

  void Fault(const YAML::Node& node, const std::string& at,
             const std::string& what) {
    Fault(node.Mark(), at, what);
  }

  void Fault(const YAML::Mark& mark, const std::string& at,
             const std::string& what) {
    faults_.push_back(absl::StrCat(path_, ":", mark.line + 1, ": ", at,
                                   at.empty() ? "" : ": ", what));
  }

 private:
  void MergeField(const YAML::Node& node, const std::string& at,
                  const FieldDescriptor& field, Message* message) {
    if (node.IsNull()) return;
    const auto* oneof = field.real_containing_oneof();
    if (oneof != nullptr &&
        message->GetReflection()->HasOneof(*message, oneof)) {
      Fault(node, at, OneOf(*oneof));
      return;
    }
    if (field.is_map()) {
      MergeEntries(node, at, field, message);
    } else if (field.is_repeated()) {
      MergeList(node, at, field, message);
    } else {
      MergeOne(node, at, field, message);
    }
  }

  void MergeOne(const YAML::Node& node, const std::string& at,
                const FieldDescriptor& field, Message* message) {
    if (IsScalar(field)) {
      MergeScalar(node, at, field, message);
      return;
    }
    const auto* reflection = message->GetReflection();
    MergeMap(node, at,
             field.is_repeated() ? reflection->AddMessage(message, &field)
                                 : reflection->MutableMessage(message, &field));
  }

  void MergeScalar(const YAML::Node& node, const std::string& at,
                   const FieldDescriptor& field, Message* message) {
    if (!node.IsScalar()) {
      Fault(node, at, absl::StrCat("expected ", AcceptedForm(field)));
      return;
    }
    const absl::Status set = SetScalar(field, node.Scalar(), message);
    if (!set.ok()) Fault(node, at, std::string(set.message()));
  }

  void MergeList(const YAML::Node& node, const std::string& at,
                 const FieldDescriptor& field, Message* message) {
    if (!node.IsSequence()) {
      Fault(node, at, "expected a list");
      return;
    }
    for (size_t i = 0; i < node.size(); ++i) {
      MergeOne(node[i], absl::StrCat(at, "[", i, "]"), field, message);
    }
  }

  // A map from text; its values are messages or scalars.
  void MergeEntries(const YAML::Node& node, const std::string& at,
                    const FieldDescriptor& field, Message* message) {
    if (!node.IsMap()) {
      Fault(node, at, "expected names and values");
      return;
    }
    const FieldDescriptor& value = *field.message_type()->map_value();
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const std::string name = entry.first.Scalar();
      const std::string below = absl::StrCat(at, ".", name);
      if (!seen.insert(name).second) {
        Fault(entry.first, below, "this name stands twice");
        continue;
      }
      Message* added = message->GetReflection()->AddMessage(message, &field);
      added->GetReflection()->SetString(added, field.message_type()->map_key(),
                                        name);
      if (entry.second.IsNull()) {
        // An entry of defaults: its value has to exist.
        if (!IsScalar(value)) {
          added->GetReflection()->MutableMessage(added, &value);
        }
        continue;
      }
      MergeOne(entry.second, below, value, added);
    }
  }

  const std::string path_;
  const Refusal refusal_;
  std::vector<std::string> faults_;
};

}  // namespace

std::vector<std::string> MergeYamlFile(const std::string& path,
                                       const Refusal& refusal,
                                       Message* message) {
  std::ifstream file(path);
  std::error_code error;
  if (!file || std::filesystem::is_directory(path, error)) {
    return {absl::StrCat(path, ": cannot be read")};
  }
  const std::string text(std::istreambuf_iterator<char>(file), {});
  Merger merger(path, refusal);
  // yaml-cpp reports by exceptions; they end here.
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1) {
      merger.Fault(documents[1], "", "a second document begins here");
    }
    if (!documents.empty()) merger.MergeMap(documents[0], "", message);
  } catch (const YAML::Exception& error) {
    merger.Fault(error.mark, "", absl::StrCat("not YAML: ", error.msg));
  }
  return merger.TakeFaults();
}

}  // namespace gateway::config
