// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/direct_cq.hpp"

#include <endian.h>

#include <algorithm>
#include <cerrno>

#include "objects/cq_entry.hpp"
#include "objects/device_endpoint.hpp"
#include "objects/domain.hpp"
#include "rdm/errors.hpp"

namespace efa::fi {
namespace {

fi_addr_t sender(const DeviceEndpoint& endpoint, ibv_cq_ex* queue) {
  return endpoint.av->find_sender(static_cast<uint16_t>(ibv_wc_read_slid(queue)),
                                  ibv_wc_read_src_qp(queue));
}

void take_failure(DirectCq& cq, DeviceEndpoint& endpoint, uint32_t opcode) {
  rdm::FailedCompletion failure;
  failure.provider_errno = static_cast<int>(ibv_wc_read_vendor_err(cq.verbs));
  failure.error = rdm::error_of(failure.provider_errno);
  if (opcode & IBV_WC_RECV) failure.of.source = sender(endpoint, cq.verbs);
  endpoint.failed(opcode, cq.verbs->wr_id, failure);
  cq.ring.push_failure(std::move(failure));
}

/// The completion is one of a receive.
template <class Entry, bool kSources>
[[gnu::always_inline]] inline bool take_receive(DirectCq& cq, DeviceEndpoint& endpoint,
                                                uint32_t opcode, rdm::Completion& completion) {
  ibv_cq_ex* const queue = cq.verbs;
  bool wanted = true;
  if (opcode == IBV_WC_RECV) [[likely]] {
    wanted = endpoint.received(queue->wr_id, completion);
  } else {
    const bool unsolicited = endpoint.takes_unsolicited() && efadv_wc_is_unsolicited(cq.verbs_efa);
    endpoint.written(unsolicited ? nullptr : &queue->wr_id, completion);
  }
  if constexpr (requires(Entry entry) { entry.len; })
    completion.length = ibv_wc_read_byte_len(queue);
  if constexpr (requires(Entry entry) { entry.flags; }) {
    if (ibv_wc_read_wc_flags(queue) & IBV_WC_WITH_IMM) {
      completion.flags |= FI_REMOTE_CQ_DATA;
      completion.data = be32toh(ibv_wc_read_imm_data(queue));
    }
  }
  if constexpr (kSources) completion.source = sender(endpoint, queue);
  return wanted;
}

/// Takes the device's current completion. @returns whether the application wants to know of it
template <class Entry, bool kSources>
[[gnu::always_inline]] inline bool take(DirectCq& cq, rdm::Completion& completion) {
  ibv_cq_ex* const queue = cq.verbs;
  DeviceEndpoint* const endpoint = cq.find(ibv_wc_read_qp_num(queue));
  if (!endpoint) [[unlikely]]
    return false;
  const auto opcode = static_cast<uint32_t>(ibv_wc_read_opcode(queue));
  if (queue->status != IBV_WC_SUCCESS) [[unlikely]] {
    take_failure(cq, *endpoint, opcode);
    return false;
  }
  if (opcode & IBV_WC_RECV) return take_receive<Entry, kSources>(cq, *endpoint, opcode, completion);
  return endpoint->sent(opcode, queue->wr_id, completion);
}

template <class Entry>
struct Reader {
  /// From the device to the application, up to the first failure.
  template <bool kSources>
  [[gnu::always_inline]] static inline ssize_t poll(DirectCq& cq, Entry* entries, size_t count,
                                                    fi_addr_t* sources) {
    if (cq.session()) [[unlikely]]
      cq.end_session();
    ibv_poll_cq_attr attr{};
    if (ibv_start_poll(cq.verbs, &attr)) return -FI_EAGAIN;
    size_t taken = 0;
    do {
      rdm::Completion completion;
      if (!take<Entry, kSources>(cq, completion)) {
        if (!cq.ring.empty()) break;
        continue;
      }
      write_entry(entries[taken], completion);
      if constexpr (kSources) sources[taken] = completion.source;
      if (++taken == count) break;
    } while (ibv_next_poll(cq.verbs) == 0);
    ibv_end_poll(cq.verbs);
    return taken ? static_cast<ssize_t>(taken) : nothing(cq.ring);
  }

  template <bool kSources>
  [[gnu::always_inline]] static inline ssize_t read_either(fid_cq* fid, void* buffer, size_t count,
                                                           fi_addr_t* sources) {
    DirectCq& cq = DirectCq::of(fid);
    const Guard guard(cq.domain->lock);
    auto* const entries = static_cast<Entry*>(buffer);
    if (count > 0 && cq.ring.empty()) [[likely]]
      return poll<kSources>(cq, entries, count, sources);
    if (count == 0) cq.collect();
    if (cq.ring.readable() == 0) return nothing(cq.ring);
    return take_entries<Entry, kSources>(cq.ring, entries, count, sources);
  }
  static ssize_t read(fid_cq* cq, void* buffer, size_t count) {
    return read_either<false>(cq, buffer, count, nullptr);
  }
  static ssize_t readfrom(fid_cq* cq, void* buffer, size_t count, fi_addr_t* sources) {
    return read_either<true>(cq, buffer, count, sources);
  }

  static fi_ops_cq operations;
};
template <class Entry>
fi_ops_cq Reader<Entry>::operations = cq_operations(read, readfrom);

}  // namespace

DirectCq::DirectCq(Domain& on, const fi_cq_attr& asked, void* application_context)
    : Cq(on, asked, application_context) {
  fid_cq::ops = operations_for<Reader>(asked.format);
}

void DirectCq::end_session() {
  session_->flush_requests();
}

void DirectCq::collect() {
  if (session_) end_session();
  ibv_poll_cq_attr attr{};
  if (ibv_start_poll(verbs, &attr)) return;
  do {
    rdm::Completion completion;
    if (take<fi_cq_tagged_entry, true>(*this, completion)) ring.push(completion);
  } while (ibv_next_poll(verbs) == 0);
  ibv_end_poll(verbs);
}

void DirectCq::enter(uint32_t qpn, DeviceEndpoint& endpoint) {
  leave(qpn);
  by_qpn_.emplace_back(qpn, &endpoint);
  std::sort(by_qpn_.begin(), by_qpn_.end());
}

void DirectCq::leave(uint32_t qpn) {
  std::erase_if(by_qpn_, [&](const auto& entry) { return entry.first == qpn; });
  last_qpn_ = ~0U;
}

DeviceEndpoint* DirectCq::search(uint32_t qpn) {
  const auto found =
      std::lower_bound(by_qpn_.begin(), by_qpn_.end(), qpn,
                       [](const auto& entry, uint32_t wanted) { return entry.first < wanted; });
  if (found == by_qpn_.end() || found->first != qpn) return nullptr;
  last_qpn_ = qpn;
  last_ = found->second;
  return last_;
}

}  // namespace efa::fi
