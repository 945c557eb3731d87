// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// fi_send() and fi_recv(), fi_tsend() and fi_trecv(), with all of their forms (spec libfabric-api
/// 5.7).
#include <rdma/fi_errno.h>

#include "objects/rdm_endpoint.hpp"

namespace efa::fi {
namespace {

struct Tag {
  uint64_t tag = 0;
  uint64_t ignore = 0;
};

ssize_t send(RdmEndpoint& endpoint, rdm::Message& message) {
  if (endpoint.prefix != 0) message.source.skip(endpoint.prefix);
  const RdmEndpoint::Limits& limits = message.inject ? endpoint.inject : endpoint.most;
  if (message.source.length() > (message.tagged ? limits.tagged : limits.message))
    return -FI_EMSGSIZE;
  const Guard guard(endpoint.domain.lock);
  return endpoint.engine->send(message);
}

/// Of a call without flags.
rdm::Message message_to(const RdmEndpoint& endpoint, fi_addr_t peer, bool tagged, uint64_t tag,
                        void* context) {
  rdm::Message message;
  message.peer = peer;
  message.context = context;
  message.tag = tag;
  message.tagged = tagged;
  endpoint.take_defaults(message);
  return message;
}

rdm::Message injected(fi_addr_t peer, bool tagged, uint64_t tag) {
  rdm::Message message;
  message.peer = peer;
  message.tag = tag;
  message.tagged = tagged;
  message.inject = true;
  message.reports = false;
  return message;
}

/// M: fi_msg or fi_msg_tagged.
template <class M>
ssize_t send_with_flags(fid_ep* object, const M& asked, uint64_t flags, bool tagged, uint64_t tag) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  if (asked.iov_count > rdm::kMaxIovs || (flags & ~kTxOpFlags)) return -FI_EINVAL;
  rdm::Message message;
  message.peer = asked.addr;
  message.source.assign(asked.msg_iov, asked.desc, asked.iov_count);
  message.context = asked.context;
  message.tagged = tagged;
  message.tag = tag;
  endpoint.take_flags(message, flags, asked.data);
  return send(endpoint, message);
}

ssize_t receive(RdmEndpoint& endpoint, rdm::ReceiveRequest& request) {
  if (endpoint.prefix != 0) request.destination.skip(endpoint.prefix);
  const Guard guard(endpoint.domain.lock);
  return endpoint.engine->receive(request);
}

rdm::ReceiveRequest receive_from(const RdmEndpoint& endpoint, fi_addr_t source, bool tagged,
                                 Tag tag, void* context) {
  rdm::ReceiveRequest request;
  if (endpoint.directed) request.source = source;
  request.context = context;
  request.tagged = tagged;
  request.tag = tag.tag;
  request.ignore = tag.ignore;
  return request;
}

template <class M>
ssize_t receive_with_flags(fid_ep* object, const M& asked, uint64_t flags, bool tagged, Tag tag) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  const uint64_t offered =
      FI_COMPLETION | FI_MORE | (tagged ? FI_PEEK | FI_CLAIM | FI_DISCARD : FI_MULTI_RECV);
  if (asked.iov_count > rdm::kMaxIovs || (flags & ~offered)) return -FI_EINVAL;
  rdm::ReceiveRequest request = receive_from(endpoint, asked.addr, tagged, tag, asked.context);
  request.destination.assign(asked.msg_iov, asked.desc, asked.iov_count);
  request.flags = flags;
  request.reports = endpoint.rx_any_report || (endpoint.rx_cq && (flags & FI_COMPLETION));
  return receive(endpoint, request);
}

rdm::ReceiveRequest plain_receive(const RdmEndpoint& endpoint, fi_addr_t source, bool tagged,
                                  Tag tag, void* context) {
  rdm::ReceiveRequest request = receive_from(endpoint, source, tagged, tag, context);
  request.reports = endpoint.rx_reports;
  if (endpoint.rx_multi && !tagged) request.flags = FI_MULTI_RECV;
  return request;
}

ssize_t receive_plain(fid_ep* object, const iovec* pieces, void** descriptors, size_t count,
                      fi_addr_t source, bool tagged, Tag tag, void* context) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  if (count > rdm::kMaxIovs) return -FI_EINVAL;
  rdm::ReceiveRequest request = plain_receive(endpoint, source, tagged, tag, context);
  request.destination.assign(pieces, descriptors, count);
  return receive(endpoint, request);
}

ssize_t receive_one(fid_ep* object, void* buffer, size_t length, void* descriptor, fi_addr_t source,
                    bool tagged, Tag tag, void* context) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  rdm::ReceiveRequest request = plain_receive(endpoint, source, tagged, tag, context);
  request.destination.assign(buffer, length, region_of(descriptor));
  return receive(endpoint, request);
}

ssize_t send_pieces(fid_ep* object, const iovec* pieces, void** descriptors, size_t count,
                    fi_addr_t peer, bool tagged, uint64_t tag, void* context) {
  if (count > rdm::kMaxIovs) return -FI_EINVAL;
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  rdm::Message message = message_to(endpoint, peer, tagged, tag, context);
  message.source.assign(pieces, descriptors, count);
  return send(endpoint, message);
}

// ---- Untagged

ssize_t msg_recv(fid_ep* object, void* buffer, size_t length, void* descriptor, fi_addr_t source,
                 void* context) {
  return receive_one(object, buffer, length, descriptor, source, false, {}, context);
}

ssize_t msg_recvv(fid_ep* object, const iovec* pieces, void** descriptors, size_t count,
                  fi_addr_t source, void* context) {
  return receive_plain(object, pieces, descriptors, count, source, false, {}, context);
}

ssize_t msg_recvmsg(fid_ep* object, const fi_msg* asked, uint64_t flags) {
  return receive_with_flags(object, *asked, flags, false, {});
}

ssize_t msg_send(fid_ep* object, const void* buffer, size_t length, void* descriptor,
                 fi_addr_t peer, void* context) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  rdm::Message message = message_to(endpoint, peer, false, 0, context);
  message.source.assign(buffer, length, region_of(descriptor));
  return send(endpoint, message);
}

ssize_t msg_sendv(fid_ep* object, const iovec* pieces, void** descriptors, size_t count,
                  fi_addr_t peer, void* context) {
  return send_pieces(object, pieces, descriptors, count, peer, false, 0, context);
}

ssize_t msg_sendmsg(fid_ep* object, const fi_msg* asked, uint64_t flags) {
  return send_with_flags(object, *asked, flags, false, 0);
}

ssize_t msg_inject(fid_ep* object, const void* buffer, size_t length, fi_addr_t peer) {
  rdm::Message message = injected(peer, false, 0);
  message.source.assign(buffer, length, nullptr);
  return send(RdmEndpoint::of(object), message);
}

ssize_t msg_senddata(fid_ep* object, const void* buffer, size_t length, void* descriptor,
                     uint64_t data, fi_addr_t peer, void* context) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  rdm::Message message = message_to(endpoint, peer, false, 0, context);
  message.source.assign(buffer, length, region_of(descriptor));
  RdmEndpoint::add_data(message, data);
  return send(endpoint, message);
}

ssize_t msg_injectdata(fid_ep* object, const void* buffer, size_t length, uint64_t data,
                       fi_addr_t peer) {
  rdm::Message message = injected(peer, false, 0);
  message.source.assign(buffer, length, nullptr);
  RdmEndpoint::add_data(message, data);
  return send(RdmEndpoint::of(object), message);
}

// ---- Tagged

ssize_t tagged_recv(fid_ep* object, void* buffer, size_t length, void* descriptor, fi_addr_t source,
                    uint64_t tag, uint64_t ignore, void* context) {
  return receive_one(object, buffer, length, descriptor, source, true, {tag, ignore}, context);
}

ssize_t tagged_recvv(fid_ep* object, const iovec* pieces, void** descriptors, size_t count,
                     fi_addr_t source, uint64_t tag, uint64_t ignore, void* context) {
  return receive_plain(object, pieces, descriptors, count, source, true, {tag, ignore}, context);
}

ssize_t tagged_recvmsg(fid_ep* object, const fi_msg_tagged* asked, uint64_t flags) {
  return receive_with_flags(object, *asked, flags, true, {asked->tag, asked->ignore});
}

ssize_t tagged_send(fid_ep* object, const void* buffer, size_t length, void* descriptor,
                    fi_addr_t peer, uint64_t tag, void* context) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  rdm::Message message = message_to(endpoint, peer, true, tag, context);
  message.source.assign(buffer, length, region_of(descriptor));
  return send(endpoint, message);
}

ssize_t tagged_sendv(fid_ep* object, const iovec* pieces, void** descriptors, size_t count,
                     fi_addr_t peer, uint64_t tag, void* context) {
  return send_pieces(object, pieces, descriptors, count, peer, true, tag, context);
}

ssize_t tagged_sendmsg(fid_ep* object, const fi_msg_tagged* asked, uint64_t flags) {
  return send_with_flags(object, *asked, flags, true, asked->tag);
}

ssize_t tagged_inject(fid_ep* object, const void* buffer, size_t length, fi_addr_t peer,
                      uint64_t tag) {
  rdm::Message message = injected(peer, true, tag);
  message.source.assign(buffer, length, nullptr);
  return send(RdmEndpoint::of(object), message);
}

ssize_t tagged_senddata(fid_ep* object, const void* buffer, size_t length, void* descriptor,
                        uint64_t data, fi_addr_t peer, uint64_t tag, void* context) {
  RdmEndpoint& endpoint = RdmEndpoint::of(object);
  rdm::Message message = message_to(endpoint, peer, true, tag, context);
  message.source.assign(buffer, length, region_of(descriptor));
  RdmEndpoint::add_data(message, data);
  return send(endpoint, message);
}

ssize_t tagged_injectdata(fid_ep* object, const void* buffer, size_t length, uint64_t data,
                          fi_addr_t peer, uint64_t tag) {
  rdm::Message message = injected(peer, true, tag);
  message.source.assign(buffer, length, nullptr);
  RdmEndpoint::add_data(message, data);
  return send(RdmEndpoint::of(object), message);
}

}  // namespace

fi_ops_msg rdm_messages{
    .size = sizeof(fi_ops_msg),
    .recv = msg_recv,
    .recvv = msg_recvv,
    .recvmsg = msg_recvmsg,
    .send = msg_send,
    .sendv = msg_sendv,
    .sendmsg = msg_sendmsg,
    .inject = msg_inject,
    .senddata = msg_senddata,
    .injectdata = msg_injectdata,
};

fi_ops_tagged rdm_tagged{
    .size = sizeof(fi_ops_tagged),
    .recv = tagged_recv,
    .recvv = tagged_recvv,
    .recvmsg = tagged_recvmsg,
    .send = tagged_send,
    .sendv = tagged_sendv,
    .sendmsg = tagged_sendmsg,
    .inject = tagged_inject,
    .senddata = tagged_senddata,
    .injectdata = tagged_injectdata,
};

}  // namespace efa::fi
