#ifndef GATEWAY_COMMON_USAGE_USAGE_SUM_H_
#define GATEWAY_COMMON_USAGE_USAGE_SUM_H_

#include "gateway/chat/v1/chat.pb.h"

namespace gateway {

// Adds every count of tokens; the source of `sum` stays.
void AddTokens(const chat::v1::Usage& usage, chat::v1::Usage& sum);

// Likewise, and the less certain source stands for the sum.
void AddUsage(const chat::v1::Usage& usage, chat::v1::Usage& sum);

}  // namespace gateway

#endif  // GATEWAY_COMMON_USAGE_USAGE_SUM_H_
