// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// An EFA function as the administrator sees it: sysfs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace efa::host {

inline constexpr const char* kDriver = "efa";

class PciFunction {
 public:
  explicit PciFunction(std::string address) : address_(std::move(address)) {}
  /// In the order of their addresses, which is the order of the emulator's devices.
  static std::vector<PciFunction> all();
  /// The first one. Throws std::runtime_error if there is none.
  static PciFunction first();

  const std::string& address() const { return address_; }
  bool present() const;
  bool bound() const;
  /// Name of the verbs device; empty if there is none.
  std::string ibdev() const;
  /// N of /dev/infiniband/uverbsN; -1 if there is none.
  int uverbs() const;

  // These return 0 or errno.
  int bind() const;
  int unbind() const;
  int remove() const;
  int reset() const;
  static int rescan();

  /// hw_counters of the device (port 0) or of its port 1. Throws if it cannot be read.
  std::uint64_t counter(const std::string& name, int port = 0) const;
  /// errno of reading it.
  int counter_error(const std::string& name, int port) const;

 private:
  std::string path() const;
  std::string counter_path(const std::string& name, int port) const;
  std::string address_;
};

/// Writes to a file of sysfs. Returns 0 or errno.
int write_file(const std::string& path, const std::string& text);

/// Loads a module from its file, or by name what it needs; 0 or errno.
int load_module(const std::string& path);
int unload_module();
bool module_loaded();

}  // namespace efa::host
