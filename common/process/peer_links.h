#ifndef GATEWAY_COMMON_PROCESS_PEER_LINKS_H_
#define GATEWAY_COMMON_PROCESS_PEER_LINKS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/process/service.h"
#include "common/rpc/channel.h"

namespace gateway::process {

// Whom a service calls, and whether each can be reached now. Filled by one
// thread before others look at it; then thread-safe.
class PeerLinks {
 public:
  // Why a peer that is connected does not answer; empty if it does. Never
  // blocks.
  using Complaint = std::function<std::string()>;

  // It is in another process: gives the channel to it, which is connected while
  // the checks are looked at, calls or none.
  std::shared_ptr<grpc::Channel> Connect(const std::string& name,
                                         const rpc::ChannelOptions& options);
  // It is in this process.
  void AddInProcess(const std::string& name);

  // What else is known of one that was added.
  void SetComplaint(const std::string& name, Complaint complaint);

  // One for each, degraded if it cannot be reached. Never blocks.
  std::vector<Check> Checks() const;
  std::vector<Peer> States() const;

 private:
  struct Link {
    std::string name;
    std::string target;
    std::shared_ptr<grpc::Channel> channel;  // null: in this process
    Complaint complaint;
  };

  // Empty: it is reached.
  static std::string WhyNot(const Link& link);

  std::vector<Link> links_;
};

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_PEER_LINKS_H_
