// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/absent_tables.hpp"

namespace efa::fi {
namespace {

/// Fits every entry of a table: a function that returns an error.
template <int kError>
struct Refusing {
  template <class Result, class... Arguments>
  using Function = Result (*)(Arguments...);

  template <class Result, class... Arguments>
  constexpr operator Function<Result, Arguments...>() const {
    return [](Arguments...) { return static_cast<Result>(-kError); };
  }
};

template <int kError>
constexpr fi_ops_msg messages() {
  constexpr Refusing<kError> no;
  return {.size = sizeof(fi_ops_msg),
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
constexpr fi_ops_tagged tagged() {
  constexpr Refusing<kError> no;
  return {.size = sizeof(fi_ops_tagged),
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

constexpr Refusing<FI_ENOSYS> no;

}  // namespace

constinit fi_ops_msg no_messages = messages<FI_ENOSYS>();
constinit fi_ops_tagged no_tagged = tagged<FI_ENOSYS>();
constinit fi_ops_rma no_rma = rma<FI_ENOSYS>();
constinit fi_ops_atomic no_atomics = atomics<FI_ENOSYS>();
constinit fi_ops_rma rma_without_capability = rma<FI_EOPNOTSUPP>();
constinit fi_ops_atomic atomics_without_capability = atomics<FI_EOPNOTSUPP>();
constinit fi_ops_msg messages_too_early = messages<FI_EOPBADSTATE>();
constinit fi_ops_rma rma_too_early = rma<FI_EOPBADSTATE>();
constinit fi_ops_tagged tagged_too_early = tagged<FI_EOPBADSTATE>();
constinit fi_ops_atomic atomics_too_early = atomics<FI_EOPBADSTATE>();

constinit fi_ops_collective no_collectives{
    .size = sizeof(fi_ops_collective),
    .barrier = no,
    .broadcast = no,
    .alltoall = no,
    .allreduce = no,
    .allgather = no,
    .reduce_scatter = no,
    .reduce = no,
    .scatter = no,
    .gather = no,
    .msg = no,
    .barrier2 = no,
};

}  // namespace efa::fi
