#ifndef GATEWAY_COMMON_STATUS_MACROS_H_
#define GATEWAY_COMMON_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// RETURN_IF_ERROR(expr): leaves the function with the status of `expr` unless
// it is OK. ASSIGN_OR_RETURN(lhs, expr): assigns the value of a StatusOr, or
// leaves with its status; `lhs` may declare a variable, and needs parentheses
// around it if it holds a comma. The CO_ forms are for coroutines.

#define RETURN_IF_ERROR(expr)                        \
  do {                                               \
    ::absl::Status gateway_status = (expr);          \
    if (!gateway_status.ok()) return gateway_status; \
  } while (false)

#define CO_RETURN_IF_ERROR(expr)                        \
  do {                                                  \
    ::absl::Status gateway_status = (expr);             \
    if (!gateway_status.ok()) co_return gateway_status; \
  } while (false)

#define ASSIGN_OR_RETURN(lhs, expr) \
  GATEWAY_ASSIGN_OR_(GATEWAY_CONCAT_(gateway_or_, __LINE__), return, lhs, expr)

#define CO_ASSIGN_OR_RETURN(lhs, expr)                                       \
  GATEWAY_ASSIGN_OR_(GATEWAY_CONCAT_(gateway_or_, __LINE__), co_return, lhs, \
                     expr)

#define GATEWAY_CONCAT_INNER_(a, b) a##b
#define GATEWAY_CONCAT_(a, b) GATEWAY_CONCAT_INNER_(a, b)
#define GATEWAY_ASSIGN_OR_(holder, leave, lhs, expr)  \
  auto holder = (expr);                               \
  if (!holder.ok()) leave std::move(holder).status(); \
  lhs = *std::move(holder)

#endif  // GATEWAY_COMMON_STATUS_MACROS_H_
