// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What RDM endpoints that do nothing cost:
///
///     efa-emu run -- fabric_memory PAIRS [MOST]
///
/// opens that many pairs of endpoints, introduces each pair, reads the completion queues until
/// nothing changes any more, and prints for each endpoint how much memory it has registered (a
/// driver locks that) and how much the process has got resident. Fails if more than MOST MiB are
/// registered.
#include <dlfcn.h>
#include <infiniband/verbs.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "fabric_pair.hpp"

// Registrations of the provider come here first.
#undef ibv_reg_mr
namespace {

std::size_t registered = 0;

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {
ibv_mr* ibv_reg_mr(ibv_pd* pd, void* address, std::size_t length, int access) {
  static const auto own = next<decltype(&ibv_reg_mr)>("ibv_reg_mr");
  registered += length;
  return own(pd, address, length, access);
}
ibv_mr* ibv_reg_mr_iova2(ibv_pd* pd, void* address, std::size_t length, std::uint64_t iova,
                         unsigned access) {
  static const auto own = next<decltype(&ibv_reg_mr_iova2)>("ibv_reg_mr_iova2");
  registered += length;
  return own(pd, address, length, iova, access);
}
}

namespace {

std::size_t resident_kilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmRSS:", 0) == 0) return std::strtoul(line.c_str() + 6, nullptr, 10);
  return 0;
}

void read_some(efa::bench::FabricSide& side) {
  fi_cq_tagged_entry entry;
  for (int i = 0; i < 100; ++i) fi_cq_read(side.cq.get(), &entry, 1);
}

}  // namespace

int main(int argc, char** argv) {
  const int pairs = argc >= 2 ? std::atoi(argv[1]) : 0;
  const double most = argc == 3 ? std::atof(argv[2]) : 1e9;
  if (pairs < 1 || most <= 0) {
    std::fprintf(stderr, "usage: %s PAIRS [MOST]\n", argv[0]);
    return 2;
  }
  // The first one brings the libraries in.
  auto first = std::make_unique<efa::bench::FabricPair>(efa::bench::FabricOptions{});
  std::printf("provider %s\n", first->provider().c_str());
  const std::size_t resident = resident_kilobytes();
  registered = 0;
  std::vector<std::unique_ptr<efa::bench::FabricPair>> opened;
  for (int i = 0; i < pairs; ++i) {
    opened.push_back(std::make_unique<efa::bench::FabricPair>(efa::bench::FabricOptions{}));
    read_some(opened.back()->sender());
    read_some(opened.back()->receiver());
  }
  const double each = static_cast<double>(registered) / (2.0 * pairs) / (1 << 20);
  std::printf("endpoints %d\nregistered %.2f MiB each\nresident %.2f MiB each\n", 2 * pairs, each,
              static_cast<double>(resident_kilobytes() - resident) / (2.0 * pairs) / 1024);
  if (each == 0) std::fprintf(stderr, "no registration was seen: nothing was measured\n");
  if (each > most) std::fprintf(stderr, "more than %.2f MiB are registered\n", most);
  return each == 0 || each > most ? 1 : 0;
}
