// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/shared_window.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

namespace efa::emu {

namespace {

/// A line of /proc/PID/maps.
struct MapsLine {
  std::uint64_t from = 0, to = 0, offset = 0;
  char rights[5] = "";
};

std::optional<MapsLine> mapping_at(pid_t pid, std::uint64_t address) {
  const std::string path = fmt::format("/proc/{}/maps", pid);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> maps(std::fopen(path.c_str(), "re"),
                                                             &std::fclose);
  if (!maps) return std::nullopt;
  char text[8192];  // a path of 4096 bytes may be written with escapes
  while (std::fgets(text, sizeof(text), maps.get()) != nullptr) {
    unsigned long long from, to, offset;
    MapsLine line;
    if (std::sscanf(text, "%llx-%llx %4s %llx", &from, &to, line.rights, &offset) != 4) continue;
    if (address < from || address >= to) continue;
    line.from = from;
    line.to = to;
    line.offset = offset;
    return line;
  }
  return std::nullopt;
}

/// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

/// Page size of the file system behind `fd`; 0 unless it keeps its files in memory.
std::uint64_t memory_page(int fd) noexcept {
  struct statfs system;
  if (::fstatfs(fd, &system) != 0) return 0;
  const bool in_memory = system.f_type == TMPFS_MAGIC || system.f_type == HUGETLBFS_MAGIC;
  return in_memory ? static_cast<std::uint64_t>(system.f_bsize) : 0;
}

}  // namespace

std::unique_ptr<SharedWindow> SharedWindow::open(pid_t pid, std::uint64_t address,
                                                 std::uint64_t length) {
  const auto line = mapping_at(pid, address);
  if (!line || std::strcmp(line->rights, "rw-s") != 0 || length > line->to - address)
    return nullptr;
  // The file itself, even without a name. Not to be opened if it is a device.
  const std::string link = fmt::format("/proc/{}/map_files/{:x}-{:x}", pid, line->from, line->to);
  struct stat status {};
  if (::stat(link.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return nullptr;
  const Descriptor file(::open(link.c_str(), O_RDWR | O_CLOEXEC));
  const std::uint64_t page = file.get() < 0 ? 0 : memory_page(file.get());
  if (page == 0) return nullptr;
  const std::uint64_t start = line->offset + (address - line->from);
  const std::uint64_t lead = start % page;
  const std::size_t bytes = (lead + length + page - 1) / page * page;
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(),
                    static_cast<off_t>(start - lead));
  if (at == MAP_FAILED) return nullptr;
  auto* mapping = static_cast<std::byte*>(at);
  return std::unique_ptr<SharedWindow>(new SharedWindow(mapping, bytes, mapping + lead));
}

SharedWindow::~SharedWindow() {
  ::munmap(mapping_, mapped_);
}

}  // namespace efa::emu
