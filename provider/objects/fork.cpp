// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/fork.hpp"

#include <infiniband/verbs.h>
#include <rdma/fi_errno.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "log.hpp"
#include "objects/settings.hpp"

namespace efa::fi {
namespace {

bool asked() {
  return settings().fork_safe || std::getenv("RDMAV_FORK_SAFE") || std::getenv("IBV_FORK_SAFE");
}

/// Fork support works page by page, and takes all pages for small ones unless told otherwise.
bool huge_pages_get_in_its_way() {
  return settings().use_huge_page.value_or(false) || std::getenv("RDMAV_HUGEPAGES_SAFE");
}

int prepare() {
  if (!asked() || ibv_is_fork_initialized() == IBV_FORK_UNNEEDED) return 0;
  if (huge_pages_get_in_its_way()) {
    log(FI_LOG_WARN,
        "no domain can be opened: fork support (FI_EFA_FORK_SAFE, RDMAV_FORK_SAFE, IBV_FORK_SAFE) "
        "and huge pages (FI_EFA_USE_HUGE_PAGE, RDMAV_HUGEPAGES_SAFE) were both asked for, and "
        "kernels before 5.12 have one or the other; unset one of them");
    return -FI_EINVAL;
  }
  if (const int error = ibv_fork_init()) {
    log(FI_LOG_WARN, std::string("fork support cannot be had: ibv_fork_init(): ") +
                         std::strerror(error) +
                         "; open the domain before other libraries register memory, or do not "
                         "set FI_EFA_FORK_SAFE");
    return -error;
  }
  return 0;
}

}  // namespace

int prepare_fork() {
  static const int result = prepare();
  return result;
}

}  // namespace efa::fi
