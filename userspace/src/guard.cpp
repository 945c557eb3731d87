// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "guard.hpp"

#include <dlfcn.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "ibverbs_abi.hpp"

namespace efa {

int release_in_name(const char* path) {
  static constexpr char kName[] = "libibverbs.so.1.";
  const char* name = std::strrchr(path, '/');
  name = name == nullptr ? path : name + 1;
  if (std::strncmp(name, kName, sizeof(kName) - 1) != 0) return 0;
  int minor = 0;
  int release = 0;
  return std::sscanf(name + sizeof(kName) - 1, "%d.%d", &minor, &release) == 2 ? release : 0;
}

bool libibverbs_fits() {
  Dl_info info{};
  char path[PATH_MAX] = "(not found)";
  if (::dladdr(reinterpret_cast<void*>(&ibv_get_device_name), &info) != 0 &&
      info.dli_fname != nullptr) {
    if (::realpath(info.dli_fname, path) == nullptr) {
      std::snprintf(path, sizeof(path), "%s", info.dli_fname);
    }
  }
  if (release_in_name(path) == ibv::kRelease) return true;
  std::fprintf(stderr,
               "libefa: this build is for libibverbs of rdma-core %d, but the process has %s; EFA "
               "devices will not be offered. Install the libefa that belongs to it\n",
               ibv::kRelease, path);
  return false;
}

}  // namespace efa
