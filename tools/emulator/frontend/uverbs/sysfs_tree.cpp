// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/sysfs_tree.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "device/profile.hpp"
#include "frontend/uverbs/hw_counters.hpp"

namespace efa::emu {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kVendor = 0x1d0f;
constexpr int kClassAbiVersion = 6;   // uverbs class: what libibverbs checks against its range
constexpr int kDeviceAbiVersion = 1;  // EFA_UVERBS_ABI_VERSION (verbs A1)

/// Writes files and links until the first failure, which it keeps.
class Writer {
 public:
  void file(const fs::path& path, const std::string& line) {
    make_parents(path);
    if (std::ofstream out(path); !(out << line << '\n' << std::flush)) {
      note(errno, path);
    }
  }

  void link(const fs::path& path, const std::string& target) {
    make_parents(path);
    std::error_code error;
    fs::create_symlink(target, path, error);
    if (error) {
      note(error.value(), path);
    }
  }

  Result<void> result() const {
    if (failed_path_.empty()) {
      return {};
    }
    return fail(error_, fmt::format("cannot write {}", failed_path_),
                "free some space or set TMPDIR to a directory that you can write to");
  }

 private:
  void make_parents(const fs::path& path) {
    std::error_code ignored;  // the write itself reports it
    fs::create_directories(path.parent_path(), ignored);
  }

  void note(int error, const fs::path& path) {
    if (failed_path_.empty()) {
      error_ = error;
      failed_path_ = path;
    }
  }

  int error_ = 0;
  std::string failed_path_;
};

std::string guid_text(const std::array<std::uint8_t, 8>& guid) {
  const auto word = [&](std::size_t at) { return guid[at] << 8 | guid[at + 1]; };
  return fmt::format("{:04x}:{:04x}:{:04x}:{:04x}", word(0), word(2), word(4), word(6));
}

/// Speed and width that the kernel driver reports for a link (verbs A1.1), as ib_core prints them.
std::string rate_text(unsigned gbps) {
  struct Row {
    unsigned at_least;
    const char* text;
  };
  static constexpr std::array<Row, 10> kRows = {{{1600, "1600 Gb/sec (8X XDR)"},
                                                 {800, "800 Gb/sec (8X NDR)"},
                                                 {400, "400 Gb/sec (8X HDR)"},
                                                 {200, "200 Gb/sec (4X HDR)"},
                                                 {120, "120 Gb/sec (12X FDR10)"},
                                                 {100, "100 Gb/sec (4X EDR)"},
                                                 {60, "60 Gb/sec (12X DDR)"},
                                                 {50, "50 Gb/sec (1X HDR)"},
                                                 {40, "40 Gb/sec (4X FDR10)"},
                                                 {30, "30 Gb/sec (12X)"}}};
  const unsigned speed = gbps == 0 ? 100 : gbps;
  const auto row =
      std::find_if(kRows.begin(), kRows.end(), [&](const Row& r) { return speed >= r.at_least; });
  return row == kRows.end() ? "25 Gb/sec (1X EDR)" : row->text;
}

unsigned link_speed(std::uint16_t pci_device) {
  for (const Profile& profile : profiles()) {
    if (profile.pci_device == pci_device) {
      return profile.link_speed_gbps;
    }
  }
  return 0;
}

void write_pci_function(Writer& out, const fs::path& function, const LaunchedDevice& device) {
  const unsigned id = device.pci_device;
  out.file(function / "vendor", fmt::format("{:#06x}", kVendor));
  out.file(function / "device", fmt::format("{:#06x}", id));
  out.file(function / "subsystem_vendor", fmt::format("{:#06x}", kVendor));
  out.file(function / "subsystem_device", fmt::format("{:#06x}", id));
  out.file(function / "class", "0x020000");
  out.file(function / "revision", "0x00");
  out.file(function / "numa_node", "-1");
  out.file(function / "enable", "1");
  // libibverbs finds the provider by this line when it has no driver id (verbs B1, step 9).
  out.file(function / "modalias",
           fmt::format("pci:v{:08X}d{:08X}sv{:08X}sd{:08X}bc02sc00i00", kVendor, id, kVendor, id));
  out.link(function / "driver", "../../../bus/pci/drivers/efa");
  out.link(function / "subsystem", "../../../bus/pci");
}

/// All 0: HwCounterFiles says what became of them.
template <class Counter>
void write_counters(Writer& out, const fs::path& folder, std::span<const Counter> counters) {
  for (const Counter& counter : counters) {
    out.file(folder / counter.name, "0");
  }
  out.file(folder / "lifespan", std::to_string(kCounterLifespanMs));
}

void write_port(Writer& out, const fs::path& port, const LaunchedDevice& device) {
  out.file(port / "state", "4: ACTIVE");
  out.file(port / "phys_state", "5: LinkUp");
  out.file(port / "lid", "0x0");
  out.file(port / "lid_mask_count", "1");
  out.file(port / "sm_lid", "0x0");
  out.file(port / "sm_sl", "0");
  out.file(port / "cap_mask", "0x00000000");
  out.file(port / "rate", rate_text(link_speed(device.pci_device)));
  out.file(port / "link_layer", "Unknown");
  out.file(port / "pkeys/0", "0xffff");
  out.file(port / "gids/0", device.gid.text());
  out.file(port / "gid_attrs/types/0", "IB/RoCE v1");
  write_counters(out, port / "hw_counters", port_counters());
}

void write_ib_device(Writer& out, const fs::path& ib, const LaunchedHost& host,
                     const LaunchedDevice& device) {
  out.file(ib / "node_type", "7: unspecified");
  out.file(ib / "node_guid", guid_text(device.guid));
  out.file(ib / "sys_image_guid", guid_text({}));
  out.file(ib / "node_desc", fmt::format("{} {}", host.name, device.name));
  out.file(ib / "fw_ver", "0.0.0.0");
  out.file(ib / "uevent", "NAME=" + device.name);
  out.link(ib / "device",
           "../../../" + fs::path(ib).parent_path().parent_path().filename().string());
  out.link(ib / "subsystem", "../../../../../class/infiniband");
  write_counters(out, ib / "hw_counters", device_counters());
  write_port(out, ib / "ports/1", device);
}

void write_uverbs_node(Writer& out, const fs::path& node, const LaunchedDevice& device) {
  out.file(node / "ibdev", device.name);
  out.file(node / "abi_version", std::to_string(kDeviceAbiVersion));
  out.file(node / "dev", "1:3");  // /dev/null, which stands in for the node (native-mode 1)
  out.file(node / "uevent",
           fmt::format("MAJOR=1\nMINOR=3\nDEVNAME=infiniband/uverbs{}", device.uverbs_index));
  out.link(node / "device",
           "../../../" + fs::path(node).parent_path().parent_path().filename().string());
  out.link(node / "subsystem", "../../../../../class/infiniband_verbs");
}

/// Directory of a PCI function in the tree.
std::string function_path(std::size_t number) {
  const std::string pci = pci_name(number);
  return "devices/pci" + pci.substr(0, pci.rfind(':')) + "/" + pci;
}

void write_device(Writer& out, const fs::path& root, const LaunchedHost& host, std::size_t number) {
  const LaunchedDevice& device = host.devices[number];
  const std::string pci = pci_name(number);
  const std::string function = function_path(number);
  const std::string ib = function + "/infiniband/" + device.name;
  const std::string uverbs = fmt::format("uverbs{}", device.uverbs_index);
  const std::string node = function + "/infiniband_verbs/" + uverbs;

  write_pci_function(out, root / function, device);
  write_ib_device(out, root / ib, host, device);
  write_uverbs_node(out, root / node, device);
  out.link(root / "class/infiniband" / device.name, "../../" + ib);
  out.link(root / "class/infiniband_verbs" / uverbs, "../../" + node);
  out.link(root / "bus/pci/devices" / pci, "../../../" + function);
  out.link(root / "bus/pci/drivers/efa" / pci, "../../../../" + function);
}

}  // namespace

std::string pci_name(std::size_t device) {
  // EC2 instances show their first EFA around slot 6; slots 0-5 are taken by other devices.
  constexpr std::size_t kFirstSlot = 6;
  constexpr std::size_t kSlotsPerBus = 32 - kFirstSlot;
  return fmt::format("0000:{:02x}:{:02x}.0", device / kSlotsPerBus,
                     kFirstSlot + device % kSlotsPerBus);
}

std::string ib_device_path(const std::string& root, const LaunchedHost& host, std::size_t device) {
  return fmt::format("{}/{}/infiniband/{}", root, function_path(device), host.devices[device].name);
}

Result<void> write_sysfs_tree(const std::string& root, const LaunchedHost& host) {
  Writer out;
  out.file(fs::path(root) / "class/infiniband_verbs/abi_version", std::to_string(kClassAbiVersion));
  // Last first: programs take the devices in the order of readdir(), and the file system in memory
  // on which the tree usually is lists the newest entry first.
  for (std::size_t number = host.devices.size(); number-- > 0;) {
    write_device(out, root, host, number);
  }
  std::error_code ignored;  // a host without devices still has the (empty) class
  fs::create_directories(fs::path(root) / "class/infiniband", ignored);
  return out.result();
}

}  // namespace efa::emu
