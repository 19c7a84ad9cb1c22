#ifndef GATEWAY_COMMON_RPC_CALLBACK_THREADS_H_
#define GATEWAY_COMMON_RPC_CALLBACK_THREADS_H_

namespace gateway::rpc {

// Keeps gRPC's callback threads until the process ends; call it before the
// first channel or server is made. gRPC counts its users, and when the last of
// them goes, joins the threads from wherever that happens. For the last call of
// a channel that is one of these threads itself, and the process aborts. Also
// stops Abseil's search for deadlocks, in which gRPC would take part.
void KeepCallbackThreads();

}  // namespace gateway::rpc

#endif  // GATEWAY_COMMON_RPC_CALLBACK_THREADS_H_
