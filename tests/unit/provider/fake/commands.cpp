// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The functions of libibverbs that the provider calls. This program's definitions come before
/// those of the library.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "kernel.hpp"
#include "memory.hpp"

namespace efa::fake {

/// What a failed step answers: an errno that nothing else here does.
constexpr int kFailure = ENOSPC;

struct Commands {
  Kernel& k = kernel();
  const std::lock_guard<std::recursive_mutex> guard{k.lock_};

  /// The private part behind a generic structure.
  template <class Private, class Core>
  static void answer(Core* core, std::size_t size, const Private& value,
                     std::size_t length = sizeof(Private)) {
    std::memcpy(reinterpret_cast<std::byte*>(core) + sizeof(Core), &value,
                std::min(length, size - sizeof(Core)));
  }
  template <class Private, class Core>
  static Private request(const Core* core, std::size_t size) {
    Private value{};
    std::memcpy(&value, reinterpret_cast<const std::byte*>(core) + sizeof(Core),
                std::min(sizeof(value), size - sizeof(Core)));
    return value;
  }

  int add(std::size_t& counter) {
    if (step_fails()) return kFailure;
    ++counter;
    return 0;
  }
  int remove(std::size_t& counter) {
    if (step_fails()) return kFailure;
    --counter;
    return 0;
  }

  int create_cq(std::uint32_t entries, ibv::VerbsCq& cq, efa_uabi_create_cq request,
                efa_uabi_create_cq_resp& resp) {
    if (step_fails()) return kFailure;
    auto it = std::make_unique<DeviceCq>();
    const std::uint32_t rings = std::max<std::uint32_t>(request.num_sub_cqs, 1);
    it->request = request;
    it->entries = entries;
    it->written.resize(rings);
    it->ring = k.allocate(std::size_t{entries} * rings * sizeof(efa_rx_cdesc_ex));
    it->doorbell_page = k.allocate(1);
    resp.q_mmap_key = it->ring.key();
    resp.q_mmap_size = it->ring.size();
    resp.db_mmap_key = it->doorbell_page.key();
    efa_uabi_create_cq_resp_set_db_off(&resp, 1);
    if (k.answers.change_cq) k.answers.change_cq(resp);
    cq.cq.handle = k.next_cq_++;
    cq.cq.cqe = static_cast<int>(entries);
    k.cqs[cq.cq.handle] = std::move(it);
    return 0;
  }

  int create_qp(ibv::VerbsQp& base, const ibv_qp_init_attr_ex& attr, efa_uabi_create_qp request,
                efa_uabi_create_qp_resp& resp) {
    if (step_fails()) return kFailure;
    auto it = std::make_unique<DeviceQp>();
    it->request = request;
    it->wqe_size = request.sq_ring_size / std::max<std::uint32_t>(attr.cap.max_send_wr, 1);
    it->send_cq = k.cqs.at(attr.send_cq->handle).get();
    it->recv_cq = k.cqs.at(attr.recv_cq->handle).get();
    it->sq = k.allocate(request.sq_ring_size);
    it->sq_doorbell = k.allocate(1);
    resp.llq_desc_mmap_key = it->sq.key();
    resp.sq_db_mmap_key = it->sq_doorbell.key();
    if (request.rq_ring_size != 0) {
      it->rq = k.allocate(request.rq_ring_size);
      it->rq_doorbell = k.allocate(1);
      resp.rq_mmap_key = it->rq.key();
      resp.rq_mmap_size = it->rq.size();
      resp.rq_db_mmap_key = it->rq_doorbell.key();
    }
    if (k.answers.change_qp) k.answers.change_qp(resp);
    std::uint16_t number = 1;  // the lowest free one, so that numbers come back soon
    while (k.qps.count(number) != 0) ++number;
    it->number = number;
    ibv_qp& qp = base.qp;
    qp.context = attr.pd->context;
    qp.pd = attr.pd;
    qp.send_cq = attr.send_cq;
    qp.recv_cq = attr.recv_cq;
    qp.handle = qp.qp_num = number;
    qp.state = IBV_QPS_RESET;
    k.qps[number] = std::move(it);
    return 0;
  }

  int query(ibv_device_attr_ex& attr, ib_uverbs_ex_query_device_resp* resp, std::size_t* size) {
    if (step_fails()) return kFailure;
    attr.orig_attr.max_qp_wr = 1 << 20;
    if (*size > sizeof(*resp)) answer(resp, *size, k.answers.limits);
    return 0;
  }

  static const ibv::DeviceOps*& driver() {
    static const ibv::DeviceOps* ops = nullptr;
    return ops;
  }
  void closed(int fd) {
    ::close(fd);
    ++k.closed_files_;
    k.fd_ = -1;
  }
};

verbs_context* Kernel::open() {
  static ibv::VerbsDevice device{};
  device.ops = Commands::driver();
  std::snprintf(device.device.name, sizeof(device.device.name), "fake_0");
  fd_ = ::memfd_create("uverbs", 0);
  end_ = 0;
  return device.ops->alloc_context(&device.device, fd_, nullptr);
}

}  // namespace efa::fake

namespace efa::ibv {
using fake::Commands;
using fake::kFailure;
using fake::step_fails;

extern "C" {
void __verbs_log(verbs_context*, std::uint32_t, const char* format, ...) {
  char line[1024];
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  Commands().k.log += line;
}

void* _verbs_init_and_alloc_context(ibv_device* device, int cmd_fd, std::size_t size,
                                    verbs_context* offset, std::uint32_t) {
  if (step_fails()) {
    errno = kFailure;
    Commands().closed(cmd_fd);
    return nullptr;
  }
  auto* memory = static_cast<std::byte*>(std::calloc(1, size));
  if (memory == nullptr) {
    Commands().closed(cmd_fd);
    return nullptr;
  }
  auto* verbs = reinterpret_cast<verbs_context*>(memory + reinterpret_cast<std::uintptr_t>(offset));
  verbs->context.device = device;
  verbs->context.cmd_fd = cmd_fd;
  return memory;
}
void verbs_uninit_context(verbs_context* context) {
  Commands().closed(context->context.cmd_fd);
}
void verbs_set_ops(verbs_context*, const ContextOps*) {}
void verbs_init_cq(ibv_cq* cq, ibv_context* context, ibv_comp_channel* channel, void* cq_context) {
  cq->context = context;
  cq->channel = channel;
  cq->cq_context = cq_context;
}
void verbs_register_driver_34(const DeviceOps* ops) {
  Commands::driver() = ops;
}

int ibv_cmd_get_context(verbs_context*, GetContext*, std::size_t, ib_uverbs_get_context_resp* resp,
                        std::size_t size) {
  if (step_fails()) return kFailure;
  const fake::Answers& answers = fake::kernel().answers;
  Commands::answer(resp, size, answers.open, answers.open_bytes);
  return 0;
}
int ibv_cmd_query_device_any(ibv_context*, const ibv_query_device_ex_input*,
                             ibv_device_attr_ex* attr, std::size_t,
                             ib_uverbs_ex_query_device_resp* resp, std::size_t* size) {
  return Commands().query(*attr, resp, size);
}
int ibv_cmd_query_port(ibv_context*, std::uint8_t, ibv_port_attr*, QueryPort*, std::size_t) {
  return step_fails() ? kFailure : 0;
}

int ibv_cmd_alloc_pd(ibv_context* context, ibv_pd* pd, AllocPd*, std::size_t,
                     ib_uverbs_alloc_pd_resp* resp, std::size_t size) {
  Commands call;
  efa_uabi_alloc_pd_resp answer{};
  answer.pdn = 7;
  Commands::answer(resp, size, answer);
  pd->context = context;
  return call.add(call.k.pds);
}
int ibv_cmd_dealloc_pd(ibv_pd*) {
  Commands call;
  return call.remove(call.k.pds);
}
int ibv_cmd_reg_mr(ibv_pd*, void*, std::size_t, std::uint64_t, int, VerbsMr*, RegMr*, std::size_t,
                   ib_uverbs_reg_mr_resp*, std::size_t) {
  Commands call;
  return call.add(call.k.mrs);
}
int ibv_cmd_reg_dmabuf_mr(ibv_pd*, std::uint64_t, std::size_t, std::uint64_t, int, int, VerbsMr*,
                          CommandBuffer*) {
  Commands call;
  return call.add(call.k.mrs);
}
int ibv_cmd_dereg_mr(VerbsMr*) {
  Commands call;
  return call.remove(call.k.mrs);
}
int ibv_cmd_create_ah(ibv_pd* pd, ibv_ah* ah, ibv_ah_attr*, ib_uverbs_create_ah_resp* resp,
                      std::size_t size) {
  Commands call;
  efa_uabi_create_ah_resp answer{};
  answer.efa_address_handle = 0x1234;
  Commands::answer(resp, size, answer);
  ah->context = pd->context;
  return call.add(call.k.ahs);
}
int ibv_cmd_destroy_ah(ibv_ah*) {
  Commands call;
  return call.remove(call.k.ahs);
}

int ibv_cmd_create_cq_ex(ibv_context* context, const ibv_cq_init_attr_ex* attr, VerbsCq* cq,
                         CreateCqEx* cmd, std::size_t cmd_size, ib_uverbs_ex_create_cq_resp* resp,
                         std::size_t resp_size, std::uint32_t) {
  Commands call;
  efa_uabi_create_cq_resp answer{};
  cq->cq.context = context;
  const int error =
      call.create_cq(attr->cqe, *cq, Commands::request<efa_uabi_create_cq>(cmd, cmd_size), answer);
  Commands::answer(resp, resp_size, answer);
  return error;
}
int ibv_cmd_destroy_cq(ibv_cq* cq) {
  Commands call;
  if (step_fails()) return kFailure;
  call.k.cqs.erase(cq->handle);
  return 0;
}
int ibv_cmd_create_qp_ex(ibv_context*, VerbsQp* qp, ibv_qp_init_attr_ex* attr, CreateQp* cmd,
                         std::size_t cmd_size, ib_uverbs_create_qp_resp* resp,
                         std::size_t resp_size) {
  Commands call;
  efa_uabi_create_qp_resp answer{};
  const int error =
      call.create_qp(*qp, *attr, Commands::request<efa_uabi_create_qp>(cmd, cmd_size), answer);
  Commands::answer(resp, resp_size, answer);
  return error;
}
int ibv_cmd_modify_qp(ibv_qp* qp, ibv_qp_attr* attr, int mask, ModifyQp*, std::size_t) {
  Commands call;
  if (step_fails()) return kFailure;
  if (mask & IBV_QP_STATE) {
    qp->state = attr->qp_state;
    if (attr->qp_state == IBV_QPS_RESET) {
      fake::DeviceQp& it = *call.k.qps.at(qp->handle);
      it.sends_taken = it.receives_taken = 0;
      it.taken.clear();
      // A device forgets its doorbells with RESET (device-io I6).
      std::memset(it.sq_doorbell.data(), 0, it.sq_doorbell.size());
      if (it.rq_doorbell.data() != nullptr)
        std::memset(it.rq_doorbell.data(), 0, it.rq_doorbell.size());
    }
  }
  return 0;
}
int ibv_cmd_query_qp(ibv_qp*, ibv_qp_attr*, int, ibv_qp_init_attr*, QueryQp*, std::size_t) {
  return step_fails() ? kFailure : 0;
}
int ibv_cmd_destroy_qp(ibv_qp* qp) {
  Commands call;
  if (step_fails()) return kFailure;
  call.k.qps.erase(qp->handle);
  return 0;
}
}

}  // namespace efa::ibv
