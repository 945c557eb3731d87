// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What reading a CQ is for all kinds: errors, and reads that sleep (spec libfabric-api 5.4).
#include <rdma/fi_errno.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "objects/cq.hpp"
#include "objects/cq_entry.hpp"
#include "objects/domain.hpp"
#include "rdm/errors.hpp"

namespace efa::fi {
namespace {

/// Into the application's memory if it gave some, else lent until the next error is read. Before
/// libfabric 1.5 there was no size.
template <class ErrorEntry>
void hand_out_text(Cq& cq, ErrorEntry& entry, std::string text, uint32_t version) {
  const bool has_size = FI_VERSION_GE(version, FI_VERSION(1, 5));
  const size_t size = text.empty() ? 0 : text.size() + 1;
  if (has_size && entry.err_data_size > 0) {
    entry.err_data_size = std::min(entry.err_data_size, size);
    if (entry.err_data_size > 0) {
      std::memcpy(entry.err_data, text.c_str(), entry.err_data_size);
      static_cast<char*>(entry.err_data)[entry.err_data_size - 1] = '\0';
    }
    return;
  }
  cq.lent_text = std::move(text);
  entry.err_data = size ? cq.lent_text.data() : nullptr;
  if (has_size) entry.err_data_size = size;
}

template <class ErrorEntry>
void write_error(Cq& cq, ErrorEntry& entry, rdm::FailedCompletion failed, uint32_t version) {
  entry.op_context = failed.of.context;
  entry.flags = failed.of.flags;
  entry.len = failed.of.length;
  entry.buf = failed.of.buffer;
  entry.data = failed.of.data;
  entry.tag = failed.of.tag;
  entry.olen = failed.overflow;
  entry.err = failed.error;
  entry.prov_errno = failed.provider_errno;
  hand_out_text(cq, entry, std::move(failed.text), version);
  // Since 1.20; who was built for less has no such member.
  if constexpr (requires { entry.src_addr; })
    if (FI_VERSION_GE(version, FI_VERSION(1, 20))) entry.src_addr = failed.of.source;
}

ssize_t read_error(fid_cq* fid, fi_cq_err_entry* entry, uint64_t) {
  Cq& cq = Cq::of(fid);
  const Guard guard(cq.domain->lock);
  if (!cq.ring.failure()) return -FI_EAGAIN;
  write_error(cq, *entry, cq.ring.take_failure(), cq.domain->api_version());
  return 1;
}

const char* describe_error(fid_cq*, int provider_errno, const void* err_data, char* buffer,
                           size_t size) {
  const char* text =
      err_data ? static_cast<const char*>(err_data) : rdm::text_of_errno(provider_errno);
  if (buffer && size > 0) {
    std::strncpy(buffer, text, size - 1);
    buffer[size - 1] = '\0';
  }
  return buffer && size > 0 ? buffer : text;
}

int signal_cq(fid_cq* fid) {
  Cq& cq = Cq::of(fid);
  if (!cq.wait.is_open()) return -FI_ENOSYS;
  cq.signaled = true;
  cq.wait.signal();
  return 0;
}

using Clock = std::chrono::steady_clock;

/// Milliseconds until then; negative: for ever.
int remaining(bool endless, Clock::time_point end) {
  if (endless) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
  return static_cast<int>(std::max<decltype(left)>(left, 0));
}

/// Entries for a reader who sleeps until `wanted` are there.
struct Collected {
  std::byte* entries;
  size_t entry_size;
  size_t room;
  fi_addr_t* sources;
  size_t count = 0;

  ssize_t read_more(fid_cq& cq) {
    void* const to = entries + count * entry_size;
    const ssize_t got = sources ? cq.ops->readfrom(&cq, to, room - count, sources + count)
                                : cq.ops->read(&cq, to, room - count);
    if (got > 0) count += static_cast<size_t>(got);
    return got;
  }
  ssize_t or_error(ssize_t error) const { return count ? static_cast<ssize_t>(count) : error; }
};

ssize_t sleep_until(Cq& cq, Collected& collected, size_t wanted, int timeout) {
  const auto end = Clock::now() + std::chrono::milliseconds(std::max(timeout, 0));
  for (;;) {
    const ssize_t got = collected.read_more(cq);
    if (got < 0 && got != -FI_EAGAIN) return collected.or_error(got);
    if (got == 0 || collected.count >= wanted) return static_cast<ssize_t>(collected.count);
    if (got > 0) continue;
    if (cq.signaled.exchange(false)) return collected.or_error(-FI_EAGAIN);
    const int left = remaining(timeout < 0, end);
    if (left == 0) return collected.or_error(-FI_EAGAIN);
    const int most = cq.prepare_sleep();
    if (most == 0) continue;
    // A signal since the look at `signaled` made the file descriptor readable, unless
    // prepare_sleep() drained it.
    if (!cq.signaled)
      cq.wait.sleep(most < 0 || left < 0 ? std::max(most, left) : std::min(most, left));
  }
}

/// @param threshold  entries to wait for, if the CQ was opened with FI_CQ_COND_THRESHOLD
ssize_t blocking_readfrom(fid_cq* fid, void* buffer, size_t count, fi_addr_t* sources,
                          const void* threshold, int timeout) {
  Cq& cq = Cq::of(fid);
  if (!cq.wait.is_open()) return -FI_ENOSYS;
  size_t wanted = 1;
  if (cq.condition == FI_CQ_COND_THRESHOLD)
    wanted = std::clamp<size_t>(reinterpret_cast<size_t>(threshold), 1, std::max<size_t>(count, 1));
  Collected collected{static_cast<std::byte*>(buffer), cq.entry_size, count, sources};
  ++cq.sleepers;
  const ssize_t result = sleep_until(cq, collected, wanted, timeout);
  // Another one that sleeps may find what this one left.
  if (--cq.sleepers > 0) cq.wait.signal();
  return result;
}

ssize_t blocking_read(fid_cq* cq, void* buffer, size_t count, const void* threshold, int timeout) {
  return blocking_readfrom(cq, buffer, count, nullptr, threshold, timeout);
}

}  // namespace

fi_ops_cq cq_operations(ReadFunction read, ReadFromFunction readfrom) {
  return {
      .size = sizeof(fi_ops_cq),
      .read = read,
      .readfrom = readfrom,
      .readerr = read_error,
      .sread = blocking_read,
      .sreadfrom = blocking_readfrom,
      .signal = signal_cq,
      .strerror = describe_error,
  };
}

}  // namespace efa::fi
