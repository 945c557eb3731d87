// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/run_directory.hpp"

#include <ftw.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "frontend/uverbs/sysfs_tree.hpp"

namespace efa::emu {
namespace {

namespace fs = std::filesystem;

Result<void> write_file(const std::string& path, const std::string& content) {
  std::ofstream out(path);
  if (out << content << std::flush) {
    return {};
  }
  return fail(errno, fmt::format("cannot write {}: {}", path, std::strerror(errno)),
              "free some space or set TMPDIR to a directory that you can write to");
}

std::string own_program() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).string();
}

std::string quoted(const std::string& word) {
  std::string out = "'";
  for (const char c : word) {
    out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return out + "'";
}

/// A script, not a link: MPI launchers take one word as the agent, and ours is "efa-emu rsh".
Result<void> write_remote_shell(const std::string& path) {
  const std::string script = fmt::format("#!/bin/sh\nexec {} rsh \"$@\"\n", quoted(own_program()));
  if (auto written = write_file(path, script); !written) {
    return written;
  }
  chmod(path.c_str(), 0755);
  return {};
}

std::string current_etc_hosts() {
  std::ifstream in("/etc/hosts");
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

std::string hostfile_path(const std::string& dir) {
  return dir + "/hostfile";
}
std::string machinefile_path(const std::string& dir) {
  return dir + "/machinefile";
}
std::string remote_shell_path(const std::string& dir) {
  return dir + "/bin/rsh";
}
std::string etc_hosts_path(const std::string& dir) {
  return dir + "/etc-hosts";
}

std::string common_sysfs_path(const std::string& dir) {
  return dir + "/sys";
}

std::string sysfs_path(const std::string& dir, const std::string& host) {
  return dir + "/hosts/" + host + "/sys";
}

std::optional<std::string> surrounding_run() {
  const char* dir = std::getenv("EFA_EMU_DIR");
  // A leftover of a run that has ended names no directory any more.
  if (dir == nullptr || access(hostfile_path(dir).c_str(), R_OK) != 0) {
    return std::nullopt;
  }
  return dir;
}

std::string hostfile_text(const std::vector<LaunchedHost>& hosts) {
  std::string text;
  for (const LaunchedHost& host : hosts) {
    text += fmt::format("{} slots={}\n", host.name, kSlotsPerHost);
  }
  return text;
}

std::string machinefile_text(const std::vector<LaunchedHost>& hosts) {
  std::string text;
  for (const LaunchedHost& host : hosts) {
    text += fmt::format("{}:{}\n", host.name, kSlotsPerHost);
  }
  return text;
}

std::string etc_hosts_lines(const std::vector<LaunchedHost>& hosts) {
  std::string text;
  unsigned number = 0;
  for (const LaunchedHost& host : hosts) {
    ++number;
    text += fmt::format("127.{}.{}.{} {}\n", 64 + (number >> 16), number >> 8 & 0xff, number & 0xff,
                        host.name);
  }
  return text;
}

Result<RunDirectory> RunDirectory::create() {
  const char* base = std::getenv("TMPDIR");
  std::string path = fmt::format("{}/efa-emu.XXXXXX", base != nullptr && *base ? base : "/tmp");
  if (mkdtemp(path.data()) == nullptr) {
    return fail(errno, fmt::format("cannot create {}: {}", path, std::strerror(errno)),
                "set TMPDIR to a directory that you can write to");
  }
  chmod(path.c_str(), 0755);  // programs below may change their user
  return RunDirectory(path);
}

Result<void> RunDirectory::fill(const std::vector<LaunchedHost>& hosts) const {
  const std::string& dir = path_;
  std::error_code ignored;  // the writes below report it
  fs::create_directories(dir + "/bin", ignored);
  fs::create_directories(common_sysfs_path(dir), ignored);
  for (const LaunchedHost& host : hosts) {
    if (auto tree = write_sysfs_tree(sysfs_path(dir, host.name), host); !tree) {
      return tree;
    }
  }
  const std::pair<std::string, std::string> files[] = {
      {hostfile_path(dir), hostfile_text(hosts)},
      {machinefile_path(dir), machinefile_text(hosts)},
      {etc_hosts_path(dir), current_etc_hosts() + "\n" + etc_hosts_lines(hosts)},
  };
  for (const auto& [path, content] : files) {
    if (auto written = write_file(path, content); !written) {
      return written;
    }
  }
  return write_remote_shell(remote_shell_path(dir));
}

RunDirectory::RunDirectory(RunDirectory&& other) noexcept : path_(std::move(other.path_)) {
  other.path_.clear();
}

RunDirectory::~RunDirectory() {
  if (path_.empty()) {
    return;
  }
  umount2(path_.c_str(), MNT_DETACH);
  // FTW_MOUNT, FTW_PHYS: what somebody mounted or linked below it is not ours to remove.
  const auto remove_entry = [](const char* path, const struct stat*, int, struct FTW*) {
    std::remove(path);
    return 0;
  };
  nftw(path_.c_str(), remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

}  // namespace efa::emu
