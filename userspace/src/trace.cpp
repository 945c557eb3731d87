// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "trace.hpp"

#include "cq.hpp"

#if EFA_USDT
#define _SDT_HAS_SEMAPHORES 1  // NOLINT(bugprone-reserved-identifier): the header's name
#include <sys/sdt.h>
extern "C" {
[[gnu::section(".probes"),
  gnu::visibility("hidden")]] volatile unsigned short rdma_core_efa_post_send_semaphore = 0;
[[gnu::section(".probes"),
  gnu::visibility("hidden")]] volatile unsigned short rdma_core_efa_post_recv_semaphore = 0;
[[gnu::section(".probes"),
  gnu::visibility("hidden")]] volatile unsigned short rdma_core_efa_process_completion_semaphore =
    0;
}
#define EFA_PROBE4(name, a, b, c, d) DTRACE_PROBE4(rdma_core_efa, name, a, b, c, d)
#define EFA_PROBE7(name, a, b, c, d, e, f, g) \
  DTRACE_PROBE7(rdma_core_efa, name, a, b, c, d, e, f, g)
#define EFA_PROBE8(name, a, b, c, d, e, f, g, h) \
  DTRACE_PROBE8(rdma_core_efa, name, a, b, c, d, e, f, g, h)
#else
template <class... Arguments>
static void ignore(const Arguments&...) {}  // without <sys/sdt.h> nobody can watch
#define EFA_PROBE4(name, ...) ignore(__VA_ARGS__)
#define EFA_PROBE7(name, ...) ignore(__VA_ARGS__)
#define EFA_PROBE8(name, ...) ignore(__VA_ARGS__)
#endif

namespace efa::trace {
namespace {

const char* device_name(Qp& qp) {
  return qp.verbs.qp.context->device->name;
}

}  // namespace

void fire_post_send(Qp& qp, std::uint64_t wr_id, std::uint32_t op, std::uint32_t dest_qpn,
                    std::uint32_t ah, std::uint64_t bytes) {
  EFA_PROBE7(post_send, device_name(qp), wr_id, op, qp.number(), dest_qpn, ah, bytes);
}

void fire_post_recv(Qp& qp, std::uint64_t wr_id, int num_sge) {
  EFA_PROBE4(post_recv, device_name(qp), wr_id, qp.number(), num_sge);
}

void fire_completion(Qp& qp, std::uint64_t wr_id, std::uint32_t status, std::uint32_t opcode,
                     std::uint64_t word0, std::uint64_t word1) {
  EFA_PROBE8(process_completion, device_name(qp), wr_id, status, opcode, cqe::source_qp(word1),
             qp.number(), cqe::ah(word1), cqe::length(word0));
}

}  // namespace efa::trace
