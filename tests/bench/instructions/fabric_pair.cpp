// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "fabric_pair.hpp"

#include <rdma/fi_errno.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace efa::bench {

namespace {

constexpr std::uint32_t kApi = FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION);

void need(ssize_t result, const char* call) {
  if (result >= 0) return;
  std::fprintf(stderr, "%s: %s\n", call, fi_strerror(static_cast<int>(-result)));
  std::exit(1);
}

Opened<fi_info> find_info(const FabricOptions& options) {
  const Opened<fi_info> hints(fi_allocinfo());
  hints->caps = FI_MSG | FI_TAGGED;
  hints->mode = FI_CONTEXT | FI_CONTEXT2;
  hints->ep_attr->type = FI_EP_RDM;
  hints->domain_attr->threading = options.locked ? FI_THREAD_SAFE : FI_THREAD_DOMAIN;
  hints->domain_attr->mr_mode = FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
  if (options.registered) hints->domain_attr->mr_mode |= FI_MR_LOCAL;
  hints->fabric_attr->prov_name = strdup("efa");
  fi_info* found = nullptr;
  need(fi_getinfo(kApi, nullptr, nullptr, 0, hints.get(), &found), "fi_getinfo of efa");
  return Opened<fi_info>(found);
}

}  // namespace

FabricPair::FabricPair(const FabricOptions& options) : info_(find_info(options)) {
  const fi_fabric_attr& attr = *info_->fabric_attr;
  provider_ = std::string(attr.prov_name) + " " + std::to_string(FI_MAJOR(attr.prov_version)) +
              "." + std::to_string(FI_MINOR(attr.prov_version));
  fid_fabric* fabric = nullptr;
  need(fi_fabric(info_->fabric_attr, &fabric, nullptr), "fi_fabric");
  fabric_.reset(fabric);
  fid_domain* domain = nullptr;
  need(fi_domain(fabric, info_.get(), &domain, nullptr), "fi_domain");
  domain_.reset(domain);
  open_side(sender_, options, 1);
  open_side(receiver_, options, 2);
  introduce(sender_, receiver_);
  introduce(receiver_, sender_);
}

void FabricPair::open_side(FabricSide& side, const FabricOptions& options, std::uint64_t key) {
  fi_av_attr av_attr{};
  av_attr.type = FI_AV_TABLE;
  fid_av* av = nullptr;
  need(fi_av_open(domain_.get(), &av_attr, &av, nullptr), "fi_av_open");
  side.av.reset(av);
  fi_cq_attr cq_attr{};
  cq_attr.format = FI_CQ_FORMAT_TAGGED;
  fid_cq* cq = nullptr;
  need(fi_cq_open(domain_.get(), &cq_attr, &cq, nullptr), "fi_cq_open");
  side.cq.reset(cq);
  side.buffer.resize(options.bytes);
  if (options.registered) {
    fid_mr* mr = nullptr;
    need(fi_mr_reg(domain_.get(), side.buffer.data(), options.bytes, FI_SEND | FI_RECV, 0, key, 0,
                   &mr, nullptr),
         "fi_mr_reg");
    side.mr.reset(mr);
  }
  fid_ep* endpoint = nullptr;
  need(fi_endpoint(domain_.get(), info_.get(), &endpoint, nullptr), "fi_endpoint");
  side.endpoint.reset(endpoint);
  need(fi_ep_bind(endpoint, &av->fid, 0), "fi_ep_bind of the AV");
  need(fi_ep_bind(endpoint, &cq->fid, FI_TRANSMIT | FI_RECV), "fi_ep_bind of the CQ");
  need(fi_enable(endpoint), "fi_enable");
}

void FabricPair::introduce(FabricSide& to, const FabricSide& who) {
  char name[64];
  std::size_t length = sizeof name;
  need(fi_getname(&who.endpoint->fid, name, &length), "fi_getname");
  if (fi_av_insert(to.av.get(), name, 1, &to.other, 0, nullptr) != 1)
    need(-FI_EADDRNOTAVAIL, "fi_av_insert");
}

}  // namespace efa::bench
