// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/uverbs_server.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <vector>

#include "engine/descriptor_limit.hpp"

namespace efa::emu {

namespace {

// Epoll data: what kind of descriptor became ready, and whose it is.
constexpr std::uint64_t kProcessEvent = std::uint64_t{1} << 61;
constexpr std::uint64_t kIdMask = kProcessEvent - 1;

struct stat status_of(pid_t tid, int fd) noexcept {
  struct stat status {};
  if (::stat(fmt::format("/proc/{}/fd/{}", tid, fd).c_str(), &status) != 0) status = {};
  return status;
}

class CallerDescriptors final : public DescriptorExchange {
 public:
  CallerDescriptors(NotifyListener& listener, const Notification& call, const Process& process)
      : listener_(listener), call_(call), process_(process) {}

  int give(int fd) override { return listener_.add_fd(call_.id, fd, -1, true).value_or(-1); }
  ino_t inode_of(int fd) override { return status_of(call_.tid, fd).st_ino; }
  int take(int fd) override {
    const int taken = static_cast<int>(::syscall(SYS_pidfd_getfd, process_.pidfd(), fd, 0));
    if (taken >= 0 || errno != EPERM) return taken;
    // Containers may deny that call; files can be opened once more instead.
    return ::open(fmt::format("/proc/{}/fd/{}", call_.tid, fd).c_str(), O_RDWR | O_CLOEXEC);
  }

 private:
  NotifyListener& listener_;
  const Notification& call_;
  const Process& process_;
};

}  // namespace

UverbsServer::UverbsServer(std::vector<ServedDevice> devices, Launcher& launcher, int epoll)
    : devices_(std::move(devices)), launcher_(launcher), epoll_(epoll) {
  // Every context costs two descriptors or more, every client process two. The command and what it
  // starts keep the limit they were started with.
  allow_many_descriptors();
  // Clients close their event descriptors whenever they like.
  ::signal(SIGPIPE, SIG_IGN);
}

void UverbsServer::watch(int fd, std::uint32_t events, std::uint64_t data) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
}

void UverbsServer::serve(const Notification& call) {
  NotifyListener& listener = launcher_.listener();
  const auto status = thread_status(call.tid);
  if (!status) return listener.reply_error(call.id, ESRCH);
  int error = 0;
  const std::shared_ptr<Process> process = process_of(call, status->pid, error);
  if (!process) return listener.reply_error(call.id, error);
  Context* context = context_of(call, process);
  // Not a descriptor of ours: whatever the kernel makes of it.
  if (context == nullptr) return listener.reply_continue(call.id);

  AttributeBundle attributes;
  error = attributes.load(*process, call.args[2]);
  if (!listener.still_waiting(call.id)) return;
  if (error == 0) {
    CallerDescriptors descriptors(listener, call, *process);
    Call arguments{attributes, process, descriptors, status->net_raw};
    const int async_before = context->async_write_end();
    error = context->serve(arguments);
    if (context->async_write_end() != async_before)
      // No reader can come back once all are gone: EPOLLERR is final.
      watch(context->async_write_end(), 0, context->memory().inode());
  }
  error == 0 ? listener.reply(call.id, 0) : listener.reply_error(call.id, error);
}

std::shared_ptr<Process> UverbsServer::process_of(const Notification& call, pid_t pid, int& error) {
  const auto found = processes_.find(pid);
  if (found != processes_.end()) {
    if (!found->second->replaced(call.args[2])) return found->second;
    forget(pid);
  }
  auto opened = Process::open(call.tid);
  if (!opened) {
    error = opened.error().code == 0 ? EPERM : opened.error().code;
    // A process that was killed in the middle of a call is nobody's mistake.
    if (error != ESRCH && error != ENOENT)
      fmt::print(stderr, "efa-emu: {}\n", opened.error().text());
    return nullptr;
  }
  watch((*opened)->pidfd(), EPOLLIN, kProcessEvent | static_cast<std::uint64_t>(pid));
  processes_[pid] = *opened;
  return *opened;
}

Context* UverbsServer::context_of(const Notification& call,
                                  const std::shared_ptr<Process>& process) {
  const int fd = static_cast<int>(call.args[0]);
  const struct stat status = status_of(call.tid, fd);
  const auto found = contexts_.find(status.st_ino);
  if (found != contexts_.end() && found->second->memory().device() == status.st_dev)
    return found->second.get();
  const auto index = launcher_.uverbs_index(call.tid, fd);
  return index && *index < devices_.size() ? open_context(call, *index, *process) : nullptr;
}

Context* UverbsServer::open_context(const Notification& call, unsigned index,
                                    const Process& process) {
  auto memory = QueueMemory::create();
  if (!memory) {
    fmt::print(stderr, "efa-emu: {}\n", memory.error().text());
    return nullptr;
  }
  const ino_t inode = (*memory)->inode();
  // The memory file takes the node's place: later mmap calls of the client need no help.
  if (!launcher_.listener().add_fd(call.id, (*memory)->fd(), static_cast<int>(call.args[0]), true))
    return nullptr;
  auto context = std::make_unique<Context>(
      *devices_[index].driver, std::move(*memory),
      fmt::format("{}, process {}", devices_[index].label, process.pid()), process.pid());
  return (contexts_[inode] = std::move(context)).get();
}

void UverbsServer::on_event(std::uint64_t data) {
  if ((data & kProcessEvent) == 0) return release(static_cast<ino_t>(data));
  forget(static_cast<pid_t>(data & kIdMask));
}

/// Process `pid`, as known so far, has ended: by itself or by becoming another program.
void UverbsServer::forget(pid_t pid) {
  const auto found = processes_.find(pid);
  if (found == processes_.end()) return;
  found->second->mark_dead();
  processes_.erase(found);  // closing the pidfd takes it out of the epoll set
  std::vector<ino_t> abandoned;
  for (const auto& [inode, context] : contexts_) {
    context->process_ended(pid);
    if (context->abandoned()) abandoned.push_back(inode);
  }
  for (const ino_t inode : abandoned) release(inode);
}

void UverbsServer::release(ino_t inode) {
  contexts_.erase(inode);
}

}  // namespace efa::emu
