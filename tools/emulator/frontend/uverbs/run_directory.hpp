// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The directory of one `efa-emu run`: what programs below it read, and where the remote shell
/// finds the hosts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "frontend/uverbs/launcher.hpp"

namespace efa::emu {

/// MPI processes that the hostfile offers per host. Two: `--map-by ppr:2:node` fills every host,
/// and a run of more ranks than that has to say --oversubscribe, as it would on a small real
/// cluster.
inline constexpr unsigned kSlotsPerHost = 2;

/// Names inside a run directory; `dir` is $EFA_EMU_DIR.
std::string hostfile_path(const std::string& dir);
std::string machinefile_path(const std::string& dir);  ///< the same for MPICH ("host:slots")
std::string remote_shell_path(const std::string& dir);
std::string sysfs_path(const std::string& dir, const std::string& host);
std::string common_sysfs_path(const std::string& dir);  ///< where each host sees its own tree
std::string etc_hosts_path(const std::string& dir);

/// The run directory that surrounds this process, from the environment; nothing outside of a run.
std::optional<std::string> surrounding_run();

/// Hostfile in Open MPI's form: "host0 slots=2", one line per host.
std::string hostfile_text(const std::vector<LaunchedHost>& hosts);
std::string machinefile_text(const std::vector<LaunchedHost>& hosts);

/// Lines for /etc/hosts. Every host has an address of its own in 127.64.0.0/10: launchers that
/// resolve a name take a host with the address of an interface (127.0.0.1) for the local one.
std::string etc_hosts_lines(const std::vector<LaunchedHost>& hosts);

class RunDirectory {
 public:
  /// Makes $TMPDIR/efa-emu.XXXXXX, empty.
  static Result<RunDirectory> create();

  /// Writes the sysfs trees, the hostfiles and the remote shell.
  Result<void> fill(const std::vector<LaunchedHost>& hosts) const;

  RunDirectory(RunDirectory&& other) noexcept;
  RunDirectory& operator=(RunDirectory&&) = delete;
  ~RunDirectory();  ///< removes the directory, and what was mounted on it

  const std::string& path() const noexcept { return path_; }

 private:
  explicit RunDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace efa::emu
