// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Address handles: the device knows a peer by the number that the kernel got for it.
#pragma once

#include "context.hpp"

namespace efa {

struct Ah {
  ibv_ah ah;  // first
  std::uint16_t number;

  static const Ah& of(const ibv_ah* ah) { return *reinterpret_cast<const Ah*>(ah); }
};

ibv_ah* create_ah(ibv_pd* pd, ibv_ah_attr* attr);
int destroy_ah(ibv_ah* ah);

}  // namespace efa
