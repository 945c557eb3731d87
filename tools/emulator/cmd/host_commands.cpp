// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "host_commands.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "frontend/uverbs/host_shell.hpp"
#include "frontend/uverbs/run_directory.hpp"

namespace efa::emu {
namespace {

/// Letters of ssh's and rsh's options that take a value.
constexpr std::string_view kOptionsWithValue = "BbcDEeFIiJLlmOopQRSWw";

std::optional<Error> enter(const std::string& host) {
  const auto dir = surrounding_run();
  if (!dir) {
    return Error{
        ENOENT, "no emulator surrounds this process (EFA_EMU_DIR is unset or outdated)",
        "use it below `efa-emu run --hosts N -- COMMAND`, for example with COMMAND = bash"};
  }
  const auto entered = enter_host(*dir, host);
  if (!entered) {
    return entered.error();
  }
  return std::nullopt;
}

std::string user_shell() {
  const char* shell = std::getenv("SHELL");
  return shell != nullptr && *shell != '\0' ? shell : "/bin/sh";
}

void close_input() {
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null >= 0) {
    dup2(null, STDIN_FILENO);
    close(null);
  }
}

/// Whether the value of option word "-abc" is the next word: its last letter takes one.
bool takes_next_word(const std::string& word) {
  for (std::size_t i = 1; i < word.size(); ++i) {
    if (kOptionsWithValue.find(word[i]) != std::string_view::npos) {
      return i + 1 == word.size();
    }
  }
  return false;
}

/// "user@host": every host has the same users, the name is of no use.
std::string without_user(const std::string& word) {
  return word.substr(word.rfind('@') + 1);
}

std::string joined(std::vector<std::string>::const_iterator first,
                   std::vector<std::string>::const_iterator last) {
  std::string text;
  for (; first != last; ++first) {
    text += (text.empty() ? "" : " ") + *first;
  }
  return text;
}

}  // namespace

Error run_on_host(const std::vector<std::string>& words) {
  if (words.empty() || words[0].starts_with("-")) {
    return {EINVAL, "there is no host", "write efa-emu on HOST COMMAND"};
  }
  if (const auto error = enter(words[0])) {
    return *error;
  }
  auto first = words.begin() + 1;
  if (first != words.end() && *first == "--") {
    ++first;
  }
  const std::vector<std::string> command(first, words.end());
  return execute(command.empty() ? std::vector<std::string>{user_shell()} : command);
}

Result<RemoteCommand> parse_remote_shell(const std::vector<std::string>& words) {
  RemoteCommand remote;
  const auto skip_options = [&](auto word) {
    while (word != words.end() && word->size() > 1 && word->front() == '-' && *word != "--") {
      remote.no_input = remote.no_input || *word == "-n";
      word += takes_next_word(*word) && word + 1 != words.end() ? 2 : 1;
    }
    return word != words.end() && *word == "--" ? word + 1 : word;
  };
  auto word = skip_options(words.begin());
  if (word == words.end()) {
    return fail(EINVAL, "there is no host", "write efa-emu rsh HOST COMMAND");
  }
  remote.host = without_user(*word);
  // rsh and ssh allow options after the host, too.
  word = skip_options(word + 1);
  remote.command = joined(word, words.end());
  return remote;
}

Error run_remote_shell(const std::vector<std::string>& words) {
  const auto remote = parse_remote_shell(words);
  if (!remote) {
    return remote.error();
  }
  if (const auto error = enter(remote->host)) {
    return *error;
  }
  if (remote->no_input) {
    close_input();
  }
  if (remote->command.empty()) {
    return execute({user_shell()});
  }
  return execute({"/bin/sh", "-c", remote->command});
}

}  // namespace efa::emu
