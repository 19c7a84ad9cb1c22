#ifndef GATEWAY_COMMON_DIALECT_REQUEST_ERRORS_H_
#define GATEWAY_COMMON_DIALECT_REQUEST_ERRORS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/dialect/json_scan.h"

namespace gateway::dialect {

// What decoders say about a caller's body; all INVALID_ARGUMENT. `param` names
// the member, for example `messages[2].content`; `wanted` completes "must be".

// invalid_type
absl::Status WrongType(absl::string_view param, absl::string_view wanted,
                       JsonType found);
// invalid_value
absl::Status WrongValue(absl::string_view param, absl::string_view wanted);
// unsupported_parameter: the target's dialect has no place for `what`.
absl::Status NoPlaceFor(absl::string_view param, absl::string_view what);
// duplicate_key
absl::Status RepeatedKey(absl::string_view param);
// invalid_json
absl::Status NotJson(const JsonScanner& scan);

}  // namespace gateway::dialect

#endif  // GATEWAY_COMMON_DIALECT_REQUEST_ERRORS_H_
