// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "verbs_devices.hpp"

#include <infiniband/efadv.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include "log.hpp"

namespace efa::fi {
namespace {

/// Bits of efadv_device_attr.device_caps; older headers lack the last two.
constexpr uint32_t kRdmaRead = 1 << 0;
constexpr uint32_t kRdmaWrite = 1 << 3;
constexpr uint32_t kUnsolicitedWriteRecv = 1 << 4;

/// An EFA device has one port, and this is its number.
constexpr uint8_t kPort = 1;

struct CloseContext {
  void operator()(ibv_context* context) const { ibv_close_device(context); }
};
using Context = std::unique_ptr<ibv_context, CloseContext>;

struct FreeList {
  void operator()(ibv_device** list) const { ibv_free_device_list(list); }
};
using DeviceList = std::unique_ptr<ibv_device*, FreeList>;

std::string hex(uint32_t number) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%04x", number);
  return text;
}

/// Last part of what a link points to; empty if there is none.
std::string link_name(const std::string& path) {
  std::error_code error;
  return std::filesystem::read_symlink(path, error).filename();
}

/// 0000:00:06.0
fi_pci_attr parse_pci(const std::string& text) {
  unsigned domain = 0, bus = 0, device = 0, function = 0;
  if (std::sscanf(text.c_str(), "%x:%x:%x.%x", &domain, &bus, &device, &function) != 4) return {};
  return {static_cast<uint16_t>(domain), static_cast<uint8_t>(bus), static_cast<uint8_t>(device),
          static_cast<uint8_t>(function)};
}

void read_sysfs(const ibv_device& verbs, Device& device) {
  const std::string path = verbs.ibdev_path;
  device.pci = parse_pci(link_name(path + "/device"));
  device.driver = link_name(path + "/device/driver");
  const std::string uverbs = verbs.dev_path;
  std::ifstream(uverbs.substr(0, uverbs.rfind('/')) + "/abi_version") >> device.version;
}

uint64_t lanes(uint8_t width) {
  switch (width) {
    case 1:
      return 1;
    case 2:
      return 4;
    case 4:
      return 8;
    case 8:
      return 12;
    case 16:
      return 2;
    default:
      return 0;
  }
}

/// Bits per second of one lane, from the code in the port attributes.
uint64_t lane_speed(uint8_t code) {
  constexpr uint64_t kMega = 1'000'000;
  switch (code) {
    case 1:
      return 2500 * kMega;
    case 2:
      return 5000 * kMega;
    case 4:
    case 8:
      return 10000 * kMega;
    case 16:
      return 14000 * kMega;
    case 32:
      return 25000 * kMega;
    case 64:
      return 50000 * kMega;
    case 128:
      return 100000 * kMega;
    default:
      return 0;
  }
}

bool ask_port(ibv_context* context, Device& device) {
  ibv_port_attr port{};
  union ibv_gid gid {};
  if (ibv_query_port(context, kPort, &port) || ibv_query_gid(context, kPort, 0, &gid)) return false;
  std::memcpy(device.gid.data(), gid.raw, sizeof gid.raw);
  device.mtu = port.max_msg_sz;
  device.speed = lanes(port.active_width) * lane_speed(port.active_speed);
  device.link = port.state == IBV_PORT_ACTIVE ? FI_LINK_UP : FI_LINK_DOWN;
  return true;
}

bool ask_limits(ibv_context* context, Device& device) {
  ibv_device_attr attr{};
  if (ibv_query_device(context, &attr)) return false;
  device.device_id = hex(attr.vendor_part_id);
  device.vendor_id = hex(attr.vendor_id);
  device.firmware = attr.fw_ver;
  device.max_qp = attr.max_qp;
  device.max_cq = attr.max_cq;
  device.max_mr = attr.max_mr;
  return true;
}

void take(const efadv_device_attr& attr, Device& device) {
  device.max_sq_wr = attr.max_sq_wr;
  device.max_rq_wr = attr.max_rq_wr;
  device.max_sq_sge = attr.max_sq_sge;
  device.max_rq_sge = attr.max_rq_sge;
  device.inline_size = attr.inline_buf_size;
  device.max_rdma_size = attr.max_rdma_size;
  device.rdma_read = attr.device_caps & kRdmaRead;
  device.rdma_write = attr.device_caps & kRdmaWrite;
  device.unsolicited_write_recv = attr.device_caps & kUnsolicitedWriteRecv;
}

void not_usable(const ibv_device& verbs, const char* what) {
  log(FI_LOG_WARN, std::string("device ") + verbs.name + " left out: " + what + ": " +
                       std::strerror(errno) + "; `ibv_devinfo -d " + verbs.name + "` shows more");
}

/// Adds the device if it is an EFA device, which libefa tells: others cannot be asked this.
void add(ibv_device& verbs, std::vector<Device>& devices) {
  const Context context(ibv_open_device(&verbs));
  if (!context) return not_usable(verbs, "cannot be opened");
  efadv_device_attr attr{};
  if (efadv_query_device(context.get(), &attr, sizeof attr)) return;
  Device device;
  device.name = verbs.name;
  if (!ask_limits(context.get(), device)) return not_usable(verbs, "does not tell its limits");
  if (!ask_port(context.get(), device)) return not_usable(verbs, "does not tell its port's state");
  take(attr, device);
  read_sysfs(verbs, device);
  devices.push_back(std::move(device));
}

}  // namespace

std::vector<Device> verbs_devices() {
  int count = 0;
  const DeviceList list(ibv_get_device_list(&count));
  std::vector<Device> devices;
  for (int i = 0; list && i < count; ++i) add(*list.get()[i], devices);
  return devices;
}

}  // namespace efa::fi
