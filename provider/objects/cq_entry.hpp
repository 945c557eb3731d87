// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What an application finds in the array that it gives to fi_cq_read(): by format.
#pragma once

#include <rdma/fabric.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>

#include <algorithm>

#include "objects/cq.hpp"
#include "rdm/completion.hpp"

namespace efa::fi {

/// FI_CQ_FORMAT_UNSPEC is what applications use that only count: the shortest.
inline size_t entry_size(fi_cq_format format) {
  switch (format) {
    case FI_CQ_FORMAT_MSG:
      return sizeof(fi_cq_msg_entry);
    case FI_CQ_FORMAT_DATA:
      return sizeof(fi_cq_data_entry);
    case FI_CQ_FORMAT_TAGGED:
      return sizeof(fi_cq_tagged_entry);
    default:
      return sizeof(fi_cq_entry);
  }
}

template <class Entry>
[[gnu::always_inline]] inline void write_entry(Entry& entry, const rdm::Completion& completion) {
  entry.op_context = completion.context;
  if constexpr (requires { entry.flags; }) {
    entry.flags = completion.flags;
    entry.len = completion.length;
  }
  if constexpr (requires { entry.data; }) {
    entry.buf = completion.buffer;
    entry.data = completion.data;
  }
  if constexpr (requires { entry.tag; }) entry.tag = completion.tag;
}

/// Reads `count` from the ring, which has them. @param sources  null: not wanted
template <class Entry, bool kSources>
[[gnu::always_inline]] inline ssize_t take_ready(rdm::CompletionRing& ring, Entry* entries,
                                                 size_t count, fi_addr_t* sources) {
  for (size_t i = 0; i < count; ++i) {
    const rdm::Completion& completion = ring.peek(i);
    write_entry(entries[i], completion);
    if constexpr (kSources) sources[i] = completion.source;
  }
  ring.pop(count);
  return static_cast<ssize_t>(count);
}

/// Reads up to `count` from the ring. @param sources  null: not wanted
template <class Entry, bool kSources>
[[gnu::always_inline]] inline ssize_t take_entries(rdm::CompletionRing& ring, Entry* entries,
                                                   size_t count, fi_addr_t* sources) {
  return take_ready<Entry, kSources>(ring, entries, std::min(count, ring.readable()), sources);
}

/// What fi_cq_read() says when it has no entry.
inline ssize_t nothing(const rdm::CompletionRing& ring) {
  return ring.failure() ? -FI_EAVAIL : -FI_EAGAIN;
}

using ReadFunction = ssize_t (*)(fid_cq*, void*, size_t);
using ReadFromFunction = ssize_t (*)(fid_cq*, void*, size_t, fi_addr_t*);

/// The table of a CQ whose kind reads by these two.
fi_ops_cq cq_operations(ReadFunction read, ReadFromFunction readfrom);

/// Reader<Entry>::operations for the entry of a format.
template <template <class> class Reader>
fi_ops_cq* operations_for(fi_cq_format format) {
  switch (format) {
    case FI_CQ_FORMAT_MSG:
      return &Reader<fi_cq_msg_entry>::operations;
    case FI_CQ_FORMAT_DATA:
      return &Reader<fi_cq_data_entry>::operations;
    case FI_CQ_FORMAT_TAGGED:
      return &Reader<fi_cq_tagged_entry>::operations;
    default:
      return &Reader<fi_cq_entry>::operations;
  }
}

}  // namespace efa::fi
