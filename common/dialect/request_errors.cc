#include "common/dialect/request_errors.h"

#include "absl/strings/str_cat.h"
#include "common/status/error.h"

namespace gateway::dialect {

absl::Status WrongType(absl::string_view param, absl::string_view wanted,
                       JsonType found) {
  return MakeError(reason::kInvalidType,
                   absl::StrCat("'", param, "' must be ", wanted, ", not ",
                                JsonTypeName(found), "."))
      .Param(param);
}

absl::Status WrongValue(absl::string_view param, absl::string_view wanted) {
  return MakeError(reason::kInvalidValue,
                   absl::StrCat("'", param, "' must be ", wanted, "."))
      .Param(param);
}

absl::Status NoPlaceFor(absl::string_view param, absl::string_view what) {
  return MakeError(reason::kUnsupportedParameter,
                   absl::StrCat("'", param,
                                "': the provider of this model does not take ",
                                what, "."))
      .Param(param);
}

absl::Status RepeatedKey(absl::string_view param) {
  return MakeError(reason::kDuplicateKey,
                   absl::StrCat("'", param, "' stands twice."))
      .Param(param);
}

absl::Status NotJson(const JsonScanner& scan) {
  return MakeError(reason::kInvalidJson,
                   absl::StrCat("The body is not valid JSON: ",
                                scan.fault() == nullptr ? "a value is expected"
                                                        : scan.fault(),
                                " at byte ", scan.offset(), "."));
}

}  // namespace gateway::dialect
