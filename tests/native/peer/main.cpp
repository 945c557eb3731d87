// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A verbs program that does what its standard input says, one command per line, and answers each
/// with one line: "ok ..." or "failed ...". The scripts beside it drive several of them at once.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "session.hpp"

namespace efa::peer {
namespace {

using Arguments = std::istringstream;

template <class T>
T next(Arguments& arguments) {
  T value{};
  if (!(arguments >> value)) throw std::runtime_error("missing argument");
  return value;
}

class Peer {
 public:
  explicit Peer(char** argv) : argv_(argv) {}

  void serve() {
    std::cout << "ready" << std::endl;
    std::string line;
    while (std::getline(std::cin, line)) {
      Arguments words(line);
      const auto command = commands_.find(next<std::string>(words));
      if (command == commands_.end()) throw std::runtime_error("no command: " + line);
      try {
        answer("ok " + command->second(words));
      } catch (const Failure& failure) {
        answer(std::string("failed ") + failure.what());
      }
    }
  }

 private:
  using Command = std::function<std::string(Arguments&)>;

  static void answer(const std::string& text) { std::cout << text << std::endl; }

  Session& session() {
    if (!session_) throw std::runtime_error("nothing is open");
    return *session_;
  }

  std::string open(Arguments& arguments) {
    int index = 0;
    arguments >> index;
    session_ = std::make_unique<Session>(index);
    return session_->describe();
  }

  std::string cycle(Arguments& arguments) {
    for (int left = next<int>(arguments); left > 0; --left) Session(0);
    return {};
  }

  std::string send(Arguments& arguments) {
    const auto qpn = next<std::uint32_t>(arguments);
    const auto count = next<std::uint64_t>(arguments);
    const auto bytes = next<std::uint32_t>(arguments);
    session().send(qpn, count, bytes);
    return std::to_string(count);
  }

  /// Sends until something fails; says "streaming" once the first message was delivered.
  std::string stream(Arguments& arguments) {
    const auto qpn = next<std::uint32_t>(arguments);
    const auto bytes = next<std::uint32_t>(arguments);
    return session().stream(qpn, bytes, [] { answer("streaming"); });
  }

  std::string collect(Arguments& arguments) {
    const auto count = next<std::uint64_t>(arguments);
    const auto bytes = next<std::uint32_t>(arguments);
    session().collect(count, bytes, [] { answer("listening"); });
    return std::to_string(count);
  }

  /// The child ends at once; the parent goes on.
  std::string fork_child_ends(Arguments&) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child || status != 0)
      throw std::runtime_error("the child did not end well");
    return {};
  }

  /// The parent ends at once; the child goes on with everything it inherited.
  std::string fork_parent_ends(Arguments&) {
    int gate[2];
    if (::pipe(gate) != 0) throw std::runtime_error("pipe");
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error("fork");
    if (child > 0) ::_exit(0);
    // End of file: the parent is gone, and with it its end of the pipe.
    ::close(gate[1]);
    char nothing;
    if (::read(gate[0], &nothing, 1) != 0) throw std::runtime_error("read");
    ::close(gate[0]);
    return "pid=" + std::to_string(::getpid());
  }

  /// Starts this program anew in the same process.
  std::string exec_again(Arguments&) {
    ::execv("/proc/self/exe", argv_);
    throw std::runtime_error("exec failed");
  }

  /// Closes everything below a thread that polls all the time.
  std::string close_while_polling(Arguments&) {
    std::atomic<bool> polls{false};
    std::thread poller([&] {
      ibv_cq* cq = session().recv_cq();
      ibv_wc wc;
      for (;;) {
        ibv_poll_cq(cq, 1, &wc);
        polls = true;
      }
    });
    while (!polls) std::this_thread::yield();
    answer("closing");
    session_.reset();
    ::_exit(0);
  }

  char** argv_;
  std::unique_ptr<Session> session_;
  const std::map<std::string, Command> commands_{
      {"open", [this](Arguments& a) { return open(a); }},
      {"cycle", [this](Arguments& a) { return cycle(a); }},
      {"connect", [this](Arguments& a) { return session().connect(next<std::string>(a)); }},
      {"receive",
       [this](Arguments& a) {
         session().post_receives(next<unsigned>(a));
         return std::string();
       }},
      {"send", [this](Arguments& a) { return send(a); }},
      {"stream", [this](Arguments& a) { return stream(a); }},
      {"collect", [this](Arguments& a) { return collect(a); }},
      {"post",
       [this](Arguments& a) {
         const auto qpn = next<std::uint32_t>(a);
         session().post(qpn, next<std::uint32_t>(a));
         return std::string();
       }},
      {"sent", [this](Arguments&) { return session().next_sent(); }},
      {"received", [this](Arguments&) { return session().next_received(); }},
      {"read",
       [this](Arguments& a) {
         const auto qpn = next<std::uint32_t>(a);
         const auto rkey = next<std::uint32_t>(a);
         const auto address = next<std::uint64_t>(a);
         session().read(qpn, rkey, address, next<std::uint32_t>(a));
         return std::string();
       }},
      {"fill",
       [this](Arguments& a) {
         session().fill(next<std::uint32_t>(a));
         return std::string();
       }},
      {"read-filled",
       [this](Arguments& a) {
         const auto qpn = next<std::uint32_t>(a);
         const auto rkey = next<std::uint32_t>(a);
         const auto address = next<std::uint64_t>(a);
         const auto count = next<unsigned>(a);
         session().read_filled(qpn, rkey, address, count, next<std::uint32_t>(a));
         return std::string();
       }},
      {"register", [this](Arguments&) { return session().register_anew(); }},
      {"unmap",
       [this](Arguments&) {
         session().unmap_buffer();
         return std::string();
       }},
      {"query-port", [this](Arguments&) { return session().query_port(); }},
      {"dup", [this](Arguments&) { return session().duplicate_descriptor(); }},
      {"close",
       [this](Arguments&) {
         session_.reset();
         return std::string();
       }},
      {"exit", [](Arguments& a) -> std::string { ::_exit(next<int>(a)); }},
      {"fork-child-ends", [this](Arguments& a) { return fork_child_ends(a); }},
      {"fork-parent-ends", [this](Arguments& a) { return fork_parent_ends(a); }},
      {"exec", [this](Arguments& a) { return exec_again(a); }},
      {"close-while-polling", [this](Arguments& a) { return close_while_polling(a); }},
  };
};

}  // namespace
}  // namespace efa::peer

int main(int, char** argv) {
  try {
    efa::peer::Peer(argv).serve();
  } catch (const std::exception& error) {
    std::cerr << "native_peer: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
