// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/private_dev.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>

#include "frontend/uverbs/host_shell.hpp"

namespace efa::emu {
namespace {

constexpr const char* kDev = "/dev";
constexpr const char* kInfiniband = "/dev/infiniband";
constexpr std::string_view kNodePrefix = "/dev/infiniband/uverbs";

tl::unexpected<Error> mounts_denied(const std::string& step) {
  const int error = errno;
  return fail(error, fmt::format("one-trap mode: {} is denied: {}", step, std::strerror(error)),
              "use --mode path, or allow mounts and user namespaces here");
}

bool mount_onto(const std::string& source, const std::string& target) {
  return mount(source.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0;
}

bool mount_tmpfs(const std::string& target) {
  return mount("efa-emu", target.c_str(), "tmpfs", MS_NOSUID, "mode=755") == 0;
}

bool create_empty_file(const std::string& path) {
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
  return fd >= 0 && close(fd) == 0;
}

std::string link_target(const std::string& path) {
  std::string target(4096, '\0');
  const ssize_t length = readlink(path.c_str(), target.data(), target.size());
  target.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
  return target;
}

/// Shows the entry `source` of the old /dev at `target` of the new one. Mounts rather than copies:
/// in a user namespace a device node made by mknod could not be opened.
bool carry_over(const std::string& source, const std::string& target) {
  struct stat status {};
  if (lstat(source.c_str(), &status) != 0) {
    return true;  // vanished meanwhile
  }
  if (S_ISLNK(status.st_mode)) {
    return symlink(link_target(source).c_str(), target.c_str()) == 0;
  }
  const bool made =
      S_ISDIR(status.st_mode) ? mkdir(target.c_str(), 0755) == 0 : create_empty_file(target);
  return made && mount_onto(source, target);
}

bool carry_over_all(const std::string& old_dev) {
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(old_dev.c_str()), closedir);
  if (entries == nullptr) {
    return false;
  }
  while (const dirent* entry = readdir(entries.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != ".." && !carry_over(old_dev + "/" + name, kDev + ("/" + name))) {
      return false;
    }
  }
  return true;
}

/// Covers /dev by a tmpfs with the same entries, in which /dev/infiniband can be made: the real
/// /dev stays as it is. The old one remains reachable through a descriptor taken before.
bool rebuild_dev() {
  const int old_dev = open(kDev, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (old_dev < 0) {
    return false;
  }
  bool done = mount_tmpfs(kDev);
  if (done && !carry_over_all(fmt::format("/proc/self/fd/{}", old_dev))) {
    const int error = errno;
    umount2(kDev, MNT_DETACH);
    errno = error;
    done = false;
  }
  close(old_dev);
  return done && mkdir(kInfiniband, 0755) == 0;
}

bool is_directory(const char* path) {
  struct stat status {};
  return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

std::string uverbs_node_path(unsigned index) {
  return fmt::format("{}{}", kNodePrefix, index);
}

std::optional<unsigned> uverbs_node_index(const std::string& path, std::size_t count) {
  if (!std::string_view(path).starts_with(kNodePrefix)) {
    return std::nullopt;
  }
  const char* digits = path.data() + kNodePrefix.size();
  const char* end = path.data() + path.size();
  unsigned index = 0;
  const auto [stop, error] = std::from_chars(digits, end, index);
  const bool canonical =
      error == std::errc{} && stop == end && (*digits != '0' || end - digits == 1);
  if (!canonical || index >= count) {
    return std::nullopt;
  }
  return index;
}

Result<void> enter_private_mounts() {
  if (unshare(CLONE_NEWNS) != 0) {
    const int error = errno;
    if (!unshare_as_user(CLONE_NEWNS)) {
      return mounts_denied(
          fmt::format("a mount namespace is denied ({}), a user namespace", std::strerror(error)));
    }
  }
  // A new namespace shares mount events with its parent where that was set up so: cut that.
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return mounts_denied("making the mounts private");
  }
  return {};
}

bool mount_memory(const std::string& path) {
  return mount_tmpfs(path);
}

Result<void> mount_device_nodes(std::size_t count) {
  const bool ready = is_directory(kInfiniband) ? mount_tmpfs(kInfiniband) : rebuild_dev();
  if (!ready) {
    return mounts_denied("mounting a private /dev/infiniband");
  }
  for (unsigned index = 0; index < count; ++index) {
    const std::string node = uverbs_node_path(index);
    if (!create_empty_file(node) || !mount_onto("/dev/null", node)) {
      return mounts_denied("mounting device nodes");
    }
  }
  return {};
}

bool mount_hosts_file(const std::string& file) {
  return mount_onto(file, "/etc/hosts");
}

}  // namespace efa::emu
