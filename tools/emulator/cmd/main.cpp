// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// efa-emu: the emulated EFA device.
#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include "device/profile.hpp"
#include "frontend/uverbs/emulator.hpp"
#include "host_commands.hpp"
#include "run_options.hpp"
#include "serve_options.hpp"

namespace efa::emu {
namespace {

using Words = std::vector<std::string>;

/// Exit status when the user has to change something before anything can run.
constexpr int kUsage = 2;

#ifndef EFA_EMU_VERSION
#define EFA_EMU_VERSION "0.1.0"
#endif
constexpr std::string_view kVersion = EFA_EMU_VERSION;

constexpr std::string_view kHelp =
    R"(efa-emu - an emulated Elastic Fabric Adapter for unmodified programs

Usage:
  efa-emu run [OPTIONS] -- COMMAND   Run COMMAND where verbs programs find EFA devices
  efa-emu serve --dir DIR [OPTIONS]  Offer the devices to virtual machines as PCI functions
  efa-emu on HOST [COMMAND]          Inside a run: COMMAND (or a shell) on another host
  efa-emu rsh HOST COMMAND           The same as a remote shell for MPI launchers
  efa-emu generations                List the device generations
  efa-emu --version | --help

Examples:
  efa-emu run -- ibv_devinfo -v
  efa-emu run --hosts 4 -- sh -c 'mpirun --hostfile $EFA_EMU_HOSTFILE --map-by node -np 4 ./a.out'

`efa-emu run --help` and `efa-emu serve --help` list the options; efa-emu(1) is the manual.
)";

int print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  return std::fflush(stdout) == 0 ? 0 : 1;
}

int complain(const Error& error, int status) {
  fmt::print(stderr, "efa-emu: {}\n", error.text());
  return status;
}

int run(const Words& words) {
  const auto request = parse_run(words);
  if (!request) {
    return complain(request.error(), kUsage);
  }
  if (request->help) {
    return print(*request->help);
  }
  const auto status = run_emulator(request->options);
  return status ? *status : complain(status.error(), kUsage);
}

int serve(const Words& words) {
  const auto request = parse_serve(words);
  if (!request) {
    return complain(request.error(), kUsage);
  }
  if (request->help) {
    return print(*request->help);
  }
  const auto served = serve_devices(request->options);
  return served ? 0 : complain(served.error(), kUsage);
}

int on(const Words& words) {
  return complain(run_on_host(words), kUsage);
}

int rsh(const Words& words) {
  return complain(run_remote_shell(words), kRemoteShellFailed);
}

int generations(const Words& words) {
  if (!words.empty()) {
    return complain(
        {0, fmt::format("generations takes no '{}'", words[0]), "write efa-emu generations alone"},
        kUsage);
  }
  std::string table = fmt::format("{:<8}{:<11}{:<7}{:<11}{:<9}{:<8}{:<8}{}\n", "NAME", "PCI ID",
                                  "API", "LINK", "MAX QPS", "SQ", "RQ", "MESSAGE");
  for (const Profile& p : profiles()) {
    table +=
        fmt::format("{:<8}1d0f:{:04x}  {:<7}{:<11}{:<9}{:<8}{:<8}{} B{}\n", p.name, p.pci_device,
                    fmt::format("{}.{}", p.api_version >> 8, p.api_version & 255),
                    fmt::format("{} Gbit/s", p.link_speed_gbps), p.max_qp, p.max_sq_depth,
                    p.max_rq_depth, p.mtu, p.name == kDefaultGeneration ? "  (default)" : "");
  }
  return print(table);
}

int help(const Words&) {
  return print(kHelp);
}
int version(const Words&) {
  return print(fmt::format("efa-emu {}\n", kVersion));
}

struct Command {
  std::string_view name;
  int (*function)(const Words&);
};

constexpr std::array kCommands = {
    Command{"run", run},
    Command{"serve", serve},
    Command{"on", on},
    Command{"rsh", rsh},
    Command{"generations", generations},
    Command{"--version", version},
    Command{"--help", help},
    Command{"-h", help},
    Command{"help", help},
};

int dispatch(const Words& words) {
  if (words.empty()) {
    return complain({0, "there is no command", "`efa-emu --help` lists them"}, kUsage);
  }
  const auto command = std::find_if(kCommands.begin(), kCommands.end(),
                                    [&](const Command& c) { return c.name == words[0]; });
  if (command == kCommands.end()) {
    return complain({0, fmt::format("there is no command '{}'", words[0]),
                     "`efa-emu --help` lists them (efa-emu run -- COMMAND starts a program)"},
                    kUsage);
  }
  return command->function(Words(words.begin() + 1, words.end()));
}

}  // namespace
}  // namespace efa::emu

int main(int argc, char** argv) {
  return efa::emu::dispatch(efa::emu::Words(argv + std::min(argc, 1), argv + argc));
}
