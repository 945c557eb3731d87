// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "mr.hpp"

#include <cerrno>

namespace efa {
namespace {

/// Gives the region to libibverbs if its registration went well, else frees it.
ibv_mr* registered(Owned<ibv::VerbsMr> mr, int error) {
  if (error != 0) {
    errno = error;
    return nullptr;
  }
  return &mr.release()->mr;
}

}  // namespace

ibv_mr* reg_mr(ibv_pd* pd, void* address, std::size_t length, std::uint64_t iova, int access) {
  Owned<ibv::VerbsMr> mr = make<ibv::VerbsMr>();
  if (mr == nullptr) return registered(nullptr, ENOMEM);
  ibv::RegMr cmd{};
  ib_uverbs_reg_mr_resp resp{};
  const int error = ibv::ibv_cmd_reg_mr(pd, address, length, iova, access, mr.get(), &cmd,
                                        sizeof(cmd), &resp, sizeof(resp));
  return registered(std::move(mr), error);
}

ibv_mr* reg_dmabuf_mr(ibv_pd* pd, std::uint64_t offset, std::size_t length, std::uint64_t iova,
                      int fd, int access) {
  Owned<ibv::VerbsMr> mr = make<ibv::VerbsMr>();
  if (mr == nullptr) return registered(nullptr, ENOMEM);
  const int error =
      ibv::ibv_cmd_reg_dmabuf_mr(pd, offset, length, iova, fd, access, mr.get(), nullptr);
  return registered(std::move(mr), error);
}

int dereg_mr(ibv::VerbsMr* mr) {
  const int error = ibv::ibv_cmd_dereg_mr(mr);
  if (error == 0) Owned<ibv::VerbsMr>{mr}.reset();
  return error;
}

}  // namespace efa
