// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "nulls.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

#ifndef __x86_64__
#error "write efa_bench_null for this processor: any return of 0 in kNullInstructions instructions"
#endif

// In assembler, so that no compiler option changes the number.
asm(R"(
    .text
    .globl efa_bench_null, efa_bench_known
    .type efa_bench_null, @function
efa_bench_null:
    xorl %eax, %eax
    ret
    .size efa_bench_null, . - efa_bench_null
    .type efa_bench_known, @function
efa_bench_known:
    .rept 98
    nop
    .endr
    xorl %eax, %eax
    ret
    .size efa_bench_known, . - efa_bench_known
)");

extern "C" int efa_bench_null();
extern "C" int efa_bench_known();

namespace efa::bench {

namespace {

// Arguments are in registers and need no care, so one function stands in for all types.
template <class Function>
void nullify(Function& pointer) {
  pointer = reinterpret_cast<Function>(reinterpret_cast<void*>(&efa_bench_null));
}

int guilty(ibv_qp*, ibv_send_wr*, ibv_send_wr**) {
  void* volatile block = std::malloc(64);
  std::free(block);
  ::syscall(SYS_getppid);
  return 0;
}

}  // namespace

NullVerbs::NullVerbs() {
  nullify(context.ops.poll_cq);
  nullify(context.ops.post_send);
  nullify(context.ops.post_recv);
  qp.qp_base.context = cq.context = &context;
  nullify(qp.wr_start);
  nullify(qp.wr_complete);
  nullify(qp.wr_send);
  nullify(qp.wr_rdma_read);
  nullify(qp.wr_rdma_write);
  nullify(qp.wr_set_ud_addr);
  nullify(qp.wr_set_sge);
  nullify(qp.wr_set_inline_data);
  nullify(cq.start_poll);
  nullify(cq.next_poll);
  nullify(cq.end_poll);
  nullify(cq.read_opcode);
  nullify(cq.read_byte_len);
  nullify(cq.read_src_qp);
  nullify(cq.read_slid);
  nullify(cq.read_wc_flags);
}

void NullVerbs::post_send_known() {
  context.ops.post_send =
      reinterpret_cast<decltype(context.ops.post_send)>(reinterpret_cast<void*>(&efa_bench_known));
}

void NullVerbs::post_send_guilty() {
  context.ops.post_send = guilty;
}

}  // namespace efa::bench
