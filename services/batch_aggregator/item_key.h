#ifndef GATEWAY_SERVICES_BATCH_AGGREGATOR_ITEM_KEY_H_
#define GATEWAY_SERVICES_BATCH_AGGREGATOR_ITEM_KEY_H_

#include <optional>
#include <string>

#include "gateway/batch_aggregator/v1/batch_aggregator.pb.h"
#include "gateway/common/v1/context.pb.h"

namespace gateway::batch_aggregator {

// Names what an item asks for: items with the same key are sent once, and
// share the answer. Empty: the item is sent by itself, because a model may
// answer it differently each time; only temperature 0 rules that out. Equal
// means: on the same account, in the same session, the same bytes (encoded) or
// the same fields (typed).
std::string ItemKey(const common::v1::Account& account,
                    const v1::BatchItem& item,
                    std::optional<double> temperature);

}  // namespace gateway::batch_aggregator

#endif  // GATEWAY_SERVICES_BATCH_AGGREGATOR_ITEM_KEY_H_
