// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/rdm_endpoint.hpp"

#include <infiniband/efadv.h>
#include <rdma/fi_errno.h>

#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "log.hpp"
#include "objects/absent_tables.hpp"
#include "objects/eq.hpp"
#include "objects/host_id.hpp"
#include "objects/option.hpp"
#include "objects/settings.hpp"
#include "release.hpp"
#include "wire/capacity.hpp"

namespace efa::fi {
namespace {

/// How long a close waits for what peers are owed, in microseconds.
constexpr uint64_t kFlushTime = 5'000'000;

rdm::RawAddress raw(const Address& address) {
  rdm::RawAddress result;
  static_assert(sizeof result == sizeof address);
  std::memcpy(&result, &address, sizeof result);
  return result;
}

ssize_t cancel(struct fid* object, void* context) {
  RdmEndpoint& endpoint = static_cast<RdmEndpoint&>(Endpoint::of(object));
  const Guard guard(endpoint.domain.lock);
  if (!endpoint.engine) return -FI_EOPBADSTATE;
  const int error = endpoint.engine->cancel(context);
  // What is matched already completes as if nobody had asked.
  return error == -FI_ENOENT ? 0 : error;
}

fi_ops_ep rdm_operations = endpoint_operations(cancel);

rdm::Tally* tally(Counter* counter) {
  return counter;
}

rdm::CompletionRing* ring(fid_cq* cq) {
  return cq ? &Cq::of(cq).ring : nullptr;
}

}  // namespace

RdmEndpoint::RdmEndpoint(Domain& on, const fi_info& asked, void* application_context)
    : Endpoint(on, asked, application_context),
      min_multi_recv_(on.device.mtu - rdm::kMaxReqHeader) {
  ops = &rdm_operations;
  const size_t atomic_bytes = rdm::max_atomic_bytes(domain.device.mtu, false);
  const size_t most_bytes = asked.ep_attr->max_msg_size ? asked.ep_attr->max_msg_size : SIZE_MAX;
  most = {most_bytes, most_bytes, most_bytes, atomic_bytes};
  const size_t inject_bytes = asked.tx_attr->inject_size;
  inject = {inject_bytes, inject_bytes, inject_bytes, std::min(inject_bytes, atomic_bytes)};
}

RdmEndpoint::~RdmEndpoint() {
  const Guard guard(domain.lock);
  if (engine) engine->flush(kFlushTime);
  if (av) av->detach(*this);
  std::erase(domain.region_users, this);
  disconnect();
  if (engine) engine->drain();
  engine.reset();
}

bool RdmEndpoint::uses_read() const {
  return device_rdma_.value_or(domain.use_rdma_read) && domain.device.rdma_read;
}

bool RdmEndpoint::uses_write() const {
  return device_rdma_.value_or(domain.use_rdma_write) && domain.device.rdma_write &&
         (qp_operations & IBV_QP_EX_WITH_RDMA_WRITE || !qp);
}

rdm::Config RdmEndpoint::make_config() const {
  const Settings& set = settings();
  rdm::Config config;
  config.own = raw(address);
  uint64_t features = rdm::Features::kAlways;
  if (uses_read()) features |= rdm::Features::kRdmaRead;
  if (uses_write()) features |= rdm::Features::kRdmaWrite;
  if (unsolicited) features |= rdm::Features::kUnsolicitedWriteRecv;
  config.side.features = rdm::Features(features);
  config.side.device =
      static_cast<uint32_t>(std::strtoul(domain.device.device_id.c_str(), nullptr, 16));
  config.host_id = host_id();
  config.mtu = domain.device.mtu;
  config.tx_depth = set.tx_queue_size
                        ? std::min<uint32_t>(tx_depth, static_cast<uint32_t>(set.tx_queue_size))
                        : tx_depth;
  config.rx_depth = rx_depth;
  config.max_sge = domain.device.max_sq_sge;
  config.inline_size = domain.device.inline_size;
  config.max_rdma = std::min<uint64_t>(domain.device.max_rdma_size, set.inter_read_segment_size);
  config.use_rdma_read = uses_read();
  config.use_rdma_write = uses_write();
  config.takes_immediate = domain.device.rdma_write;
  config.tells_unsolicited = Cq::of(rx_cq ? rx_cq : tx_cq).tells_unsolicited;
  config.limits.runt_size = set.runt_size;
  config.limits.max_medium = set.inter_max_medium_message_size;
  config.limits.min_read_message = set.inter_min_read_message_size;
  config.limits.min_read_write = set.inter_min_read_write_size;
  config.cts_packets = set.tx_min_credits;
  config.poll_batch = set.cq_read_size;
  config.refill_at = std::min<size_t>(set.internal_rx_refill_threshold, rx_depth);
  config.first_backoff = set.timeout_interval;
  config.max_backoff = set.max_timeout;
  config.max_implicit_peers = set.implicit_av_size;
  config.min_multi_recv = min_multi_recv_;
  config.max_message[0] = most.message;
  config.max_message[1] = most.tagged;
  config.prefix = info->mode & FI_MSG_PREFIX ? info->ep_attr->msg_prefix_size : 0;
  config.retries = info->domain_attr->resource_mgmt != FI_RM_DISABLED;
  config.homogeneous = homogeneous_;
  return config;
}

rdm::Queues RdmEndpoint::make_queues() const {
  rdm::Queues queues;
  queues.qp = qp;
  queues.send = qpx;
  queues.send_cq = Cq::of(tx_cq ? tx_cq : rx_cq).verbs;
  queues.receive_cq = Cq::of(rx_cq ? rx_cq : tx_cq).verbs;
  queues.tx = ring(tx_cq);
  queues.rx = ring(rx_cq);
  queues.sends = tally(counters.send);
  queues.receives = tally(counters.receive);
  queues.reads = tally(counters.read);
  queues.writes = tally(counters.write);
  queues.remote_reads = tally(counters.remote_read);
  queues.remote_writes = tally(counters.remote_write);
  return queues;
}

void RdmEndpoint::open_tables() {
  msg = &rdm_messages;
  tagged = &rdm_tagged;
  rma = info->caps & FI_RMA ? &rdm_rma : &rma_without_capability;
  atomic = info->caps & FI_ATOMIC ? &rdm_atomics : &atomics_without_capability;
}

int RdmEndpoint::start() {
  prefix = info->mode & FI_MSG_PREFIX ? info->ep_attr->msg_prefix_size : 0;
  directed = info->caps & FI_DIRECTED_RECV;
  const uint64_t tx_flags = info->tx_attr->op_flags;
  const uint64_t rx_flags = info->rx_attr->op_flags;
  tx_any_report = tx_cq && !tx_selective;
  rx_any_report = rx_cq && !rx_selective;
  tx_reports = tx_any_report || (tx_cq && (tx_flags & FI_COMPLETION));
  rx_reports = rx_any_report || (rx_cq && (rx_flags & FI_COMPLETION));
  tx_delivery = tx_flags & FI_DELIVERY_COMPLETE;
  rx_multi = rx_flags & FI_MULTI_RECV;
  engine = std::make_unique<rdm::Engine>(*this, make_config(), make_queues());
  if (!engine->prepare()) {
    engine.reset();
    log(FI_LOG_WARN,
        "endpoint not enabled: no memory for its packets can be registered; close memory regions, "
        "or raise the limit on locked memory (ulimit -l)");
    return -FI_ENOMEM;
  }
  av->attach(*this);
  domain.region_users.push_back(this);
  open_tables();
  return 0;
}

void RdmEndpoint::dump(uint32_t asked) {
  dumps_ = asked;
  log(FI_LOG_WARN, engine->dump());
}

int RdmEndpoint::control(int command, void*) {
  // For a user whose job hangs: the oldest operation of each peer, as text.
  if (command != kControlDump) return -FI_ENOSYS;
  const Guard guard(domain.lock);
  if (!engine) return -FI_EOPBADSTATE;
  log(FI_LOG_WARN, engine->dump());
  return 0;
}

// ---- Options (spec libfabric-api 6.1)

/// Null: not an option about sizes that may be lowered.
size_t* RdmEndpoint::limit_of(int option) {
  switch (static_cast<Option>(option)) {
    case Option::max_msg_size:
      return &most.message;
    case Option::max_tagged_size:
      return &most.tagged;
    case Option::max_rma_size:
      return &most.rma;
    case Option::max_atomic_size:
      return &most.atomic;
    case Option::inject_msg_size:
      return &inject.message;
    case Option::inject_tagged_size:
      return &inject.tagged;
    case Option::inject_rma_size:
      return &inject.rma;
    case Option::inject_atomic_size:
      return &inject.atomic;
    default:
      return nullptr;
  }
}

/// Applications do nothing else with the endpoint meanwhile (fi_endpoint(3)); others of the domain
/// may make progress, so the lock is for what the engine reads.
int RdmEndpoint::set_option(int option, const void* value, size_t size) {
  if (size_t* const limit = limit_of(option)) return lower_option(value, size, *limit, *limit);
  bool wanted = false;
  switch (static_cast<Option>(option)) {
    case Option::min_multi_recv:
      if (const int error = take_option(value, size, min_multi_recv_)) return error;
      if (engine) {
        const Guard guard(domain.lock);
        engine->set_min_multi_recv(min_multi_recv_);
      }
      return 0;
    case Option::hmem_p2p:
      return take_option(value, size, hmem_p2p_);
    case Option::cuda_api_permitted:
      if (const int error = take_option(value, size, wanted)) return error;
      return info->caps & FI_HMEM ? 0 : -FI_EINVAL;
    case Option::shared_memory_permitted:
      if (const int error = take_option(value, size, wanted)) return error;
      if (wanted && !settings().enable_shm_transfer) return -FI_EINVAL;
      return enabled ? -FI_EOPBADSTATE : 0;
    case Option::use_device_rdma:
      if (domain.api_version() < FI_VERSION(1, 18)) return -FI_ENOPROTOOPT;
      if (const int error = take_option(value, size, wanted)) return error;
      if (enabled) return -FI_EOPBADSTATE;
      if (settings().use_device_rdma && *settings().use_device_rdma != wanted) return -FI_EINVAL;
      if (wanted && !domain.device.rdma_read) return -FI_EOPNOTSUPP;
      device_rdma_ = wanted;
      return 0;
    case Option::homogeneous_peers:
      return take_option(value, size, homogeneous_);
    case Option::use_unsolicited_write_recv:
      if (const int error = take_option(value, size, wanted)) return error;
      if (enabled) return -FI_EINVAL;
      unsolicited = wanted && domain.device.unsolicited_write_recv;
      return 0;
    default:
      return Endpoint::set_option(option, value, size);
  }
}

int RdmEndpoint::get_option(int option, void* value, size_t* size) {
  if (const size_t* const limit = limit_of(option)) return give_option(*limit, value, size);
  switch (static_cast<Option>(option)) {
    case Option::min_multi_recv:
      return give_option(min_multi_recv_, value, size);
    case Option::hmem_p2p:
      return give_option(hmem_p2p_, value, size);
    case Option::emulated_read:
      return give_option(!uses_read(), value, size);
    case Option::emulated_write:
      return give_option(!uses_write(), value, size);
    case Option::emulated_atomics:
      return give_option(true, value, size);
    default:
      return Endpoint::get_option(option, value, size);
  }
}

// ---- Host

const rdm::Region* RdmEndpoint::find_region(uint64_t key) {
  const auto found = domain.regions.find(key);
  if (found == domain.regions.end()) return nullptr;
  found->second->peers_came = true;
  return &found->second->region;
}

ibv_mr* RdmEndpoint::register_memory(void* where, size_t bytes, int access) {
  return ibv_reg_mr(domain.pd, where, bytes, static_cast<unsigned>(access));
}

void RdmEndpoint::deregister(ibv_mr* mr) {
  ibv_dereg_mr(mr);
}

/// One registration for sending and receiving; memory that is read-only is not kept.
unsigned RdmEndpoint::cached_access() const {
  return IBV_ACCESS_LOCAL_WRITE | (uses_read() ? IBV_ACCESS_REMOTE_READ : 0);
}

// From the domain's cache, where that can be trusted; else registered for this operation only.
rdm::Pinned RdmEndpoint::pin(void* where, size_t bytes, int access) {
  if (domain.cache) {
    const unsigned both = static_cast<unsigned>(access) | cached_access();
    if (rdm::Registration* kept = domain.cache->acquire(where, bytes, both))
      return {kept->mr, kept};
  }
  return {register_memory(where, bytes, access)};
}

rdm::Pinned RdmEndpoint::pin_repeated(void* where, size_t bytes) {
  if (!domain.cache) return {};
  rdm::Registration* kept = domain.cache->acquire_repeated(where, bytes, cached_access());
  return kept ? rdm::Pinned{kept->mr, kept, &kept->region} : rdm::Pinned{};
}

void RdmEndpoint::unpin(const rdm::Pinned& pinned) {
  if (pinned.kept)
    domain.cache->release(static_cast<rdm::Registration*>(pinned.kept));
  else
    deregister(pinned.mr);
}

rdm::Destination RdmEndpoint::acquire_destination(const rdm::Gid& gid) {
  return domain.handles.acquire(gid);
}

void RdmEndpoint::release_destination(const rdm::Gid& gid) {
  domain.handles.release(gid);
}

bool RdmEndpoint::sender_gid(ibv_cq_ex& cq, rdm::Gid& gid) {
  Cq& own = Cq::of(rx_cq ? rx_cq : tx_cq);
  if (!own.tells_gid || own.verbs != &cq) return false;
  ibv_gid from{};
  if (efadv_wc_read_sgid(own.verbs_efa, &from) != 0) return false;
  std::memcpy(gid.data(), from.raw, gid.size());
  return true;
}

Cq* RdmEndpoint::queue_of(const ibv_cq_ex& verbs) const {
  for (fid_cq* cq : {rx_cq, tx_cq})
    if (cq && Cq::of(cq).verbs == &verbs) return &Cq::of(cq);
  return nullptr;
}

bool RdmEndpoint::is_unsolicited(ibv_cq_ex& cq) {
  const Cq* own = queue_of(cq);
  return own && own->tells_unsolicited && efadv_wc_is_unsolicited(own->verbs_efa);
}

rdm::Engine* RdmEndpoint::engine_of(ibv_cq_ex& cq) {
  const uint32_t number = ibv_wc_read_qp_num(&cq);
  if (number == qp->qp_num) return engine.get();
  rdm::Engine* found = nullptr;
  if (const Cq* own = queue_of(cq))
    own->endpoints.each([&](Progressor& bound) {
      auto& other = static_cast<RdmEndpoint&>(static_cast<Endpoint&>(bound));
      if (other.qp && other.qp->qp_num == number) found = other.engine.get();
    });
  return found;
}

void RdmEndpoint::report(int error, int provider_errno, const std::string& text) {
  if (eq) return report_to_eq(*eq, &fid, fid.context, error, provider_errno, text);
  // A peer can cause any number of these: the log shows the first, then ever fewer.
  if (std::has_single_bit(++reports_))
    log(FI_LOG_WARN, text + " (error " + std::to_string(provider_errno) + ", number " +
                         std::to_string(reports_) +
                         " of this endpoint; an EQ bound to it gets all)");
}

void RdmEndpoint::warn(const std::string& text) {
  log(FI_LOG_WARN, text);
}

uint64_t RdmEndpoint::now() {
  using namespace std::chrono;
  return static_cast<uint64_t>(
      duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count());
}

// ---- AvUser

void RdmEndpoint::inserted(fi_addr_t peer, const AvEntry& entry) {
  engine->insert_peer(peer, raw(entry.address), entry.ah, entry.ahn);
}

void RdmEndpoint::removed(fi_addr_t peer, const AvEntry&) {
  engine->remove_peer(peer);
}

// ---- RegionUser

void RdmEndpoint::closed(const rdm::Region& region) {
  engine->close_region(region);
}

Endpoint* make_rdm_endpoint(Domain& domain, const fi_info& info, void* context) {
  return std::make_unique<RdmEndpoint>(domain, info, context).release();
}

}  // namespace efa::fi
