// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "fabric_loopback.hpp"

#include <rdma/fi_cm.h>
#include <rdma/fi_errno.h>

#include <cstdio>
#include <cstdlib>

namespace efa::bench {
namespace {

void check(ssize_t result, const char* what) {
  if (result) give_up(what, result);
}

}  // namespace

void give_up(const std::string& what, ssize_t error) {
  std::fprintf(stderr, "%s: %s\n", what.c_str(), fi_strerror(static_cast<int>(-error)));
  std::exit(1);
}

fid_cq* Loopback::open_cq(fid_domain* domain) {
  fi_cq_attr attributes{};
  attributes.format = kind_ == Fabric::rdm ? FI_CQ_FORMAT_TAGGED : FI_CQ_FORMAT_DATA;
  fid_cq* cq = nullptr;
  check(fi_cq_open(domain, &attributes, &cq, nullptr), "fi_cq_open");
  return cq;
}

Loopback::Loopback(Fabric kind, fi_info* info, fid_domain* domain)
    : kind_(kind), prefix_(info->ep_attr->msg_prefix_size), buffer(2 * kBytes) {
  tx = open_cq(domain);
  rx = open_cq(domain);
  fi_av_attr av_attributes{};
  check(fi_av_open(domain, &av_attributes, &av, nullptr), "fi_av_open");
  check(fi_endpoint(domain, info, &ep, nullptr), "fi_endpoint");
  check(fi_ep_bind(ep, &tx->fid, FI_TRANSMIT), "fi_ep_bind");
  check(fi_ep_bind(ep, &rx->fid, FI_RECV), "fi_ep_bind");
  check(fi_ep_bind(ep, &av->fid, 0), "fi_ep_bind");
  check(fi_enable(ep), "fi_enable");
  char address[64];
  size_t size = sizeof address;
  check(fi_getname(&ep->fid, address, &size), "fi_getname");
  if (fi_av_insert(av, address, 1, &self, 0, nullptr) != 1) give_up("fi_av_insert", -FI_EOTHER);
  uint64_t access = FI_SEND | FI_RECV;
  if (info->caps & FI_RMA) access |= FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE;
  check(fi_mr_reg(domain, buffer.data(), buffer.size(), access, 0, 0, 0, &mr, nullptr),
        "fi_mr_reg");
  descriptor = fi_mr_desc(mr);
}

Loopback::~Loopback() {
  for (fid* object : {&ep->fid, &av->fid, &tx->fid, &rx->fid, &mr->fid}) fi_close(object);
}

void Loopback::send(size_t bytes, void* context) {
  const size_t size = bytes + prefix_;
  check(kind_ == Fabric::rdm ? fi_tsend(ep, buffer.data(), size, descriptor, self, 1, context)
                             : fi_send(ep, buffer.data(), size, descriptor, self, context),
        "fi_send");
}

void Loopback::send_more(size_t bytes, void* context, bool more) {
  const iovec piece{buffer.data(), bytes + prefix_};
  const uint64_t flags = FI_COMPLETION | (more ? FI_MORE : 0);
  if (kind_ == Fabric::rdm) {
    const fi_msg_tagged msg{&piece, &descriptor, 1, self, 1, 0, context, 0};
    return check(fi_tsendmsg(ep, &msg, flags), "fi_tsendmsg");
  }
  const fi_msg msg{&piece, &descriptor, 1, self, context, 0};
  check(fi_sendmsg(ep, &msg, flags), "fi_sendmsg");
}

void Loopback::receive(void* context) {
  char* const to = buffer.data() + kBytes;
  const size_t size = kind_ == Fabric::rdm ? kBytes : 8192;
  check(kind_ == Fabric::rdm ? fi_trecv(ep, to, size, descriptor, FI_ADDR_UNSPEC, 1, 0, context)
                             : fi_recv(ep, to, size, descriptor, FI_ADDR_UNSPEC, context),
        "fi_recv");
}

void Loopback::write(size_t bytes, void* context) {
  const auto remote = reinterpret_cast<uint64_t>(buffer.data() + kBytes);
  check(fi_write(ep, buffer.data(), bytes, descriptor, self, remote, fi_mr_key(mr), context),
        "fi_write");
}

void Loopback::drain(fid_cq* cq, size_t count) {
  while (count > 0) {
    const ssize_t got = fi_cq_read(cq, entries, std::size(entries));
    if (got == -FI_EAVAIL) {
      fi_cq_err_entry error{};
      fi_cq_readerr(cq, &error, 0);
      give_up(std::string("completion failed: ") +
                  fi_cq_strerror(cq, error.prov_errno, error.err_data, nullptr, 0),
              -error.err);
    }
    if (got > 0) count -= static_cast<size_t>(got);
    // An endpoint that only receives has to make progress for itself, too.
    if (got <= 0) fi_cq_read(cq == tx ? rx : tx, nullptr, 0);
  }
}

}  // namespace efa::bench
