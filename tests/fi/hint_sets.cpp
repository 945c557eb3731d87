// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "hint_sets.hpp"

#include <cstdlib>
#include <cstring>

namespace efa::fi::test {
namespace {

constexpr int kThreeMr = FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
constexpr uint64_t kAtomicOrder =
    FI_ORDER_ATOMIC_RAR | FI_ORDER_ATOMIC_RAW | FI_ORDER_ATOMIC_WAR | FI_ORDER_ATOMIC_WAW;

void rdm(fi_info& hints, uint64_t caps) {
  hints.caps = caps;
  hints.ep_attr->type = FI_EP_RDM;
}

void order(fi_info& hints, uint64_t msg_order) {
  hints.tx_attr->msg_order = msg_order;
  hints.rx_attr->msg_order = msg_order;
}

void progress(fi_info& hints, fi_progress value) {
  hints.domain_attr->control_progress = value;
  hints.domain_attr->data_progress = value;
}

void fabric(fi_info& hints, const char* name) {
  hints.fabric_attr->name = strdup(name);
}

void open_mpi_mtl(fi_info& hints) {
  rdm(hints, FI_TAGGED | FI_DIRECTED_RECV);
  hints.mode = FI_CONTEXT | FI_CONTEXT2;
  order(hints, FI_ORDER_SAS);
  hints.tx_attr->op_flags = FI_COMPLETION;
  hints.rx_attr->op_flags = FI_COMPLETION;
  hints.domain_attr->threading = FI_THREAD_DOMAIN;
  hints.domain_attr->av_type = FI_AV_MAP;
  hints.domain_attr->resource_mgmt = FI_RM_ENABLED;
  hints.domain_attr->cq_data_size = 4;
}

void open_mpi_mtl_auto(fi_info& hints) {
  open_mpi_mtl(hints);
  progress(hints, FI_PROGRESS_AUTO);
}

void open_mpi_mtl_hmem(fi_info& hints) {
  open_mpi_mtl(hints);
  hints.caps |= FI_MSG | FI_HMEM;
  hints.domain_attr->mr_mode = FI_MR_HMEM | FI_MR_ALLOCATED;
}

void open_mpi_btl(fi_info& hints) {
  rdm(hints, FI_RMA | FI_ATOMIC);
  hints.mode = FI_CONTEXT | FI_CONTEXT2;
  hints.domain_attr->mr_mode = kThreeMr;
  hints.tx_attr->op_flags = FI_DELIVERY_COMPLETE;
  hints.domain_attr->av_type = FI_AV_MAP;
}

void nccl_rdma(fi_info& hints) {
  rdm(hints, FI_MSG | FI_RMA | FI_LOCAL_COMM | FI_REMOTE_COMM);
  hints.mode = FI_CONTEXT | FI_CONTEXT2;
  hints.domain_attr->mr_mode = kThreeMr | FI_MR_LOCAL | FI_MR_HMEM | FI_MR_ENDPOINT;
  hints.domain_attr->threading = FI_THREAD_COMPLETION;
  hints.domain_attr->cq_data_size = 4;
}

void nccl_rdma_hmem(fi_info& hints) {
  nccl_rdma(hints);
  hints.caps |= FI_HMEM;
}

void nccl_send_receive(fi_info& hints) {
  rdm(hints, FI_TAGGED | FI_MSG | FI_LOCAL_COMM | FI_REMOTE_COMM);
  hints.mode = FI_CONTEXT | FI_CONTEXT2;
  order(hints, FI_ORDER_SAS);
  hints.domain_attr->mr_mode = kThreeMr | FI_MR_LOCAL | FI_MR_HMEM | FI_MR_ENDPOINT;
  hints.domain_attr->threading = FI_THREAD_SAFE;
}

void mpich_second(fi_info& hints) {
  rdm(hints, FI_MSG | FI_RMA | FI_TAGGED | FI_ATOMIC | FI_READ | FI_WRITE | FI_RECV | FI_SEND |
                 FI_REMOTE_READ | FI_REMOTE_WRITE | FI_MULTI_RECV | FI_LOCAL_COMM | FI_REMOTE_COMM |
                 FI_SOURCE | FI_DIRECTED_RECV);
  hints.mode = FI_CONTEXT | FI_ASYNC_IOV | FI_RX_CQ_DATA | FI_CONTEXT2;
  hints.domain_attr->threading = FI_THREAD_DOMAIN;
  progress(hints, FI_PROGRESS_MANUAL);
  hints.domain_attr->av_type = FI_AV_TABLE;
  hints.domain_attr->mr_mode = kThreeMr | FI_MR_ENDPOINT;
  hints.tx_attr->op_flags = FI_COMPLETION | FI_DELIVERY_COMPLETE;
  hints.tx_attr->msg_order = FI_ORDER_SAS | kAtomicOrder;
  hints.rx_attr->msg_order = FI_ORDER_SAS;
  hints.ep_attr->mem_tag_format = 0x7000000000000000;
}

void fabtests_efa(fi_info& hints) {
  rdm(hints, FI_MSG);
  fabric(hints, "efa");
  hints.domain_attr->mr_mode = kThreeMr | FI_MR_LOCAL;
}

void direct_msg(fi_info& hints) {
  rdm(hints, FI_MSG);
  fabric(hints, "efa-direct");
  hints.mode = FI_CONTEXT | FI_CONTEXT2;
  hints.domain_attr->mr_mode = kThreeMr | FI_MR_LOCAL;
}

void direct_rma(fi_info& hints) {
  direct_msg(hints);
  hints.caps |= FI_RMA;
}

void direct_delivery_complete(fi_info& hints) {
  direct_msg(hints);
  hints.tx_attr->op_flags = FI_DELIVERY_COMPLETE;
}

void datagram(fi_info& hints) {
  hints.caps = FI_MSG;
  hints.ep_attr->type = FI_EP_DGRAM;
  hints.domain_attr->mr_mode = kThreeMr | FI_MR_LOCAL;
}

void datagram_prefix(fi_info& hints) {
  datagram(hints);
  hints.mode = FI_MSG_PREFIX | FI_CONTEXT2;
}

void nvshmem(fi_info& hints) {
  rdm(hints, FI_RMA | FI_MSG | FI_SOURCE);
  hints.mode = FI_CONTEXT2;
  hints.domain_attr->mr_mode = kThreeMr | FI_MR_LOCAL;
  hints.domain_attr->threading = FI_THREAD_SAFE;
  hints.tx_attr->op_flags = FI_DELIVERY_COMPLETE;
}

void free_and_clear(auto*& attribute) {
  std::free(attribute);
  attribute = nullptr;
}

/// Every structure that an application may leave out.
void without_attributes(fi_info& hints) {
  std::free(hints.fabric_attr->prov_name);
  free_and_clear(hints.tx_attr), free_and_clear(hints.rx_attr), free_and_clear(hints.ep_attr);
  free_and_clear(hints.domain_attr), free_and_clear(hints.fabric_attr);
}

/// fi_info and others ask for everything in modes.
void any_mode(fi_info& hints) {
  hints.mode = ~0ULL;
  hints.domain_attr->mode = ~0ULL;
  hints.domain_attr->mr_mode = ~(FI_MR_BASIC | FI_MR_SCALABLE);
}

}  // namespace

const std::vector<HintSet>& hint_sets() {
  static const std::vector<HintSet> sets{
      {"none", nullptr},
      {"empty", [](fi_info&) {}},
      {"open-mpi-mtl", open_mpi_mtl},
      {"open-mpi-mtl-auto", open_mpi_mtl_auto},
      {"open-mpi-mtl-hmem", open_mpi_mtl_hmem},
      {"open-mpi-btl", open_mpi_btl},
      {"nccl-rdma", nccl_rdma},
      {"nccl-rdma-hmem", nccl_rdma_hmem},
      {"nccl-send-receive", nccl_send_receive},
      {"mpich-second-call", mpich_second},
      {"fabtests-efa", fabtests_efa},
      {"direct-msg", direct_msg},
      {"direct-rma", direct_rma},
      {"direct-context-only", [](fi_info& h) { direct_msg(h), h.mode = FI_CONTEXT; }},
      {"direct-without-mr-local",
       [](fi_info& h) { direct_msg(h), h.domain_attr->mr_mode = kThreeMr; }},
      {"direct-sas", [](fi_info& h) { direct_msg(h), order(h, FI_ORDER_SAS); }},
      {"direct-tagged", [](fi_info& h) { direct_msg(h), h.caps |= FI_TAGGED; }},
      {"direct-delivery-complete", direct_delivery_complete},
      {"trigger", [](fi_info& h) { rdm(h, FI_MSG | FI_TRIGGER); }},
      {"rma-event", [](fi_info& h) { rdm(h, FI_RMA | FI_RMA_EVENT); }},
      {"named-rx-ctx", [](fi_info& h) { rdm(h, FI_MSG | FI_NAMED_RX_CTX); }},
      {"collective", [](fi_info& h) { rdm(h, FI_MSG | FI_COLLECTIVE); }},
      {"connected", [](fi_info& h) { h.ep_attr->type = FI_EP_MSG; }},
      {"datagram-without-prefix", datagram},
      {"datagram", datagram_prefix},
      {"remote-only",
       [](fi_info& h) {
         rdm(h, FI_MSG | FI_REMOTE_COMM);
         h.domain_attr->resource_mgmt = FI_RM_DISABLED;
       }},
      {"nvshmem", nvshmem},
      {"any-mode", any_mode},
      {"rma-without-mr-mode", [](fi_info& h) { rdm(h, FI_RMA); }},
      {"mr-basic", [](fi_info& h) { h.domain_attr->mr_mode = FI_MR_BASIC; }},
      {"mr-scalable", [](fi_info& h) { h.domain_attr->mr_mode = FI_MR_SCALABLE; }},
      {"send-only", [](fi_info& h) { rdm(h, FI_MSG | FI_SEND); }},
      {"big-inject", [](fi_info& h) { h.tx_attr->inject_size = 1 << 20; }},
      {"small-sizes",
       [](fi_info& h) {
         h.tx_attr->inject_size = 16;
         h.tx_attr->size = 64;
         h.rx_attr->size = 128;
         h.ep_attr->tx_ctx_cnt = 1;
         h.ep_attr->max_msg_size = 4096;
       }},
      {"deep-queue", [](fi_info& h) { h.tx_attr->size = 1 << 20; }},
      {"wrong-domain", [](fi_info& h) { h.domain_attr->name = strdup("mlx5_0"); }},
      {"traffic-class", [](fi_info& h) { h.tx_attr->tclass = FI_TC_LOW_LATENCY; }},
      {"domain-traffic-class", [](fi_info& h) { h.domain_attr->tclass = FI_TC_LOW_LATENCY; }},
      {"both-traffic-classes",
       [](fi_info& h) { h.domain_attr->tclass = h.tx_attr->tclass = FI_TC_LOW_LATENCY; }},
      {"domain-bulk-class", [](fi_info& h) { h.domain_attr->tclass = FI_TC_BULK_DATA; }},
      {"bulk-class", [](fi_info& h) { h.tx_attr->tclass = FI_TC_BULK_DATA; }},
      {"atomic-order", [](fi_info& h) { rdm(h, FI_ATOMIC), order(h, kAtomicOrder); }},
      {"strict-order", [](fi_info& h) { order(h, FI_ORDER_STRICT); }},
      {"other-address", [](fi_info& h) { h.addr_format = FI_SOCKADDR_IN; }},
      {"own-address", [](fi_info& h) { h.addr_format = FI_ADDR_EFA; }},
      {"scalable-endpoint", [](fi_info& h) { h.ep_attr->tx_ctx_cnt = 2; }},
      {"tx-caps",
       [](fi_info& h) {
         rdm(h, FI_MSG | FI_RMA);
         h.tx_attr->caps = FI_MSG | FI_SEND;
       }},
      {"local-mr", [](fi_info& h) { h.mode = FI_LOCAL_MR; }},
      {"datagram-local-mr",
       [](fi_info& h) {
         datagram_prefix(h);
         h.domain_attr->mr_mode = 0;
         h.mode |= FI_LOCAL_MR;
       }},
      {"datagram-basic",
       [](fi_info& h) {
         datagram_prefix(h);
         h.domain_attr->mr_mode = FI_MR_BASIC;
         h.mode |= FI_LOCAL_MR;
       }},
      {"datagram-no-bits", [](fi_info& h) { datagram_prefix(h), h.domain_attr->mr_mode = 0; }},
      {"datagram-completion",
       [](fi_info& h) {
         datagram_prefix(h);
         h.domain_attr->threading = FI_THREAD_COMPLETION;
       }},
      {"datagram-endpoint-lock",
       [](fi_info& h) {
         datagram_prefix(h);
         h.domain_attr->threading = FI_THREAD_ENDPOINT;
       }},
      {"datagram-managed",
       [](fi_info& h) {
         datagram_prefix(h);
         h.domain_attr->resource_mgmt = FI_RM_ENABLED;
       }},
      {"rma-auto", [](fi_info& h) { rdm(h, FI_RMA), progress(h, FI_PROGRESS_AUTO); }},
      {"rma-data-auto",
       [](fi_info& h) { rdm(h, FI_RMA), h.domain_attr->data_progress = FI_PROGRESS_AUTO; }},
      {"rma-read-only", [](fi_info& h) { rdm(h, FI_RMA | FI_READ); }},
      {"rma-target", [](fi_info& h) { rdm(h, FI_RMA | FI_REMOTE_WRITE); }},
      {"rma-alloc-only",
       [](fi_info& h) { rdm(h, FI_RMA), h.domain_attr->mr_mode = FI_MR_ALLOCATED; }},
      {"msg-alloc-only",
       [](fi_info& h) { rdm(h, FI_MSG), h.domain_attr->mr_mode = FI_MR_ALLOCATED; }},
      {"all-alloc-only", [](fi_info& h) { h.domain_attr->mr_mode = FI_MR_ALLOCATED; }},
      {"receive-only", [](fi_info& h) { rdm(h, FI_MSG | FI_RECV | FI_SOURCE); }},
      {"local-only", [](fi_info& h) { rdm(h, FI_MSG | FI_LOCAL_COMM); }},
      {"direction-only", [](fi_info& h) { rdm(h, FI_SEND | FI_RECV); }},
      {"multi-receive-only", [](fi_info& h) { rdm(h, FI_MULTI_RECV); }},
      {"rx-caps",
       [](fi_info& h) {
         rdm(h, FI_MSG | FI_TAGGED);
         h.rx_attr->caps = FI_TAGGED | FI_RECV;
       }},
      {"tx-mode", [](fi_info& h) { h.tx_attr->mode = FI_CONTEXT; }},
      {"domain-caps", [](fi_info& h) { h.domain_attr->caps = FI_LOCAL_COMM; }},
      {"domain-caps-shared-av", [](fi_info& h) { h.domain_attr->caps = FI_SHARED_AV; }},
      {"cq-data-8", [](fi_info& h) { h.domain_attr->cq_data_size = 8; }},
      {"cq-data-16", [](fi_info& h) { h.domain_attr->cq_data_size = 16; }},
      {"mr-key-8", [](fi_info& h) { h.domain_attr->mr_key_size = 8; }},
      {"mr-iov-2", [](fi_info& h) { h.domain_attr->mr_iov_limit = 2; }},
      {"counters", [](fi_info& h) { h.domain_attr->cntr_cnt = 5; }},
      {"endpoints-5", [](fi_info& h) { h.domain_attr->ep_cnt = 5; }},
      {"endpoints-many", [](fi_info& h) { h.domain_attr->ep_cnt = 1 << 20; }},
      {"mr-many", [](fi_info& h) { h.domain_attr->mr_cnt = 1 << 30; }},
      {"mr-few", [](fi_info& h) { h.domain_attr->mr_cnt = 10; }},
      {"error-data", [](fi_info& h) { h.domain_attr->max_err_data = 1; }},
      {"auth-key", [](fi_info& h) { h.ep_attr->auth_key_size = 4; }},
      {"protocol", [](fi_info& h) { h.ep_attr->protocol = FI_PROTO_EFA; }},
      {"protocol-other", [](fi_info& h) { h.ep_attr->protocol = FI_PROTO_RXM; }},
      {"protocol-5", [](fi_info& h) { h.ep_attr->protocol_version = 5; }},
      {"protocol-3", [](fi_info& h) { h.ep_attr->protocol_version = 3; }},
      {"tag-narrow", [](fi_info& h) { h.ep_attr->mem_tag_format = 0xff; }},
      {"order-raw-size", [](fi_info& h) { h.ep_attr->max_order_raw_size = 100; }},
      {"order-raw-size-asked",
       [](fi_info& h) {
         rdm(h, FI_ATOMIC), order(h, kAtomicOrder);
         h.ep_attr->max_order_raw_size = 100;
       }},
      {"order-waw-size", [](fi_info& h) { h.ep_attr->max_order_waw_size = 100; }},
      {"order-war-size", [](fi_info& h) { h.ep_attr->max_order_war_size = 100; }},
      {"comp-order", [](fi_info& h) { h.tx_attr->comp_order = FI_ORDER_STRICT; }},
      {"buffered-receive", [](fi_info& h) { h.rx_attr->total_buffered_recv = 1; }},
      {"iov-5", [](fi_info& h) { h.tx_attr->iov_limit = 5; }},
      {"iov-1", [](fi_info& h) { h.tx_attr->iov_limit = 1, h.rx_attr->iov_limit = 1; }},
      {"rma-iov-2", [](fi_info& h) { h.tx_attr->rma_iov_limit = 2; }},
      {"op-flags-fence", [](fi_info& h) { h.tx_attr->op_flags = FI_FENCE; }},
      {"shared-context", [](fi_info& h) { h.ep_attr->rx_ctx_cnt = FI_SHARED_CONTEXT; }},
      {"hmem", [](fi_info& h) { rdm(h, FI_MSG | FI_HMEM), h.domain_attr->mr_mode = FI_MR_HMEM; }},
      {"prefix", [](fi_info& h) { rdm(h, FI_MSG), h.mode = FI_MSG_PREFIX; }},
      {"prefix-size",
       [](fi_info& h) {
         rdm(h, FI_MSG), h.mode = FI_MSG_PREFIX;
         h.ep_attr->msg_prefix_size = 8;
       }},
      {"domain", [](fi_info& h) { h.domain_attr->name = strdup("efa_0-rdm"); }},
      {"domain-upper-case", [](fi_info& h) { h.domain_attr->name = strdup("EFA_0-RDM"); }},
      {"fabric-other", [](fi_info& h) { fabric(h, "10.0.0.0/8"); }},
      {"newer-provider", [](fi_info& h) { h.fabric_attr->prov_version = FI_VERSION(200, 0); }},
      {"older-provider", [](fi_info& h) { h.fabric_attr->prov_version = FI_VERSION(1, 0); }},
      {"newer-api", [](fi_info& h) { h.fabric_attr->api_version = FI_VERSION(1, 18); }},
      {"older-api", [](fi_info& h) { h.fabric_attr->api_version = FI_VERSION(1, 1); }},
      {"without-attributes", [](fi_info& h) { without_attributes(h); }},
  };
  return sets;
}

Hints make_hints(std::string_view name) {
  for (const HintSet& set : hint_sets()) {
    if (set.name != name) continue;
    if (!set.fill) return nullptr;
    Hints hints(fi_dupinfo(nullptr));
    hints->fabric_attr->prov_name = strdup("efa");
    set.fill(*hints);
    return hints;
  }
  std::abort();
}

}  // namespace efa::fi::test
