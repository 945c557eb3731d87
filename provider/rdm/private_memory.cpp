// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rdm/private_memory.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

namespace efa::rdm {
namespace {

struct Mapping {
  PageRange range;
  bool shared = false;
  bool file = false;
};

std::string_view next_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

// "7f12a000-7f12c000 rw-p 00000000 00:00 0   [heap]": addresses, permissions, offset, device,
// inode.
bool parse(std::string_view line, Mapping& mapping) {
  const std::string_view addresses = next_word(line), permissions = next_word(line);
  next_word(line);
  next_word(line);
  const std::string_view inode = next_word(line);
  const char* const end = addresses.data() + addresses.size();
  const auto start = std::from_chars(addresses.data(), end, mapping.range.start, 16);
  if (start.ec != std::errc() || start.ptr == end) return false;
  if (std::from_chars(start.ptr + 1, end, mapping.range.end, 16).ec != std::errc()) return false;
  mapping.shared = permissions.size() < 4 || permissions[3] != 'p';
  mapping.file = inode != "0";
  return true;
}

// /proc/self/maps. Allocates nothing.
class MappingReader {
 public:
  MappingReader() : file_(open("/proc/self/maps", O_RDONLY | O_CLOEXEC)) {}
  ~MappingReader() {
    if (file_ >= 0) close(file_);
  }
  MappingReader(const MappingReader&) = delete;
  MappingReader& operator=(const MappingReader&) = delete;

  // Whether this kernel answers to `ask`.
  bool answers() {
    Mapping mapping;
    return ask(0, mapping) || errno == ENOENT;
  }

  // The mapping at an address, or the first one above. @returns false if there is none
  bool ask(std::uintptr_t address, Mapping& mapping) {
    Query query{};
    query.size = sizeof(query);
    query.flags = kThisOrNext;
    query.address = address;
    if (ioctl(file_, _IOWR('f', 17, Query), &query) != 0) return false;
    mapping = {{query.start, query.end}, (query.kind & kShared) != 0, query.inode != 0};
    return true;
  }

  // The next line of the text. @returns false at the end
  bool next(Mapping& mapping) {
    for (;;) {
      const std::string_view rest(buffer_.data() + used_, filled_ - used_);
      const std::size_t length = rest.find('\n');
      if (length != std::string_view::npos) {
        used_ += length + 1;
        return parse(rest.substr(0, length), mapping);
      }
      if (!fill()) return false;
    }
  }

 private:
  // PROCMAP_QUERY of linux/fs.h, which is younger than the headers that this must build with.
  struct Query {
    std::uint64_t size, flags, address;
    std::uint64_t start, end, kind, page_size, offset, inode;
    std::uint32_t device_major, device_minor, name_size, build_id_size;
    std::uint64_t name, build_id;
  };
  static_assert(sizeof(Query) == 104);
  static constexpr std::uint64_t kShared = 0x08, kThisOrNext = 0x10;

  bool fill() {
    if (file_ < 0) return false;
    std::memmove(buffer_.data(), buffer_.data() + used_, filled_ - used_);
    filled_ -= used_;
    used_ = 0;
    const ssize_t bytes = read(file_, buffer_.data() + filled_, buffer_.size() - filled_);
    if (bytes <= 0) return false;
    filled_ += static_cast<std::size_t>(bytes);
    return true;
  }

  int file_;
  std::array<char, 16384> buffer_;  // more than the longest line, which ends in a path
  std::size_t used_ = 0, filled_ = 0;
};

}  // namespace

bool is_private_anonymous(const PageRange& range, bool ask) {
  MappingReader reader;
  const bool by_question = ask && reader.answers();
  Mapping mapping;
  std::uintptr_t seen = range.start;
  while (seen < range.end && (by_question ? reader.ask(seen, mapping) : reader.next(mapping))) {
    if (mapping.range.end <= seen) continue;
    if (mapping.range.start > seen || mapping.shared || mapping.file) return false;
    seen = mapping.range.end;
  }
  return seen >= range.end;
}

}  // namespace efa::rdm
