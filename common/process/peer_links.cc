#include "common/process/peer_links.h"

#include <utility>

namespace gateway::process {

std::shared_ptr<grpc::Channel> PeerLinks::Connect(
    const std::string& name, const rpc::ChannelOptions& options) {
  std::shared_ptr<grpc::Channel> channel = rpc::MakeChannel(options);
  links_.push_back({name, options.target, channel, nullptr});
  return channel;
}

void PeerLinks::AddInProcess(const std::string& name) {
  links_.push_back({name, "in process", nullptr, nullptr});
}

void PeerLinks::SetComplaint(const std::string& name, Complaint complaint) {
  for (Link& link : links_) {
    if (link.name == name) link.complaint = std::move(complaint);
  }
}

std::string PeerLinks::WhyNot(const Link& link) {
  if (link.channel != nullptr && !rpc::IsConnected(*link.channel)) {
    return "not reached";
  }
  return link.complaint == nullptr ? "" : link.complaint();
}

std::vector<Check> PeerLinks::Checks() const {
  std::vector<Check> checks;
  for (const Link& link : links_) {
    std::string reason = WhyNot(link);
    checks.push_back(
        {link.name,
         reason.empty() ? Check::State::kOk : Check::State::kDegraded,
         std::move(reason)});
  }
  return checks;
}

std::vector<Peer> PeerLinks::States() const {
  std::vector<Peer> peers;
  for (const Link& link : links_) {
    const std::string reason = WhyNot(link);
    peers.push_back({link.name, link.target, reason.empty() ? "ok" : reason});
  }
  return peers;
}

}  // namespace gateway::process
