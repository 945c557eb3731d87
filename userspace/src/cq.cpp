// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cq.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <mutex>

#include "log.hpp"
#include "uverbs_ioctl.hpp"

namespace efa {
namespace {

using CreateCq = ibv::Message<ibv::CreateCqEx, efa_uabi_create_cq>;
using CreateCqResp = ibv::Message<ib_uverbs_ex_create_cq_resp, efa_uabi_create_cq_resp>;

constexpr std::uint64_t kWcFlags = IBV_WC_STANDARD_FLAGS;
constexpr std::uint32_t kCqAttrMask = IBV_CQ_INIT_ATTR_MASK_FLAGS | IBV_CQ_INIT_ATTR_MASK_PD;

/// V54 to V56, V59, V62.
int check(Context& context, const ibv_cq_init_attr_ex& attr, const efadv_cq_init_attr& efa) {
  const Limits& limits = context.limits;
  if ((attr.comp_mask & ~kCqAttrMask) != 0) {
    return EFA_FAIL(context, EOPNOTSUPP, "CQ: comp_mask 0x%x has unknown bits; known are 0x%x",
                    attr.comp_mask, kCqAttrMask);
  }
  if ((attr.wc_flags & ~kWcFlags) != 0) {
    return EFA_FAIL(context, EOPNOTSUPP,
                    "CQ: wc_flags 0x%llx: EFA completions have neither time stamps nor flow tags, "
                    "possible are 0x%llx",
                    static_cast<unsigned long long>(attr.wc_flags),
                    static_cast<unsigned long long>(kWcFlags));
  }
  if ((attr.comp_mask & IBV_CQ_INIT_ATTR_MASK_FLAGS) &&
      (attr.flags & ~IBV_CREATE_CQ_ATTR_SINGLE_THREADED) != 0) {
    return EFA_FAIL(context, EOPNOTSUPP, "CQ: flags 0x%x: only SINGLE_THREADED is possible",
                    attr.flags);
  }
  if ((attr.comp_mask & IBV_CQ_INIT_ATTR_MASK_PD) && attr.parent_domain != nullptr &&
      !Pd::of(attr.parent_domain).is_parent()) {
    return EFA_FAIL(context, EINVAL, "CQ: parent_domain is a plain protection domain");
  }
  if (attr.cqe == 0 || attr.cqe > 1U << 30) {
    return EFA_FAIL(context, EINVAL, "CQ: %u entries; ask for 1 to max_cqe of ibv_devinfo -v",
                    attr.cqe);
  }
  if (attr.channel != nullptr && !limits.notifications()) {
    return EFA_FAIL(context, EOPNOTSUPP,
                    "CQ: this device raises no completion events; create the CQ without a channel "
                    "and poll it");
  }
  if ((efa.wc_flags & ~(EFADV_WC_EX_WITH_SGID | EFADV_WC_EX_WITH_IS_UNSOLICITED)) != 0 ||
      ((efa.wc_flags & EFADV_WC_EX_WITH_SGID) && !limits.cq_with_sgid()) ||
      ((efa.wc_flags & EFADV_WC_EX_WITH_IS_UNSOLICITED) && !limits.unsolicited_write_recv())) {
    return EFA_FAIL(context, EOPNOTSUPP,
                    "CQ: EFA wc_flags 0x%llx are unknown or beyond this device "
                    "(efadv_query_device tells what it can)",
                    static_cast<unsigned long long>(efa.wc_flags));
  }
  if ((efa.flags & ~EFADV_CQ_INIT_FLAGS_EXT_MEM_DMABUF) != 0 ||
      ((efa.flags & EFADV_CQ_INIT_FLAGS_EXT_MEM_DMABUF) && !limits.cq_with_ext_mem())) {
    return EFA_FAIL(context, EOPNOTSUPP,
                    "CQ: EFA flags 0x%llx are unknown, or the kernel driver cannot place a CQ in "
                    "memory of the caller (that needs kernel 7.2)",
                    static_cast<unsigned long long>(efa.flags));
  }
  return 0;
}

/// What is special to this provider in a request for `entries` entries, a power of two.
efa_uabi_create_cq private_request(const Context& context, const ibv_cq_init_attr_ex& attr,
                                   const efadv_cq_init_attr& efa) {
  efa_uabi_create_cq request{};
  request.cq_entry_size = cqe::kBytes;
  request.num_sub_cqs = static_cast<std::uint16_t>(context.limits.sub_cqs_per_cq);
  efa_uabi_create_cq_set_completion_channel(&request, attr.channel != nullptr);
  efa_uabi_create_cq_set_sgid(&request, (efa.wc_flags & EFADV_WC_EX_WITH_SGID) != 0);
  efa_uabi_create_cq_set_sq_comp_64_bit_req_id(&request, context.limits.wide_request_ids());
  return request;
}

/// The ring in memory of the kernel's.
int create_mapped(Context& context, Cq& cq, ibv_cq_init_attr_ex attr,
                  const efa_uabi_create_cq& request, efa_uabi_create_cq_resp& answer) {
  CreateCq cmd;
  CreateCqResp resp;
  cmd.efa() = request;
  attr.comp_mask = 0;  // threads are no concern of the kernel's
  const int error = ibv::create_cq_ex(context.base(), &attr, &cq.verbs, cmd.core(), cmd.size(),
                                      resp.core(), resp.size());
  answer = resp.efa();
  return error;
}

/// The ring in a DMA buffer (V60). libibverbs can say so from release 59 on, the kernel from 7.2
/// on.
int create_external(Context& context, Cq& cq, const ibv_cq_init_attr_ex& attr,
                    const efadv_cq_init_attr& efa, const efa_uabi_create_cq& request,
                    efa_uabi_create_cq_resp& answer) {
  const auto& memory = efa.ext_mem_dmabuf;
  const std::size_t needed =
      page_align(std::size_t{attr.cqe} * cqe::kBytes * context.limits.sub_cqs_per_cq);
  if (memory.length < needed) {
    return EFA_FAIL(context, EINVAL, "CQ: %u entries need %zu bytes of external memory, not %llu",
                    attr.cqe, needed, static_cast<unsigned long long>(memory.length));
  }
  std::uint32_t entries = 0;
  UverbsIoctl<13> command(UVERBS_OBJECT_CQ, UVERBS_METHOD_CQ_CREATE);
  command.add_new_object(UVERBS_ATTR_CREATE_CQ_HANDLE);
  command.add_in(UVERBS_ATTR_CREATE_CQ_CQE, attr.cqe);
  command.add_in(UVERBS_ATTR_CREATE_CQ_USER_HANDLE,
                 static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(&cq)));
  if (attr.channel != nullptr) {
    command.add_object(UVERBS_ATTR_CREATE_CQ_COMP_CHANNEL,
                       static_cast<std::uint32_t>(attr.channel->fd));
  }
  command.add_in(UVERBS_ATTR_CREATE_CQ_COMP_VECTOR, attr.comp_vector);
  command.add_out(UVERBS_ATTR_CREATE_CQ_RESP_CQE, entries);
  command.add_object(UVERBS_ATTR_CREATE_CQ_EVENT_FD,
                     static_cast<std::uint32_t>(context.base()->async_fd));
  command.add_object(uverbs::kCreateCqBufferFd, static_cast<std::uint32_t>(memory.fd));
  command.add_in(uverbs::kCreateCqBufferOffset, memory.offset);
  command.add_in(uverbs::kCreateCqBufferLength, memory.length);
  command.add_in(UVERBS_ATTR_UHW_IN, request);
  command.add_out(UVERBS_ATTR_UHW_OUT, answer);
  int error = command.send(*context.base());
  if (error == EPROTONOSUPPORT || error == ENOTTY) error = EOPNOTSUPP;
  if (error != 0) return error;
  cq.verbs.cq.context = context.base();
  cq.verbs.cq.handle = command.handle();
  cq.verbs.cq.cqe = static_cast<int>(entries);
  return 0;
}

/// Maps what the kernel offers and sets up the rings.
int set_up(Context& context, Cq& cq, std::byte* external, std::uint32_t entries,
           const efa_uabi_create_cq_resp& answer) {
  const int fd = context.base()->cmd_fd;
  if (answer.q_mmap_size != 0) {
    if (const int error = cq.ring_pages.map(fd, answer.q_mmap_key, answer.q_mmap_size, PROT_READ)) {
      return error;
    }
  }
  if (efa_uabi_create_cq_resp_db_off(&answer)) {
    if (!is_doorbell_offset(answer.db_off)) {
      return EFA_FAIL(context, EINVAL,
                      "CQ: the kernel put the doorbell at %u, crooked or outside of its page",
                      answer.db_off);
    }
    if (const int error = cq.doorbell_page.map(fd, answer.db_mmap_key, page_size(), PROT_WRITE)) {
      return error;
    }
    cq.doorbell = reinterpret_cast<std::uint32_t*>(cq.doorbell_page.data() + answer.db_off);
  }
  cq.sub_cq_count = static_cast<std::uint16_t>(context.limits.sub_cqs_per_cq);
  if (cq.sub_cq_count > 1) {
    cq.more = make_array<SubCq>(cq.sub_cq_count);
    if (cq.more == nullptr) return ENOMEM;
  }
  const std::size_t ring_bytes = std::size_t{entries} * cqe::kBytes;
  if (cq.ring_pages && cq.ring_pages.size() < ring_bytes * cq.sub_cq_count) {
    return EFA_FAIL(context, EINVAL, "CQ: the kernel mapped %zu bytes for %u rings of %u entries",
                    cq.ring_pages.size(), cq.sub_cq_count, entries);
  }
  const std::byte* ring = cq.ring_pages ? cq.ring_pages.data() : external;
  const std::size_t words = ring == nullptr ? 0 : ring_bytes / sizeof(std::uint64_t);
  for (unsigned i = 0; i < cq.sub_cq_count; ++i) {
    const auto* begin = reinterpret_cast<const std::uint64_t*>(ring) + i * words;
    cq.sub_cqs()[i] = {begin, kPhase, begin, begin + words};
  }
  cq.entries = entries;
  cq.qps = context.qps.slots();
  return 0;
}

/// External memory that this process does not see is polled by somebody else.
int poll_unseen(ibv_cq*, int, ibv_wc*) {
  return 0;
}
int start_poll_unseen(ibv_cq_ex*, ibv_poll_cq_attr*) {
  return ENOENT;
}

void choose_threads(Cq& cq, const ibv_cq_init_attr_ex& attr) {
  if ((attr.comp_mask & IBV_CQ_INIT_ATTR_MASK_FLAGS) &&
      (attr.flags & IBV_CREATE_CQ_ATTR_SINGLE_THREADED)) {
    cq.threads = Threads::kSingle;
  }
  if ((attr.comp_mask & IBV_CQ_INIT_ATTR_MASK_PD) && attr.parent_domain != nullptr) {
    cq.parent_domain = &Pd::of(attr.parent_domain);
    ++cq.parent_domain->users;
    if (cq.parent_domain->threads() == Threads::kSingle) cq.threads = Threads::kSingle;
  }
}

ibv_cq_ex* create(Context& context, ibv_cq_init_attr_ex attr, const efadv_cq_init_attr& efa,
                  bool extended) {
  const bool external = efa.flags & EFADV_CQ_INIT_FLAGS_EXT_MEM_DMABUF;
  int error = check(context, attr, efa);
  if (error != 0) {
    errno = error;
    return nullptr;
  }
  attr.cqe = std::bit_ceil(attr.cqe);
  Owned<Cq> cq = make<Cq>();
  if (cq == nullptr) {
    errno = ENOMEM;
    return nullptr;
  }
  const efa_uabi_create_cq request = private_request(context, attr, efa);
  efa_uabi_create_cq_resp answer{};
  error = external ? create_external(context, *cq, attr, efa, request, answer)
                   : create_mapped(context, *cq, attr, request, answer);
  if (error == 0) {
    error = set_up(context, *cq, reinterpret_cast<std::byte*>(efa.ext_mem_dmabuf.buffer), attr.cqe,
                   answer);
    if (error != 0) ibv::ibv_cmd_destroy_cq(&cq->verbs.cq);
  }
  if (error != 0) {
    cq.reset();
    errno = error;
    return nullptr;
  }
  choose_threads(*cq, attr);
  choose_poll(*cq);
  if (extended) choose_extended_poll(*cq, attr.wc_flags, efa.wc_flags);
  if (cq->sub_cqs()->begin == nullptr) {
    cq->poll = poll_unseen;
    cq->verbs.cq_ex.start_poll = start_poll_unseen;
  }
  return &cq.release()->verbs.cq_ex;
}

}  // namespace

ibv_cq* create_cq(ibv_context* context, int entries, ibv_comp_channel* channel, int vector) {
  ibv_cq_init_attr_ex attr{};
  attr.cqe = static_cast<std::uint32_t>(std::max(entries, 0));
  attr.channel = channel;
  attr.comp_vector = static_cast<std::uint32_t>(vector);
  ibv_cq_ex* cq = create(Context::of(context), attr, {}, false);
  return cq == nullptr ? nullptr : ibv_cq_ex_to_cq(cq);
}

ibv_cq_ex* create_cq_ex(ibv_context* context, ibv_cq_init_attr_ex* attr) {
  return create(Context::of(context), *attr, {}, true);
}

ibv_cq_ex* create_efa_cq(Context& context, const ibv_cq_init_attr_ex& attr,
                         const efadv_cq_init_attr& efa) {
  ibv_cq_ex* cq = create(context, attr, efa, true);
  // libibverbs does this for its own entry points (V64).
  if (cq != nullptr) {
    ibv::verbs_init_cq(ibv_cq_ex_to_cq(cq), context.base(), attr.channel, attr.cq_context);
  }
  return cq;
}

int destroy_cq(ibv_cq* base) {
  Cq& cq = Cq::of(base);
  if (const int error = ibv::ibv_cmd_destroy_cq(base)) return error;
  if (cq.parent_domain != nullptr) --cq.parent_domain->users;
  Owned<Cq>{&cq}.reset();
  return 0;
}

int req_notify_cq(ibv_cq* base, int solicited_only) {
  Cq& cq = Cq::of(base);
  if (solicited_only != 0) {
    return EFA_FAIL(cq.context(), EOPNOTSUPP,
                    "CQ 0x%x: EFA messages are never solicited; arm with solicited_only 0",
                    base->handle);
  }
  if (cq.doorbell == nullptr) {
    return EFA_FAIL(cq.context(), EOPNOTSUPP,
                    "CQ 0x%x: the device gave it no doorbell, so it cannot raise events; poll it",
                    base->handle);
  }
  const std::lock_guard guard(cq.lock);
  cq.ring_doorbell(true);
  return 0;
}

void cq_event(ibv_cq* base) {
  Cq& cq = Cq::of(base);
  const std::lock_guard guard(cq.lock);
  ++cq.event_count;
}

}  // namespace efa
