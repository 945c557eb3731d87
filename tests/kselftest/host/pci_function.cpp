// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "pci_function.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace efa::host {

namespace {

constexpr const char* kDevices = "/sys/bus/pci/devices/";
const std::string kDriverFolder = std::string("/sys/bus/pci/drivers/") + kDriver;

/// The only entry of a folder; empty if there is none.
std::string only_entry(const std::string& folder) {
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(folder, none))
    return entry.path().filename();
  return "";
}

}  // namespace

int write_file(const std::string& path, const std::string& text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = written ? 0 : errno;
  ::close(fd);
  return error;
}

std::vector<PciFunction> PciFunction::all() {
  std::vector<PciFunction> functions;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(kDevices, none)) {
    std::string vendor, device;
    std::ifstream(entry.path() / "vendor") >> vendor;
    std::ifstream(entry.path() / "device") >> device;
    if (vendor == "0x1d0f" && device.rfind("0xefa", 0) == 0)
      functions.emplace_back(entry.path().filename());
  }
  std::sort(functions.begin(), functions.end(),
            [](const PciFunction& a, const PciFunction& b) { return a.address_ < b.address_; });
  return functions;
}

PciFunction PciFunction::first() {
  const auto functions = all();
  if (functions.empty()) throw std::runtime_error("there is no EFA function on the PCI bus");
  return functions.front();
}

std::string PciFunction::path() const {
  return kDevices + address_;
}

bool PciFunction::present() const {
  return std::filesystem::exists(path());
}

bool PciFunction::bound() const {
  std::error_code none;
  return std::filesystem::read_symlink(path() + "/driver", none).filename() == kDriver;
}

std::string PciFunction::ibdev() const {
  return only_entry(path() + "/infiniband");
}

int PciFunction::uverbs() const {
  const std::string name = only_entry(path() + "/infiniband_verbs");
  return name.rfind("uverbs", 0) == 0 ? std::stoi(name.substr(6)) : -1;
}

int PciFunction::bind() const {
  return write_file(kDriverFolder + "/bind", address_);
}

int PciFunction::unbind() const {
  return write_file(kDriverFolder + "/unbind", address_);
}

int PciFunction::remove() const {
  return write_file(path() + "/remove", "1");
}

int PciFunction::reset() const {
  return write_file(path() + "/reset", "1");
}

int PciFunction::rescan() {
  return write_file("/sys/bus/pci/rescan", "1");
}

std::string PciFunction::counter_path(const std::string& name, int port) const {
  const std::string folder = path() + "/infiniband/" + ibdev();
  return folder + (port == 0 ? "" : "/ports/" + std::to_string(port)) + "/hw_counters/" + name;
}

int PciFunction::counter_error(const std::string& name, int port) const {
  const int fd = ::open(counter_path(name, port).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  char text[64];
  const int error = ::read(fd, text, sizeof(text)) < 0 ? errno : 0;
  ::close(fd);
  return error;
}

std::uint64_t PciFunction::counter(const std::string& name, int port) const {
  std::ifstream file(counter_path(name, port));
  std::uint64_t value = 0;
  if (!(file >> value)) throw std::runtime_error("counter " + name + " cannot be read");
  return value;
}

int load_module(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int error = ::syscall(SYS_finit_module, fd, "", 0) == 0 ? 0 : errno;
  ::close(fd);
  return error;
}

int unload_module() {
  return ::syscall(SYS_delete_module, kDriver, O_NONBLOCK) == 0 ? 0 : errno;
}

bool module_loaded() {
  return std::filesystem::exists(std::string("/sys/module/") + kDriver);
}

}  // namespace efa::host
