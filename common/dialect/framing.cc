#include "common/dialect/framing.h"

namespace gateway::dialect {

void AppendEvent(absl::string_view data, model_router::v1::Framing framing,
                 model_router::v1::Frames* frames) {
  std::string* out = frames->mutable_data();
  if (framing == model_router::v1::FRAMING_JSON) {
    if (data == "[DONE]") return;
    out->append(data.data(), data.size());
  } else {
    size_t begin = 0;
    while (true) {
      const size_t end = data.find('\n', begin);
      const absl::string_view line = data.substr(begin, end - begin);
      out->append("data: ");
      out->append(line.data(), line.size());
      out->push_back('\n');
      if (end == absl::string_view::npos) break;
      begin = end + 1;
    }
    out->push_back('\n');
  }
  frames->add_ends(static_cast<uint32_t>(out->size()));
}

}  // namespace gateway::dialect
