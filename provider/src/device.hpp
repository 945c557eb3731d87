// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What fi_getinfo() has to know about a device. Plain values: tests make them up,
/// verbs_devices.cpp asks libibverbs and libefa.
#pragma once

#include <rdma/fabric.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "address.hpp"

namespace efa::fi {

struct Device {
  std::string name;       ///< as ibv_devinfo shows it
  std::string device_id;  ///< PCI device id as text, 0xefa2
  std::string vendor_id;
  std::string version;  ///< version of the kernel's uverbs ABI
  std::string driver;
  std::string firmware;
  fi_pci_attr pci{};

  Gid gid{};
  uint64_t speed = 0;  ///< bit/s
  fi_link_state link = FI_LINK_UNKNOWN;

  size_t mtu = 0;            ///< bytes of the longest device message
  size_t max_sq_wr = 0;      ///< send queue depth
  size_t max_rq_wr = 0;      ///< receive descriptors
  size_t max_sq_sge = 0;     ///< segments of a send
  size_t max_rq_sge = 0;     ///< segments of a receive
  size_t inline_size = 0;    ///< bytes of inline data
  size_t max_rdma_size = 0;  ///< bytes of one RDMA operation
  size_t max_qp = 0;
  size_t max_cq = 0;
  size_t max_mr = 0;
  bool rdma_read = false;
  bool rdma_write = false;
  bool unsolicited_write_recv = false;
};

/// Devices that the user did not switch off. choice: names separated by commas, or text that begins
/// with "all" (FI_EFA_IFACE, spec 3.1).
bool chosen(std::string_view choice, std::string_view device);

}  // namespace efa::fi
