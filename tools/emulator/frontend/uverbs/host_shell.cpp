// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/host_shell.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "frontend/uverbs/run_directory.hpp"

namespace efa::emu {
namespace {

bool write_to(const char* path, const std::string& text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) {
    return false;
  }
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return written;
}

/// Namespaces of the host's own. Both or none: they need the same privilege.
bool leave_namespaces() {
  constexpr int kOwn = CLONE_NEWUTS | CLONE_NEWNS;
  return unshare(kOwn) == 0 || unshare_as_user(kOwn);
}

/// Shows the host's tree at the path that is the same on all hosts. Private first: where we share
/// mount events with the outer system, it must not see this.
bool show_tree(const std::string& tree, const std::string& common_path) {
  return mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount(tree.c_str(), common_path.c_str(), nullptr, MS_BIND, nullptr) == 0;
}

void set(const char* name, const std::string& value) {
  setenv(name, value.c_str(), 1);
}

/// By open(), not access(): path mode traps that, and after a failed exec nobody answers it yet.
bool exists(const std::string& path) {
  const int fd = open(path.c_str(), O_PATH | O_CLOEXEC);
  return fd >= 0 && close(fd) == 0;
}

/// execvp() also says EACCES when one folder of the search path may not be entered, although no
/// folder has the program.
bool in_search_path(const std::string& program) {
  const char* variable = std::getenv("PATH");
  std::istringstream folders(variable != nullptr ? variable : "/bin:/usr/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (exists((folder.empty() ? "." : folder) + "/" + program)) {
      return true;
    }
  }
  return false;
}

Error why_not_executed(const std::string& program, int error) {
  const bool is_path = program.find('/') != std::string::npos;
  const bool there = is_path ? exists(program) : in_search_path(program);
  if (error == ENOENT && there) {
    return {error, fmt::format("cannot run '{}': its interpreter does not exist", program),
            "check its first line"};
  }
  if (error == ENOENT || (error == EACCES && !is_path && !there)) {
    return {
        ENOENT,
        fmt::format("there is no program '{}'{}", program, is_path ? "" : " in the search path"),
        "install it or give its full path"};
  }
  return {error, fmt::format("cannot run '{}': {}", program, std::strerror(error)),
          error == EACCES ? "make it an executable file (chmod +x)" : "check the file"};
}

}  // namespace

bool unshare_as_user(int flags) {
  const uid_t user = geteuid();
  const gid_t group = getegid();
  if (unshare(CLONE_NEWUSER | flags) != 0) {
    return false;
  }
  // The kernel wants setgroups() off before an unprivileged process may map its group.
  write_to("/proc/self/setgroups", "deny");
  return write_to("/proc/self/uid_map", fmt::format("{} {} 1", user, user)) &&
         write_to("/proc/self/gid_map", fmt::format("{} {} 1", group, group));
}

Result<bool> enter_host(const std::string& dir, const std::string& host) {
  const std::string tree = sysfs_path(dir, host);
  if (host.empty() || host.find('/') != std::string::npos || !exists(tree)) {
    return fail(ENOENT, fmt::format("there is no emulated host '{}'", host),
                fmt::format("the hosts are listed in {}", hostfile_path(dir)));
  }
  const bool own = leave_namespaces();
  const bool named = own && sethostname(host.data(), host.size()) == 0;
  // Launchers (MPICH's Hydra) give their own environment to remote programs, so that SYSFS_PATH had
  // better be the same text everywhere.
  const bool shown = own && show_tree(tree, common_sysfs_path(dir));
  set("SYSFS_PATH", shown ? common_sysfs_path(dir) : tree);
  set("EFA_EMU_HOST", host);
  set("HOSTNAME", host);
  return named;
}

void set_launcher_environment(const std::string& dir) {
  const std::string shell = remote_shell_path(dir);
  set("EFA_EMU_DIR", dir);
  set("EFA_EMU_HOSTFILE", hostfile_path(dir));
  set("EFA_EMU_RSH", shell);
  // Open MPI up to 4 (ORTE), and 5 (PRRTE). Emulated hosts meet on the loopback interface only.
  set("OMPI_MCA_plm_rsh_agent", shell);
  set("OMPI_MCA_oob_tcp_if_include", "lo");
  set("PRTE_MCA_plm_ssh_agent", shell);
  set("PRTE_MCA_prte_if_include", "lo");
  // MPICH and its relatives (Hydra).
  set("HYDRA_LAUNCHER", "ssh");
  set("HYDRA_LAUNCHER_EXEC", shell);
  set("HYDRA_IFACE", "lo");
}

Error execute(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (const std::string& word : command) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  return why_not_executed(command[0], errno);
}

}  // namespace efa::emu
