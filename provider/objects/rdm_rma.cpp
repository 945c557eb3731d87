// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// fi_read() and fi_write() with all of their forms (spec libfabric-api 5.7).
#include <rdma/fi_errno.h>

#include "objects/rdm_endpoint.hpp"

namespace efa::fi {
namespace {

void set_remote(rdm::Rma& request, uint64_t address, uint64_t key) {
  request.remote.iov[0] = {address, request.local.length(), key};
  request.remote.count = 1;
}

rdm::Rma request_to(const RdmEndpoint& endpoint, fi_addr_t peer, void* context) {
  rdm::Rma request;
  request.peer = peer;
  request.context = context;
  endpoint.take_defaults(request);
  return request;
}

/// Of one buffer.
rdm::Rma request_of(const RdmEndpoint& endpoint, const void* buffer, size_t length,
                    void* descriptor, fi_addr_t peer, uint64_t address, uint64_t key,
                    void* context) {
  rdm::Rma request = request_to(endpoint, peer, context);
  request.local.assign(buffer, length, region_of(descriptor));
  set_remote(request, address, key);
  return request;
}

/// Of COUNT pieces, no more than an operation has.
rdm::Rma request_of(const RdmEndpoint& endpoint, const iovec* pieces, void** descriptors,
                    size_t count, fi_addr_t peer, uint64_t address, uint64_t key, void* context) {
  rdm::Rma request = request_to(endpoint, peer, context);
  request.local.assign(pieces, descriptors, count);
  set_remote(request, address, key);
  return request;
}

int check(const RdmEndpoint& endpoint, const rdm::Rma& request) {
  const size_t most = request.inject ? endpoint.inject.rma : endpoint.most.rma;
  return request.local.length() > most ? -FI_EMSGSIZE : 0;
}

ssize_t write(RdmEndpoint& endpoint, const rdm::Rma& request) {
  if (const int error = check(endpoint, request)) return error;
  const Guard guard(endpoint.domain.lock);
  return endpoint.engine->write(request);
}

ssize_t read(RdmEndpoint& endpoint, const rdm::Rma& request) {
  if (const int error = check(endpoint, request)) return error;
  const Guard guard(endpoint.domain.lock);
  return endpoint.engine->read(request);
}

int take_message(const RdmEndpoint& endpoint, const fi_msg_rma& asked, uint64_t flags,
                 rdm::Rma& request) {
  if (asked.iov_count > rdm::kMaxIovs || asked.rma_iov_count > rdm::kMaxIovs ||
      (flags & ~kTxOpFlags))
    return -FI_EINVAL;
  request.peer = asked.addr;
  request.context = asked.context;
  request.local.assign(asked.msg_iov, asked.desc, asked.iov_count);
  for (size_t i = 0; i < asked.rma_iov_count; ++i)
    request.remote.iov[i] = {asked.rma_iov[i].addr, asked.rma_iov[i].len, asked.rma_iov[i].key};
  request.remote.count = asked.rma_iov_count;
  endpoint.take_flags(request, flags, asked.data);
  return 0;
}

ssize_t rma_read(fid_ep* object, void* buffer, size_t length, void* descriptor, fi_addr_t peer,
                 uint64_t address, uint64_t key, void* context) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  return read(endpoint,
              request_of(endpoint, buffer, length, descriptor, peer, address, key, context));
}

ssize_t rma_readv(fid_ep* object, const iovec* pieces, void** descriptors, size_t count,
                  fi_addr_t peer, uint64_t address, uint64_t key, void* context) {
  if (count > rdm::kMaxIovs) return -FI_EINVAL;
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  return read(endpoint,
              request_of(endpoint, pieces, descriptors, count, peer, address, key, context));
}

ssize_t rma_readmsg(fid_ep* object, const fi_msg_rma* asked, uint64_t flags) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  rdm::Rma request;
  if (flags & (FI_REMOTE_CQ_DATA | FI_INJECT)) return -FI_EINVAL;
  if (const int error = take_message(endpoint, *asked, flags, request)) return error;
  return read(endpoint, request);
}

ssize_t rma_write(fid_ep* object, const void* buffer, size_t length, void* descriptor,
                  fi_addr_t peer, uint64_t address, uint64_t key, void* context) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  return write(endpoint,
               request_of(endpoint, buffer, length, descriptor, peer, address, key, context));
}

ssize_t rma_writev(fid_ep* object, const iovec* pieces, void** descriptors, size_t count,
                   fi_addr_t peer, uint64_t address, uint64_t key, void* context) {
  if (count > rdm::kMaxIovs) return -FI_EINVAL;
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  return write(endpoint,
               request_of(endpoint, pieces, descriptors, count, peer, address, key, context));
}

ssize_t rma_writemsg(fid_ep* object, const fi_msg_rma* asked, uint64_t flags) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  rdm::Rma request;
  if (const int error = take_message(endpoint, *asked, flags, request)) return error;
  return write(endpoint, request);
}

rdm::Rma injected(fi_addr_t peer, const void* buffer, size_t length, uint64_t address,
                  uint64_t key) {
  rdm::Rma request;
  request.peer = peer;
  request.inject = true;
  request.reports = false;
  request.local.assign(buffer, length, nullptr);
  set_remote(request, address, key);
  return request;
}

ssize_t rma_inject(fid_ep* object, const void* buffer, size_t length, fi_addr_t peer,
                   uint64_t address, uint64_t key) {
  return write(RdmEndpoint::of(object), injected(peer, buffer, length, address, key));
}

ssize_t rma_writedata(fid_ep* object, const void* buffer, size_t length, void* descriptor,
                      uint64_t data, fi_addr_t peer, uint64_t address, uint64_t key,
                      void* context) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  rdm::Rma request = request_of(endpoint, buffer, length, descriptor, peer, address, key, context);
  RdmEndpoint::add_data(request, data);
  return write(endpoint, request);
}

ssize_t rma_injectdata(fid_ep* object, const void* buffer, size_t length, uint64_t data,
                       fi_addr_t peer, uint64_t address, uint64_t key) {
  rdm::Rma request = injected(peer, buffer, length, address, key);
  RdmEndpoint::add_data(request, data);
  return write(RdmEndpoint::of(object), request);
}

}  // namespace

fi_ops_rma rdm_rma{
    .size = sizeof(fi_ops_rma),
    .read = rma_read,
    .readv = rma_readv,
    .readmsg = rma_readmsg,
    .write = rma_write,
    .writev = rma_writev,
    .writemsg = rma_writemsg,
    .inject = rma_inject,
    .writedata = rma_writedata,
    .injectdata = rma_injectdata,
};

}  // namespace efa::fi
