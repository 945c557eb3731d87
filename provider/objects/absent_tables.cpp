// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/absent_tables.hpp"

#include "absent.hpp"

namespace efa::fi {
namespace {

/// fi_ops_msg or fi_ops_tagged, whose entries have the same names.
template <class Table, int kError>
constexpr Table messages() {
  constexpr Refusing<kError> no;
  return {.size = sizeof(Table),
          .recv = no,
          .recvv = no,
          .recvmsg = no,
          .send = no,
          .sendv = no,
          .sendmsg = no,
          .inject = no,
          .senddata = no,
          .injectdata = no};
}

template <int kError>
constexpr fi_ops_rma rma() {
  constexpr Refusing<kError> no;
  return {.size = sizeof(fi_ops_rma),
          .read = no,
          .readv = no,
          .readmsg = no,
          .write = no,
          .writev = no,
          .writemsg = no,
          .inject = no,
          .writedata = no,
          .injectdata = no};
}

template <int kError>
constexpr fi_ops_atomic atomics() {
  constexpr Refusing<kError> no;
  return {.size = sizeof(fi_ops_atomic),
          .write = no,
          .writev = no,
          .writemsg = no,
          .inject = no,
          .readwrite = no,
          .readwritev = no,
          .readwritemsg = no,
          .compwrite = no,
          .compwritev = no,
          .compwritemsg = no,
          .writevalid = no,
          .readwritevalid = no,
          .compwritevalid = no};
}

}  // namespace

constinit fi_ops_msg no_messages = messages<fi_ops_msg, FI_ENOSYS>();
constinit fi_ops_tagged no_tagged = messages<fi_ops_tagged, FI_ENOSYS>();
constinit fi_ops_rma no_rma = rma<FI_ENOSYS>();
constinit fi_ops_atomic no_atomics = atomics<FI_ENOSYS>();
constinit fi_ops_rma rma_without_capability = rma<FI_EOPNOTSUPP>();
constinit fi_ops_atomic atomics_without_capability = atomics<FI_EOPNOTSUPP>();
constinit fi_ops_msg messages_too_early = messages<fi_ops_msg, FI_EOPBADSTATE>();
constinit fi_ops_rma rma_too_early = rma<FI_EOPBADSTATE>();
constinit fi_ops_tagged tagged_too_early = messages<fi_ops_tagged, FI_EOPBADSTATE>();
constinit fi_ops_atomic atomics_too_early = atomics<FI_EOPBADSTATE>();

constinit fi_ops_collective no_collectives{
    .size = sizeof(fi_ops_collective),
    .barrier = absent,
    .broadcast = absent,
    .alltoall = absent,
    .allreduce = absent,
    .allgather = absent,
    .reduce_scatter = absent,
    .reduce = absent,
    .scatter = absent,
    .gather = absent,
    .msg = absent,
    .barrier2 = absent,
};

}  // namespace efa::fi
