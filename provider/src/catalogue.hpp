// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The entries that fi_getinfo() has for the devices of a machine when nobody asks for anything
/// special (spec libfabric-api 3.5), in the order in which applications see them.
#pragma once

#include <string>
#include <vector>

#include "device.hpp"
#include "info.hpp"
#include "release.hpp"

namespace efa::fi {

/// The longest header of an atomic request, which one packet has to hold (spec protocol 5).
inline constexpr size_t kAtomicHeader = 152;

enum class Kind {
  direct,    ///< fabric efa-direct: one call is one work request
  rdm,       ///< fabric efa: messages, RMA and atomics by protocol
  datagram,  ///< fabric efa, unreliable
};

const char* kind_text(Kind kind);

struct Template {
  Kind kind;
  const Device* device;
  InfoPtr info;
};

/// What the user may set about queue depths (FI_EFA_TX_SIZE, FI_EFA_RX_SIZE); 0: as the device has.
struct Depths {
  size_t tx = 0;
  size_t rx = 0;
};

struct Catalogue {
  const Release* release;
  std::vector<Device> devices;
  std::vector<Template> templates;
};

/// own_version: what the entries say about the version of this provider.
Catalogue make_catalogue(const Release& release, std::vector<Device> devices, Depths depths,
                         uint32_t own_version);

}  // namespace efa::fi
