// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Memory regions: the kernel does all of it.
#pragma once

#include "context.hpp"

namespace efa {

ibv_mr* reg_mr(ibv_pd* pd, void* address, std::size_t length, std::uint64_t iova, int access);
ibv_mr* reg_dmabuf_mr(ibv_pd* pd, std::uint64_t offset, std::size_t length, std::uint64_t iova,
                      int fd, int access);
int dereg_mr(ibv::VerbsMr* mr);

}  // namespace efa
