// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "ah.hpp"

#include <cerrno>

namespace efa {
namespace {

using CreateAhResp = ibv::Message<ib_uverbs_create_ah_resp, efa_uabi_create_ah_resp>;

}  // namespace

ibv_ah* create_ah(ibv_pd* pd, ibv_ah_attr* attr) {
  Owned<Ah> ah = make<Ah>();
  CreateAhResp resp;
  const int error =
      ah == nullptr ? ENOMEM : ibv::ibv_cmd_create_ah(pd, &ah->ah, attr, resp.core(), resp.size());
  if (error != 0) {
    errno = error;
    return nullptr;
  }
  ah->number = resp.efa().efa_address_handle;
  return &ah.release()->ah;
}

int destroy_ah(ibv_ah* ah) {
  const int error = ibv::ibv_cmd_destroy_ah(ah);
  if (error == 0) Owned<Ah>{reinterpret_cast<Ah*>(ah)}.reset();
  return error;
}

}  // namespace efa
