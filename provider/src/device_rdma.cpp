// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device_rdma.hpp"

namespace efa::fi {
namespace {

/// Applications that ask for an older API do not expect the RDMA of the first two generations.
constexpr uint32_t kExpectsRdma = FI_VERSION(1, 18);

bool first_generations(const Device& device) {
  return device.device_id == "0xefa0" || device.device_id == "0xefa1";
}

}  // namespace

bool uses_device_rdma(const Device& device, uint32_t api_version, std::optional<bool> asked) {
  return asked.value_or(api_version >= kExpectsRdma || !first_generations(device));
}

}  // namespace efa::fi
