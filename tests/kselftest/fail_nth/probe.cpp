// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Every allocation of probe fails once. A probe that fails leaves the function free for the next
/// one.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "faults.hpp"
#include "tap.hpp"

namespace efa::test {
namespace {

const std::string kDriver = "/sys/bus/pci/drivers/efa/";

/// PCI address of the first function that the driver is bound to.
std::string bound_function() {
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(kDriver, none))
    if (entry.is_symlink() && entry.path().filename().string().find(':') != std::string::npos)
      return entry.path().filename();
  return "";
}

/// A file of the driver's folder, kept open: opening allocates too.
class Control {
 public:
  explicit Control(const char* name) : fd_(::open((kDriver + name).c_str(), O_WRONLY | O_CLOEXEC)) {
    tap::require(fd_ >= 0, kDriver + name + " opens");
  }
  ~Control() { ::close(fd_); }
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;
  int write(const std::string& text) const {
    return ::pwrite(fd_, text.data(), text.size(), 0) < 0 ? errno : 0;
  }

 private:
  int fd_;
};

TAP_TEST("faults in probe") {
  const std::string function = bound_function();
  tap::require(!function.empty(), "the driver is bound to a function");
  const Control bind("bind"), unbind("unbind");
  const auto release = [&] { tap::require_success(unbind.write(function), "unbind"); };
  release();
  const auto result = faults::sweep([&] { return bind.write(function); }, release);
  tap::note("probe: " + result.text());
  tap::expect(result.hit > 100, "probe allocates more than a hundred times");
  tap::require_success(bind.write(function), "bind after all of that");
}

TAP_TEST("faults in removal") {
  const std::string function = bound_function();
  tap::require(!function.empty(), "the driver is bound to a function");
  const Control bind("bind"), unbind("unbind");
  const auto probe = [&] { tap::require_success(bind.write(function), "bind"); };
  const auto result = faults::sweep([&] { return unbind.write(function); }, probe);
  tap::note("removal: " + result.text());
}

}  // namespace
}  // namespace efa::test
