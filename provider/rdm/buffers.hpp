// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The application's memory of one operation: up to four pieces that read as one.
#ifndef EFA_PROVIDER_RDM_BUFFERS_HPP
#define EFA_PROVIDER_RDM_BUFFERS_HPP

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "rdm/region.hpp"
#include "wire/protocol.hpp"

namespace efa::rdm {

// A piece that lies in one registration, or in none.
struct Span {
  std::byte* at;
  std::size_t length;
  const Region* region;  // null: the application gave no descriptor
};

class Buffers {
 public:
  Buffers() = default;

  void assign(const iovec* pieces, void* const* descriptors, std::size_t count) {
    count_ = 0;
    length_ = 0;
    for (std::size_t i = 0; i < count && i < kMaxIovs; ++i)
      add(pieces[i].iov_base, pieces[i].iov_len, descriptors != nullptr ? descriptors[i] : nullptr);
  }
  void assign(const void* at, std::size_t length, const Region* region) {
    spans_[0] = {static_cast<std::byte*>(const_cast<void*>(at)), length, region};
    count_ = 1;
    length_ = length;
  }
  void add(void* at, std::size_t length, const void* descriptor) {
    spans_[count_++] = {static_cast<std::byte*>(at), length,
                        static_cast<const Region*>(descriptor)};
    length_ += length;
  }
  void clear() { count_ = 0, length_ = 0; }

  bool touches(const Region& region) const {
    return std::any_of(spans_, spans_ + count_,
                       [&](const Span& span) { return span.region == &region; });
  }

  // Leaves the first bytes out.
  void skip(std::size_t bytes) {
    std::size_t i = 0;
    while (bytes != 0 && i < count_) {
      const std::size_t part = std::min(bytes, spans_[i].length);
      spans_[i].at += part;
      spans_[i].length -= part;
      length_ -= part;
      bytes -= part;
      if (bytes != 0) ++i;
    }
  }

  std::uint64_t length() const { return length_; }
  std::size_t count() const { return count_; }
  Span& operator[](std::size_t i) { return spans_[i]; }
  const Span& operator[](std::size_t i) const { return spans_[i]; }

  // What is contiguous from OFFSET on, at most LENGTH bytes; empty behind the end.
  Span piece(std::uint64_t offset, std::uint64_t length) const {
    if (count_ == 1 && offset < spans_[0].length) [[likely]]
      return part_of(spans_[0], offset, length);
    for (std::size_t i = 0; i < count_; ++i) {
      const Span& span = spans_[i];
      if (offset < span.length) return part_of(span, offset, length);
      offset -= span.length;
    }
    return {};
  }

  // Copies up to LENGTH bytes from OFFSET on to TO. @returns how many there were
  std::uint64_t copy_out(std::uint64_t offset, std::byte* to, std::uint64_t length) const {
    if (is_in_first(offset, length)) [[likely]] {
      std::memcpy(to, spans_[0].at + offset, length);
      return length;
    }
    std::uint64_t done = 0;
    for (Span at = piece(offset, length); done < length && at.length != 0;
         at = piece(offset + done, length - done)) {
      std::memcpy(to + done, at.at, at.length);
      done += at.length;
    }
    return done;
  }
  // Copies in, up to the end: what does not fit is left out.
  std::uint64_t copy_in(std::uint64_t offset, const std::byte* from, std::uint64_t length) const {
    if (is_in_first(offset, length)) [[likely]] {
      std::memcpy(spans_[0].at + offset, from, length);
      return length;
    }
    std::uint64_t done = 0;
    for (Span at = piece(offset, length); done < length && at.length != 0;
         at = piece(offset + done, length - done)) {
      std::memcpy(at.at, from + done, at.length);
      done += at.length;
    }
    return done;
  }

 private:
  // Almost always: there is one piece, and the bytes fit.
  bool is_in_first(std::uint64_t offset, std::uint64_t length) const {
    return length != 0 && count_ != 0 && offset < spans_[0].length &&
           length <= spans_[0].length - offset;
  }
  static Span part_of(const Span& span, std::uint64_t offset, std::uint64_t length) {
    return {span.at + offset, std::min<std::uint64_t>(length, span.length - offset), span.region};
  }

  Span spans_[kMaxIovs];
  std::size_t count_ = 0;
  std::uint64_t length_ = 0;
};

}  // namespace efa::rdm

#endif
