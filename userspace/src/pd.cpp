// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "pd.hpp"

#include <cerrno>

#include "log.hpp"

namespace efa {
namespace {

using AllocPdResp = ibv::Message<ib_uverbs_alloc_pd_resp, efa_uabi_alloc_pd_resp>;

int busy(const Context& context, const char* what, unsigned users) {
  return EFA_FAIL(context, EBUSY, "%s is in use by %u objects; destroy them first", what, users);
}

}  // namespace

ibv_pd* alloc_pd(ibv_context* context) {
  Owned<Pd> pd = make<Pd>();
  if (pd == nullptr) {
    errno = ENOMEM;
    return nullptr;
  }
  ibv::AllocPd cmd{};
  AllocPdResp resp;
  const int error =
      ibv::ibv_cmd_alloc_pd(context, &pd->pd, &cmd, sizeof(cmd), resp.core(), resp.size());
  if (error != 0) {
    errno = error;
    return nullptr;
  }
  pd->number = resp.efa().pdn;
  return &pd.release()->pd;
}

/// V21, V25: refused while parent domains lend it, or queues live in it.
int dealloc_pd(ibv_pd* base) {
  Pd& pd = Pd::of(base);
  const unsigned users = pd.users.load();
  if (users != 0) return busy(Context::of(base->context), "the protection domain", users);
  if (pd.is_parent()) {
    --pd.lent->users;
    if (pd.td != nullptr) --pd.td->users;
  } else if (const int error = ibv::ibv_cmd_dealloc_pd(base); error != 0) {
    return error;
  }
  Owned<Pd>{&pd}.reset();
  return 0;
}

ibv_td* alloc_td(ibv_context* context, ibv_td_init_attr* attr) {
  if (attr->comp_mask != 0) {
    errno = EFA_FAIL(Context::of(context), EOPNOTSUPP,
                     "thread domain: comp_mask 0x%x asks for something unknown; only 0 is possible",
                     attr->comp_mask);
    return nullptr;
  }
  Owned<Td> td = make<Td>();
  if (td == nullptr) {
    errno = ENOMEM;
    return nullptr;
  }
  td->td.context = context;
  return &td.release()->td;
}

int dealloc_td(ibv_td* base) {
  Td& td = Td::of(base);
  const unsigned users = td.users.load();
  if (users != 0) return busy(Context::of(base->context), "the thread domain", users);
  Owned<Td>{&td}.reset();
  return 0;
}

ibv_pd* alloc_parent_domain(ibv_context* base, ibv_parent_domain_init_attr* attr) {
  Context& context = Context::of(base);
  int error = 0;
  if (attr->pd == nullptr) {
    error = EFA_FAIL(context, EINVAL, "parent domain: a protection domain is missing in attr.pd");
  } else if ((attr->comp_mask & ~IBV_PARENT_DOMAIN_INIT_ATTR_PD_CONTEXT) != 0) {
    error = EFA_FAIL(context, EOPNOTSUPP,
                     "parent domain: comp_mask 0x%x asks for own allocators, which EFA has no use "
                     "for; only PD_CONTEXT is possible",
                     attr->comp_mask);
  } else if (Pd::of(attr->pd).is_parent()) {
    error = EFA_FAIL(context, EINVAL, "parent domain: attr.pd is a parent domain itself");
  }
  Owned<Pd> pd = error == 0 ? make<Pd>() : nullptr;
  if (pd == nullptr) {
    errno = error != 0 ? error : ENOMEM;
    return nullptr;
  }
  // libibverbs and the kernel see the lent domain (V26).
  pd->pd.context = attr->pd->context;
  pd->pd.handle = attr->pd->handle;
  pd->lent = &Pd::of(attr->pd);
  pd->number = pd->lent->number;
  ++pd->lent->users;
  if (attr->td != nullptr) {
    pd->td = &Td::of(attr->td);
    ++pd->td->users;
  }
  return &pd.release()->pd;
}

}  // namespace efa
