// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "nic.hpp"

#include <rdma/fi_errno.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "absent.hpp"

namespace efa::fi {
namespace {

struct Nic : fid_nic {
  explicit Nic(const Device& described);
  Nic(const Nic& other) : Nic(other.description) {}
  Nic& operator=(const Nic&) = delete;

  Device description;  // owns the texts
  std::string address;
  fi_device_attr device_part{};
  fi_bus_attr bus_part{};
  fi_link_attr link_part{};
};

Nic& nic_of(fid* object) {
  return *static_cast<Nic*>(reinterpret_cast<fid_nic*>(object));
}

int close_nic(fid* object) {
  const std::unique_ptr<Nic> owner(&nic_of(object));
  return 0;
}

int control_nic(fid* object, int command, void* argument) {
  if (command != FI_DUP) return -FI_ENOSYS;
  *static_cast<fid_nic**>(argument) = std::make_unique<Nic>(nic_of(object)).release();
  return 0;
}

const char* link_text(fi_link_state state) {
  switch (state) {
    case FI_LINK_UP:
      return "FI_LINK_UP";
    case FI_LINK_DOWN:
      return "FI_LINK_DOWN";
    default:
      return "FI_LINK_UNKNOWN";
  }
}

/// fi_tostr() hands over what it has so far: text goes to its end.
[[gnu::format(printf, 3, 4)]] void print(char* buffer, size_t size, const char* format, ...) {
  const size_t used = strnlen(buffer, size);
  va_list values;
  va_start(values, format);
  // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is started above
  std::vsnprintf(buffer + used, size - used, format, values);
  va_end(values);
}

int print_nic(const fid* object, char* buffer, size_t size) {
  const fid_nic& nic = *reinterpret_cast<const fid_nic*>(object);
  const fi_device_attr& device = *nic.device_attr;
  const fi_pci_attr& pci = nic.bus_attr->attr.pci;
  const fi_link_attr& link = *nic.link_attr;
  print(buffer, size, "    nic:\n        fi_device_attr:\n");
  print(buffer, size, "            name: %s\n            device_id: %s\n", device.name,
        device.device_id);
  print(buffer, size, "            device_version: %s\n            vendor_id: %s\n",
        device.device_version, device.vendor_id);
  print(buffer, size, "            driver: %s\n            firmware: %s\n", device.driver,
        device.firmware);
  print(buffer, size, "        fi_bus_attr:\n            bus_type: FI_BUS_PCI\n");
  print(buffer, size, "            fi_pci_attr:\n                domain_id: %u\n", pci.domain_id);
  print(buffer, size, "                bus_id: %u\n                device_id: %u\n", pci.bus_id,
        pci.device_id);
  print(buffer, size, "                function_id: %u\n        fi_link_attr:\n", pci.function_id);
  print(buffer, size, "            address: %s\n            mtu: %zu\n", link.address, link.mtu);
  print(buffer, size, "            speed: %zu\n            state: %s\n", link.speed,
        link_text(link.state));
  print(buffer, size, "            network_type: %s\n", link.network_type);
  return 0;
}

fi_ops nic_operations{
    .size = sizeof(fi_ops),
    .close = close_nic,
    .bind = absent,
    .control = control_nic,
    .ops_open = absent,
    .tostr = print_nic,
    .ops_set = absent,
};

Nic::Nic(const Device& described)
    : fid_nic{}, description(described), address("EFA-" + gid_text(described.gid)) {
  static char ethernet[] = "Ethernet";
  Device& own = description;
  device_part = {own.name.data(),      own.device_id.data(), own.version.data(),
                 own.vendor_id.data(), own.driver.data(),    own.firmware.data()};
  bus_part.bus_type = FI_BUS_PCI;
  bus_part.attr.pci = own.pci;
  link_part = {address.data(), own.mtu, own.speed, own.link, ethernet};

  fid = {FI_CLASS_NIC, nullptr, &nic_operations};
  device_attr = &device_part;
  bus_attr = &bus_part;
  link_attr = &link_part;
}

}  // namespace

fid_nic* make_nic(const Device& device) {
  return std::make_unique<Nic>(device).release();
}

}  // namespace efa::fi
