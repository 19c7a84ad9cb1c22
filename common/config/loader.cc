#include "common/config/loader.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/strip.h>

#include "common/config/key_path.h"
#include "common/config/yaml_file.h"

namespace gateway::config {
namespace {

// Variables that Kubernetes makes in each pod for a service named `gateway` or
// `gateway-…`.
bool IsServiceLink(absl::string_view name, absl::string_view value) {
  if (absl::StartsWith(name, "GATEWAY__")) return false;
  return name == "GATEWAY_PORT" || absl::EndsWith(name, "_SERVICE_HOST") ||
         absl::StrContains(name, "_SERVICE_PORT") ||
         absl::StrContains(name, "_PORT_") || absl::EndsWith(name, "_PORT") ||
         absl::StartsWith(value, "tcp://") || absl::StartsWith(value, "udp://");
}

class Merger {
 public:
  Merger(const Sources& sources, google::protobuf::Message* message)
      : sources_(sources), message_(message) {}

  void MergeFile() {
    if (!sources_.file.empty()) {
      faults_ = MergeYamlFile(
          sources_.file, [this](const std::string& key) { return WhyNot(key); },
          message_);
    }
  }

  void MergeEnvironment() {
    for (const auto& [name, value] : sources_.environment) {
      if (!absl::StartsWith(name, "GATEWAY_") || value.empty()) continue;
      if (const NamedVariable* named = FindNamed(name)) {
        Set(name, named->key, value);
      } else if (absl::StartsWith(name, "GATEWAY__")) {
        Set(name, KeyOfVariable(absl::StripPrefix(name, "GATEWAY__")), value);
      } else if (!IsServiceLink(name, value)) {
        warnings_.push_back(
            absl::StrCat("environment ", name, ": no such variable"));
      }
    }
  }

  void MergeSettings() {
    for (const std::string& setting : sources_.settings) {
      const size_t equals = setting.find('=');
      if (equals == std::string::npos) {
        faults_.push_back(absl::StrCat("--set ", setting, ": write key=value"));
        continue;
      }
      Set("--set", setting.substr(0, equals), setting.substr(equals + 1));
    }
  }

  LoadResult Take() {
    LoadResult result{.warnings = std::move(warnings_)};
    if (!faults_.empty()) {
      result.status = absl::InvalidArgumentError(absl::StrJoin(faults_, "\n"));
    }
    return result;
  }

 private:
  // Why a key may not be set here; empty if it may.
  std::string WhyNot(absl::string_view key) const {
    for (const RefusedKey& refused : sources_.refused) {
      absl::string_view rest = key;
      if (absl::ConsumePrefix(&rest, refused.key) &&
          (rest.empty() || rest.front() == '.')) {
        return refused.why;
      }
    }
    return "";
  }

  const NamedVariable* FindNamed(const std::string& name) const {
    for (const NamedVariable& named : sources_.named_variables) {
      if (named.variable == name) return &named;
    }
    return nullptr;
  }

  void Set(absl::string_view source, const std::string& key,
           const std::string& value) {
    const std::string refused = WhyNot(key);
    const absl::Status set = refused.empty()
                                 ? SetPath(key, value, message_)
                                 : absl::InvalidArgumentError(refused);
    if (set.ok()) return;
    const bool is_variable = absl::StartsWith(source, "GATEWAY");
    std::string line = absl::StrCat(is_variable ? "environment " : "", source,
                                    ": ", key, ": ", set.message());
    // A variable may be meant for another version of this program.
    if (is_variable && absl::IsNotFound(set)) {
      warnings_.push_back(std::move(line));
    } else {
      faults_.push_back(std::move(line));
    }
  }

  const Sources& sources_;
  google::protobuf::Message* const message_;
  std::vector<std::string> faults_;
  std::vector<std::string> warnings_;
};

}  // namespace

LoadResult Load(const Sources& sources, google::protobuf::Message* message) {
  Merger merger(sources, message);
  merger.MergeFile();
  merger.MergeEnvironment();
  merger.MergeSettings();
  return merger.Take();
}

}  // namespace gateway::config
