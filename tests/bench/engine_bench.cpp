// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The engine alone, on plain arrays: what a pass over idle queue pairs costs, and a message.
#include <benchmark/benchmark.h>

#include "datapath/fabric_rig.hpp"

namespace efa::emu::test {
namespace {

/// One pass over N idle queue pairs on N / 2 hosts, as with two MPI ranks per host.
void idle_pass(benchmark::State& state) {
  const auto qps = static_cast<unsigned>(state.range(0));
  FabricRig rig(qps / 2);
  for (unsigned i = 0; i < qps; ++i) rig[i / 2].qp({.depth = 64, .descriptors = 64});
  for (auto _ : state) benchmark::DoNotOptimize(rig.pass());
}
BENCHMARK(idle_pass)->Arg(2)->Arg(16)->Arg(128)->Unit(benchmark::kMicrosecond);

/// Post, deliver, complete on both sides, post the receive again.
void send_one(benchmark::State& state) {
  Pair pair;
  const Region from = pair.left().region(8192);
  const Region to = pair.right().region(8192);
  const auto bytes = static_cast<std::uint32_t>(state.range(0));
  const Wqe wqe = send_to(pair.to_b, 1).sge(from, bytes);
  for (auto _ : state) {
    pair.b.post_recv(1, to, 8192);
    pair.a.post(wqe);
    while (pair.rig.pass()) {
    }
    benchmark::DoNotOptimize(pair.a.send_cq->poll());
    benchmark::DoNotOptimize(pair.b.recv_cq->poll());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(send_one)->Arg(8)->Arg(8192)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace efa::emu::test

BENCHMARK_MAIN();
