// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/poll_set.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include "absent.hpp"
#include "objects/counter.hpp"
#include "objects/cq.hpp"
#include "objects/domain.hpp"

namespace efa::fi {
namespace {

/// A completion queue or a counter, with the counts that were there when it was last looked at.
struct Member {
  fid* object;
  uint64_t value = 0;
  uint64_t errors = 0;
};

struct PollSet : fid_poll {
  explicit PollSet(Domain& of) : fid_poll{}, domain(of) {}

  Domain& domain;
  std::vector<Member> members;  ///< under the domain's lock

  static PollSet& of(fid_poll* set) { return *static_cast<PollSet*>(set); }
};

bool has_changed(Member& member) {
  const Counter& counter = Counter::of(reinterpret_cast<fid_cntr*>(member.object));
  counter.endpoints.progress();
  const uint64_t value = counter.value;
  const uint64_t errors = counter.errors;
  const bool changed = value != member.value || errors != member.errors;
  member.value = value;
  member.errors = errors;
  return changed;
}

bool has_something(Member& member) {
  if (member.object->fclass == FI_CLASS_CNTR) return has_changed(member);
  Cq& cq = Cq::of(reinterpret_cast<fid_cq*>(member.object));
  cq.collect();
  return !cq.ring.empty();
}

int poll_members(fid_poll* object, void** contexts, int count) {
  if (count < 0 || (count && !contexts)) return -FI_EINVAL;
  PollSet& set = PollSet::of(object);
  const Guard guard(set.domain.lock);
  int found = 0;
  for (Member& member : set.members) {
    // All are driven, also those for which there is no room.
    if (found == count) {
      if (member.object->fclass == FI_CLASS_CQ)
        Cq::of(reinterpret_cast<fid_cq*>(member.object)).collect();
    } else if (has_something(member)) {
      contexts[found++] = member.object->context;
    }
  }
  return found;
}

const Domain* domain_of(fid* object) {
  if (object->fclass == FI_CLASS_CQ) return Cq::of(reinterpret_cast<fid_cq*>(object)).domain;
  if (object->fclass == FI_CLASS_CNTR)
    return Counter::of(reinterpret_cast<fid_cntr*>(object)).domain;
  return nullptr;
}

auto find(PollSet& set, const fid* object) {
  return std::find_if(set.members.begin(), set.members.end(),
                      [&](const Member& member) { return member.object == object; });
}

int add(fid_poll* object, fid* member, uint64_t flags) {
  PollSet& set = PollSet::of(object);
  if (flags || !member || domain_of(member) != &set.domain) return -FI_EINVAL;
  const Guard guard(set.domain.lock);
  if (find(set, member) == set.members.end()) set.members.push_back({member});
  return 0;
}

int remove(fid_poll* object, fid* member, uint64_t flags) {
  PollSet& set = PollSet::of(object);
  if (flags) return -FI_EINVAL;
  const Guard guard(set.domain.lock);
  const auto found = find(set, member);
  if (found == set.members.end()) return -FI_EINVAL;
  set.members.erase(found);
  return 0;
}

int close(fid* object) {
  const std::unique_ptr<PollSet> owner(&PollSet::of(reinterpret_cast<fid_poll*>(object)));
  --owner->domain.children;
  return 0;
}

fi_ops object_operations = only_close(close);

fi_ops_poll operations{
    .size = sizeof(fi_ops_poll),
    .poll = poll_members,
    .poll_add = add,
    .poll_del = remove,
};

}  // namespace

int open_poll_set(fid_domain* domain, fi_poll_attr* attributes, fid_poll** poll_set) {
  if (!poll_set || (attributes && attributes->flags)) return -FI_EINVAL;
  auto made = std::make_unique<PollSet>(Domain::of(domain));
  made->fid = {.fclass = FI_CLASS_POLL, .context = nullptr, .ops = &object_operations};
  made->ops = &operations;
  ++made->domain.children;
  *poll_set = made.release();
  return 0;
}

}  // namespace efa::fi
