// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/endpoint.hpp"

#include <infiniband/efadv.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_errno.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "absent.hpp"
#include "log.hpp"
#include "objects/absent_tables.hpp"
#include "objects/eq.hpp"
#include "objects/option.hpp"

namespace efa::fi {
namespace {

constexpr uint64_t kCqFlags = FI_TRANSMIT | FI_RECV | FI_SELECTIVE_COMPLETION;
constexpr uint64_t kCounterFlags =
    FI_SEND | FI_RECV | FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE;
constexpr uint64_t kTransmits = FI_SEND | FI_READ | FI_WRITE;

/// The device retries as often as an RDM endpoint cannot do better itself; 7 is for ever.
constexpr uint8_t kRdmRnrRetry = 3;
constexpr uint8_t kEndlessRnrRetry = 7;

/// Of ibv_query_qp_data_in_order() since rdma-core 46: without the first it answers for whole
/// messages only.
constexpr uint32_t kAskForBits = 1 << 0;
constexpr int kAligned128 = 1 << 1;

int close_endpoint(fid* object) {
  const std::unique_ptr<Endpoint> owner(&Endpoint::of(object));
  return 0;
}

int bind_endpoint(fid* object, fid* other, uint64_t flags) {
  return other ? Endpoint::of(object).bind(other, flags) : -FI_EINVAL;
}

int control_endpoint(fid* object, int command, void* argument) {
  Endpoint& endpoint = Endpoint::of(object);
  return command == FI_ENABLE ? endpoint.enable() : endpoint.control(command, argument);
}

int get_name(fid* object, void* buffer, size_t* size) {
  const Endpoint& endpoint = Endpoint::of(object);
  if (!size) return -FI_EINVAL;
  const size_t room = *size;
  *size = sizeof endpoint.address;
  if (buffer) std::memcpy(buffer, &endpoint.address, std::min(room, sizeof endpoint.address));
  return room < sizeof endpoint.address ? -FI_ETOOSMALL : 0;
}

int set_option(fid* object, int level, int option, const void* value, size_t size) {
  if (level != FI_OPT_ENDPOINT) return -FI_ENOPROTOOPT;
  return Endpoint::of(object).set_option(option, value, size);
}

int get_option(fid* object, int level, int option, void* value, size_t* size) {
  if (level != FI_OPT_ENDPOINT) return -FI_ENOPROTOOPT;
  return size ? Endpoint::of(object).get_option(option, value, size) : -FI_EINVAL;
}

fi_ops fid_operations{
    .size = sizeof(fi_ops),
    .close = close_endpoint,
    .bind = bind_endpoint,
    .control = control_endpoint,
    .ops_open = absent,
    .tostr = absent,
    .ops_set = absent,
};

fi_ops_cm cm_operations{
    .size = sizeof(fi_ops_cm),
    .setname = absent,
    .getname = get_name,
    .getpeer = absent,
    .connect = absent,
    .listen = absent,
    .accept = absent,
    .reject = absent,
    .shutdown = absent,
    .join = absent,
};

fi_ops_ep no_cancel = endpoint_operations(absent);

bool can_set_rnr_retry(const Domain& domain) {
  efadv_device_attr attr{};
  return efadv_query_device(domain.context, &attr, sizeof attr) == 0 &&
         (attr.device_caps & EFADV_DEVICE_ATTR_CAPS_RNR_RETRY);
}

/// Depth of a queue: what the application's info says, within what the device has.
uint32_t depth(size_t asked, size_t most) {
  return static_cast<uint32_t>(asked ? std::min(asked, most) : most);
}

}  // namespace

fi_ops_ep endpoint_operations(CancelFunction cancel) {
  return {
      .size = sizeof(fi_ops_ep),
      .cancel = cancel,
      .getopt = get_option,
      .setopt = set_option,
      .tx_ctx = absent,
      .rx_ctx = absent,
      .rx_size_left = absent,
      .tx_size_left = absent,
  };
}

Endpoint::Endpoint(Domain& on, const fi_info& asked, void* application_context)
    : fid_ep{}, domain(on), info(duplicate(asked)) {
  fid.fclass = FI_CLASS_EP;
  fid.context = application_context;
  fid.ops = &fid_operations;
  ops = &no_cancel;
  cm = &cm_operations;
  msg = &messages_too_early;
  rma = &rma_too_early;
  tagged = &tagged_too_early;
  atomic = &atomics_too_early;
  collective = &no_collectives;
  address.gid = domain.device.gid;
  tx_depth = depth(asked.tx_attr->size, domain.device.max_sq_wr);
  rx_depth = depth(asked.rx_attr->size, domain.device.max_rq_wr);
  rnr_retry = domain.kind == Kind::rdm ? kRdmRnrRetry : kEndlessRnrRetry;
  unsolicited = domain.device.unsolicited_write_recv && settings().use_unsolicited_write_recv;
  ++domain.children;
}

Endpoint::~Endpoint() {
  {
    const Guard guard(domain.lock);
    disconnect();
  }
  if (av) --av->endpoints;
  if (eq) --Eq::of(eq).users;
  --domain.children;
}

void Endpoint::disconnect() {
  for (fid_cq* cq : {tx_cq, rx_cq})
    if (cq) Cq::of(cq).endpoints.remove(*this);
  for (Counter* counter : {counters.send, counters.receive, counters.read, counters.write,
                           counters.remote_read, counters.remote_write})
    if (counter) counter->endpoints.remove(*this);
  if (qp) ibv_destroy_qp(qp);
  qp = nullptr;
  qpx = nullptr;
  enabled = false;
}

int Endpoint::bind_cq(fid_cq& cq, uint64_t flags) {
  const bool transmit = flags & FI_TRANSMIT;
  const bool receive = flags & FI_RECV;
  if ((flags & ~kCqFlags) || !(transmit || receive) || Cq::of(&cq).domain != &domain)
    return -FI_EINVAL;
  if ((transmit && tx_cq) || (receive && rx_cq)) return -FI_EINVAL;
  if (transmit) {
    tx_cq = &cq;
    tx_selective = flags & FI_SELECTIVE_COMPLETION;
  }
  if (receive) {
    rx_cq = &cq;
    rx_selective = flags & FI_SELECTIVE_COMPLETION;
  }
  Cq::of(&cq).endpoints.add(*this);
  return 0;
}

int Endpoint::bind_counter(Counter& counter, uint64_t flags) {
  if (!flags || (flags & ~kCounterFlags) || counter.domain != &domain) return -FI_EINVAL;
  const struct {
    uint64_t flag;
    Counter*& counter;
  } slots[] = {{FI_SEND, counters.send},
               {FI_RECV, counters.receive},
               {FI_READ, counters.read},
               {FI_WRITE, counters.write},
               {FI_REMOTE_READ, counters.remote_read},
               {FI_REMOTE_WRITE, counters.remote_write}};
  for (const auto& slot : slots)
    if ((flags & slot.flag) && slot.counter) return -FI_EINVAL;
  for (const auto& slot : slots)
    if (flags & slot.flag) slot.counter = &counter;
  counter.endpoints.add(*this);
  return 0;
}

int Endpoint::bind_av(Av& other) {
  if (av || &other.domain() != &domain) return -FI_EINVAL;
  av = &other;
  ++av->endpoints;
  return 0;
}

int Endpoint::bind_eq(Eq& other, uint64_t flags) {
  if (eq || flags) return -FI_EINVAL;
  eq = &other;
  ++other.users;
  return 0;
}

int Endpoint::bind(struct fid* other, uint64_t flags) {
  const Guard guard(domain.lock);
  if (enabled && other->fclass != FI_CLASS_EQ) return -FI_EOPBADSTATE;
  switch (other->fclass) {
    case FI_CLASS_AV:
      return bind_av(Av::of(reinterpret_cast<fid_av*>(other)));
    case FI_CLASS_CQ:
      return bind_cq(*reinterpret_cast<fid_cq*>(other), flags);
    case FI_CLASS_CNTR:
      return bind_counter(Counter::of(reinterpret_cast<fid_cntr*>(other)), flags);
    case FI_CLASS_EQ:
      return bind_eq(Eq::of(reinterpret_cast<fid_eq*>(other)), flags);
    default:
      return -FI_EINVAL;
  }
}

int Endpoint::check_bindings() const {
  if (!tx_cq && !rx_cq) return -FI_ENOCQ;
  if (!tx_cq && (info->caps & kTransmits)) return -FI_ENOCQ;
  if (!rx_cq && (info->caps & FI_RECV)) return -FI_ENOCQ;
  return av ? 0 : -FI_ENOAV;
}

QueuePairPlan Endpoint::plan() const {
  QueuePairPlan plan;
  plan.kind = domain.kind;
  plan.tx_depth = tx_depth;
  plan.rx_depth = rx_depth;
  plan.tx = &Cq::of(tx_cq ? tx_cq : rx_cq);
  plan.rx = &Cq::of(rx_cq ? rx_cq : tx_cq);
  plan.unsolicited = unsolicited && plan.rx->tells_unsolicited;
  plan.low_latency =
      info->tx_attr->tclass == FI_TC_LOW_LATENCY || info->domain_attr->tclass == FI_TC_LOW_LATENCY;
  plan.inline_size = static_cast<uint32_t>(domain.device.inline_size);
  if (domain.kind != Kind::rdm) {
    const size_t segments = std::max<size_t>(info->rx_attr->iov_limit, 1);
    plan.rx_segments = static_cast<uint32_t>(std::min(segments, domain.device.max_rq_sge));
    plan.rx_depth =
        std::min(plan.rx_depth, static_cast<uint32_t>(domain.device.max_rq_wr / plan.rx_segments));
  }
  return plan;
}

int Endpoint::create_qp() {
  const QueuePairPlan wanted = plan();
  const QueuePair made = create_queue_pair(domain, wanted);
  if (!made.qp) {
    const int error = errno;
    log(FI_LOG_WARN, "device " + domain.device.name + ": no queue pair for " +
                         std::to_string(wanted.tx_depth) + " sends and " +
                         std::to_string(wanted.rx_depth) + " receives: " + std::strerror(error) +
                         "; the device has " + std::to_string(domain.device.max_qp) +
                         " queue pairs for all processes, and FI_EFA_TX_SIZE and FI_EFA_RX_SIZE "
                         "make them smaller");
    return -error;
  }
  qp = made.qp;
  qpx = made.ex;
  qp_operations = made.operations;
  unsolicited = made.unsolicited;
  rx_depth = wanted.rx_depth;
  rx_segments = wanted.rx_segments;
  const bool datagram = domain.kind == Kind::datagram;
  // Other versions force this on datagrams, so it is what all can use (spec protocol 21).
  address.connid = datagram ? 0 : random_connid();
  address.qpn = static_cast<uint16_t>(qp->qp_num);
  const bool retry = !datagram && can_set_rnr_retry(domain);
  return start_queue_pair(*qp, address.connid, retry ? rnr_retry : -1);
}

int Endpoint::enable() {
  const Guard guard(domain.lock);
  if (enabled) return -FI_EOPBADSTATE;
  if (const int error = check_bindings()) return error;
  int error = create_qp();
  if (error == 0) error = start();
  if (error != 0 && qp) {
    ibv_destroy_qp(qp);
    qp = nullptr;
    qpx = nullptr;
  }
  enabled = error == 0;
  return error;
}

bool Endpoint::arrives_in_order(ibv_wr_opcode operation) {
  const auto ask = [&](ibv_qp& asked) {
    return (ibv_query_qp_data_in_order(&asked, operation, kAskForBits) & kAligned128) != 0;
  };
  if (qp) return ask(*qp);
  fi_cq_attr attributes{};
  attributes.size = 1;
  fid_cq* queue = nullptr;
  if (open_cq(&domain, &attributes, &queue, nullptr)) return false;
  QueuePairPlan small{.kind = domain.kind, .tx_depth = 1, .rx_depth = 1};
  small.tx = small.rx = &Cq::of(queue);
  const QueuePair probe = create_queue_pair(domain, small);
  const bool in_order = probe.qp && ask(*probe.qp);
  if (probe.qp) ibv_destroy_qp(probe.qp);
  fi_close(&queue->fid);
  return in_order;
}

int Endpoint::control(int, void*) {
  return -FI_ENOSYS;
}

int Endpoint::set_option(int option, const void* value, size_t size) {
  size_t retries = 0;
  bool wanted = false;
  switch (static_cast<Option>(option)) {
    case Option::rnr_retry:
      if (const int error = take_option(value, size, retries)) return error;
      if (!can_set_rnr_retry(domain)) return -FI_ENOSYS;
      if (enabled || retries > kEndlessRnrRetry) return -FI_EINVAL;
      rnr_retry = static_cast<uint8_t>(retries);
      return 0;
    case Option::sendrecv_in_order_128:
      if (const int error = take_option(value, size, wanted)) return error;
      return !wanted || arrives_in_order(IBV_WR_SEND) ? 0 : -FI_EOPNOTSUPP;
    case Option::write_in_order_128:
      if (const int error = take_option(value, size, wanted)) return error;
      return !wanted || arrives_in_order(IBV_WR_RDMA_WRITE) ? 0 : -FI_EOPNOTSUPP;
    default:
      return -FI_ENOPROTOOPT;
  }
}

int Endpoint::get_option(int option, void* value, size_t* size) {
  if (static_cast<Option>(option) == Option::rnr_retry)
    return give_option<size_t>(rnr_retry, value, size);
  return -FI_ENOPROTOOPT;
}

int open_endpoint(fid_domain* fid, fi_info* info, fid_ep** opened, void* context) {
  Domain& domain = Domain::of(fid);
  if (!info || !info->ep_attr || !info->tx_attr || !info->rx_attr || !info->domain_attr)
    return -FI_EINVAL;
  const fi_ep_type type = domain.kind == Kind::datagram ? FI_EP_DGRAM : FI_EP_RDM;
  if (info->ep_attr->type != type) return -FI_EINVAL;
  if (domain.kind == Kind::rdm && (info->mode & FI_RX_CQ_DATA)) return -FI_EINVAL;
  std::unique_ptr<Endpoint> endpoint;
  switch (domain.kind) {
    case Kind::rdm:
      endpoint.reset(make_rdm_endpoint(domain, *info, context));
      break;
    case Kind::direct:
      endpoint.reset(make_direct_endpoint(domain, *info, context));
      break;
    case Kind::datagram:
      endpoint.reset(make_datagram_endpoint(domain, *info, context));
      break;
  }
  if (!endpoint || !endpoint->info) return -FI_ENOMEM;
  *opened = endpoint.release();
  return 0;
}

}  // namespace efa::fi
