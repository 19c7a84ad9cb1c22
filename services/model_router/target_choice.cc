#include "services/model_router/target_choice.h"

#include <algorithm>
#include <vector>

namespace gateway::model_router {
namespace {

// SplitMix64: a sequence of draws out of one.
uint64_t NextDraw(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

bool Contains(const TargetList& list, const Target* target) {
  return std::any_of(list.begin(), list.end(), [&](const Target* known) {
    return known == target || known->id == target->id;
  });
}

void Append(TargetList& list, const Target* target) {
  if (!Contains(list, target)) list.push_back(target);
}

// Draws without putting back.
void AppendByWeight(const std::vector<Target>& targets, uint64_t& draw,
                    TargetList& list) {
  if (targets.size() == 1) {
    Append(list, &targets[0]);
    return;
  }
  TargetList left;
  int64_t total = 0;
  for (const Target& target : targets) {
    if (target.weight == 0) continue;
    left.push_back(&target);
    total += target.weight;
  }
  while (!left.empty()) {
    int64_t at =
        static_cast<int64_t>(NextDraw(draw) % static_cast<uint64_t>(total));
    auto chosen = left.begin();
    while (at >= (*chosen)->weight) at -= (*chosen++)->weight;
    total -= (*chosen)->weight;
    Append(list, *chosen);
    left.erase(chosen);
  }
  for (const Target& target : targets) {
    if (target.weight == 0) Append(list, &target);
  }
}

}  // namespace

TargetList OrderTargets(const Model& model, const TargetHints& hints,
                        uint64_t draw) {
  TargetList list;
  if (!hints.planned.empty()) {
    for (const auto* targets : {&model.targets, model.fallback}) {
      if (targets == nullptr) continue;
      for (const Target& target : *targets) {
        if (target.id == hints.planned) Append(list, &target);
      }
    }
  }
  if (!hints.last.empty()) {
    for (const Target& target : model.targets) {
      if (target.id == hints.last && target.weight > 0) Append(list, &target);
    }
  }
  AppendByWeight(model.targets, draw, list);
  if (model.fallback != nullptr) AppendByWeight(*model.fallback, draw, list);
  return list;
}

}  // namespace gateway::model_router
