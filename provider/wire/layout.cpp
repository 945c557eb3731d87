// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The tables of spec efa-rdm-protocol 2, 3, 6 and 7 as assertions: size of every structure, offset
// of every field. Compiling is the test.
#include "wire/layout.hpp"

#include <type_traits>

namespace efa::rdm {
namespace {

// Neither padding between fields nor behind them: then sizes and offsets say where each field ends
// too.
template <class T>
constexpr bool plain(std::size_t size) {
  return sizeof(T) == size && std::is_standard_layout_v<T> && std::is_trivially_copyable_v<T>;
}

static_assert(plain<RawAddress>(32));
static_assert(offsetof(RawAddress, gid) == 0);
static_assert(offsetof(RawAddress, qpn) == 16);
static_assert(offsetof(RawAddress, pad) == 18);
static_assert(offsetof(RawAddress, connid) == 20);
static_assert(offsetof(RawAddress, reserved) == 24);

static_assert(plain<Iov>(24));
static_assert(offsetof(Iov, addr) == 0);
static_assert(offsetof(Iov, len) == 8);
static_assert(offsetof(Iov, key) == 16);

static_assert(plain<CommonHeader>(4));
static_assert(offsetof(CommonHeader, type) == 0);
static_assert(offsetof(CommonHeader, version) == 1);
static_assert(offsetof(CommonHeader, flags) == 2);

static_assert(plain<Cts>(24));
static_assert(offsetof(Cts, connid) == 4);
static_assert(offsetof(Cts, send_id) == 8);
static_assert(offsetof(Cts, recv_id) == 12);
static_assert(offsetof(Cts, recv_length) == 16);

static_assert(plain<CtsData>(24));
static_assert(offsetof(CtsData, recv_id) == 4);
static_assert(offsetof(CtsData, seg_length) == 8);
static_assert(offsetof(CtsData, seg_offset) == 16);

static_assert(plain<CtsDataConnid>(8));
static_assert(offsetof(CtsDataConnid, connid) == 0);
static_assert(offsetof(CtsDataConnid, pad) == 4);

static_assert(plain<ReadRsp>(24));
static_assert(offsetof(ReadRsp, connid) == 4);
static_assert(offsetof(ReadRsp, recv_id) == 8);
static_assert(offsetof(ReadRsp, send_id) == 12);
static_assert(offsetof(ReadRsp, seg_length) == 16);

static_assert(plain<Eor>(16));
static_assert(offsetof(Eor, send_id) == 4);
static_assert(offsetof(Eor, recv_id) == 8);
static_assert(offsetof(Eor, connid) == 12);

static_assert(plain<ReadNack>(16));
static_assert(offsetof(ReadNack, send_id) == 4);
static_assert(offsetof(ReadNack, recv_id) == 8);
static_assert(offsetof(ReadNack, connid) == 12);

static_assert(plain<AtomRsp>(24));
static_assert(offsetof(AtomRsp, connid) == 4);
static_assert(offsetof(AtomRsp, reserved) == 8);
static_assert(offsetof(AtomRsp, recv_id) == 12);
static_assert(offsetof(AtomRsp, seg_length) == 16);

static_assert(plain<Receipt>(16));
static_assert(offsetof(Receipt, send_id) == 4);
static_assert(offsetof(Receipt, msg_id) == 8);
static_assert(offsetof(Receipt, connid) == 12);

static_assert(plain<PeerError>(20));
static_assert(offsetof(PeerError, op_id) == 4);
static_assert(offsetof(PeerError, ref_kind) == 8);
static_assert(offsetof(PeerError, prov_errno) == 12);
static_assert(offsetof(PeerError, connid) == 16);

static_assert(plain<Eager>(8));
static_assert(offsetof(Eager, msg_id) == 4);

static_assert(plain<Medium>(24));
static_assert(offsetof(Medium, msg_id) == 4);
static_assert(offsetof(Medium, msg_length) == 8);
static_assert(offsetof(Medium, seg_offset) == 16);

static_assert(plain<LongCts>(24));
static_assert(offsetof(LongCts, msg_id) == 4);
static_assert(offsetof(LongCts, msg_length) == 8);
static_assert(offsetof(LongCts, send_id) == 16);
static_assert(offsetof(LongCts, credit_request) == 20);

static_assert(plain<LongRead>(24));
static_assert(offsetof(LongRead, msg_id) == 4);
static_assert(offsetof(LongRead, msg_length) == 8);
static_assert(offsetof(LongRead, send_id) == 16);
static_assert(offsetof(LongRead, read_iov_count) == 20);

static_assert(plain<DcEager>(16));
static_assert(offsetof(DcEager, msg_id) == 4);
static_assert(offsetof(DcEager, send_id) == 8);
static_assert(offsetof(DcEager, pad) == 12);

static_assert(plain<DcMedium>(32));
static_assert(offsetof(DcMedium, msg_id) == 4);
static_assert(offsetof(DcMedium, send_id) == 8);
static_assert(offsetof(DcMedium, pad) == 12);
static_assert(offsetof(DcMedium, msg_length) == 16);
static_assert(offsetof(DcMedium, seg_offset) == 24);

static_assert(plain<RuntRead>(40));
static_assert(offsetof(RuntRead, msg_id) == 4);
static_assert(offsetof(RuntRead, msg_length) == 8);
static_assert(offsetof(RuntRead, send_id) == 16);
static_assert(offsetof(RuntRead, read_iov_count) == 20);
static_assert(offsetof(RuntRead, seg_offset) == 24);
static_assert(offsetof(RuntRead, runt_length) == 32);

static_assert(plain<RuntCts>(40));
static_assert(offsetof(RuntCts, msg_id) == 4);
static_assert(offsetof(RuntCts, msg_length) == 8);
static_assert(offsetof(RuntCts, send_id) == 16);
static_assert(offsetof(RuntCts, credit_request) == 20);
static_assert(offsetof(RuntCts, seg_offset) == 24);
static_assert(offsetof(RuntCts, runt_length) == 32);

static_assert(plain<Tagged<Eager>>(16));
static_assert(offsetof(Tagged<Eager>, tag) == 8);

static_assert(plain<Tagged<Medium>>(32));
static_assert(offsetof(Tagged<Medium>, tag) == 24);

static_assert(plain<Tagged<LongCts>>(32));
static_assert(offsetof(Tagged<LongCts>, tag) == 24);

static_assert(plain<Tagged<LongRead>>(32));
static_assert(offsetof(Tagged<LongRead>, tag) == 24);

static_assert(plain<Tagged<DcEager>>(24));
static_assert(offsetof(Tagged<DcEager>, tag) == 16);

static_assert(plain<Tagged<DcMedium>>(40));
static_assert(offsetof(Tagged<DcMedium>, tag) == 32);

static_assert(plain<Tagged<RuntRead>>(48));
static_assert(offsetof(Tagged<RuntRead>, tag) == 40);

static_assert(plain<Tagged<RuntCts>>(48));
static_assert(offsetof(Tagged<RuntCts>, tag) == 40);

static_assert(plain<EagerWrite>(8));
static_assert(offsetof(EagerWrite, rma_iov_count) == 4);

static_assert(plain<DcEagerWrite>(16));
static_assert(offsetof(DcEagerWrite, rma_iov_count) == 4);
static_assert(offsetof(DcEagerWrite, send_id) == 8);
static_assert(offsetof(DcEagerWrite, pad) == 12);

static_assert(plain<LongCtsWrite>(24));
static_assert(offsetof(LongCtsWrite, rma_iov_count) == 4);
static_assert(offsetof(LongCtsWrite, msg_length) == 8);
static_assert(offsetof(LongCtsWrite, send_id) == 16);
static_assert(offsetof(LongCtsWrite, credit_request) == 20);

static_assert(plain<LongReadWrite>(24));
static_assert(offsetof(LongReadWrite, rma_iov_count) == 4);
static_assert(offsetof(LongReadWrite, msg_length) == 8);
static_assert(offsetof(LongReadWrite, send_id) == 16);
static_assert(offsetof(LongReadWrite, read_iov_count) == 20);

static_assert(plain<ReadRequest>(24));
static_assert(offsetof(ReadRequest, rma_iov_count) == 4);
static_assert(offsetof(ReadRequest, msg_length) == 8);
static_assert(offsetof(ReadRequest, recv_id) == 16);
static_assert(offsetof(ReadRequest, first_window) == 20);

static_assert(plain<AtomicWrite>(24));
static_assert(offsetof(AtomicWrite, msg_id) == 4);
static_assert(offsetof(AtomicWrite, rma_iov_count) == 8);
static_assert(offsetof(AtomicWrite, datatype) == 12);
static_assert(offsetof(AtomicWrite, op) == 16);
static_assert(offsetof(AtomicWrite, zero) == 20);

static_assert(plain<DcAtomicWrite>(24));
static_assert(offsetof(DcAtomicWrite, msg_id) == 4);
static_assert(offsetof(DcAtomicWrite, rma_iov_count) == 8);
static_assert(offsetof(DcAtomicWrite, datatype) == 12);
static_assert(offsetof(DcAtomicWrite, op) == 16);
static_assert(offsetof(DcAtomicWrite, send_id) == 20);

static_assert(plain<AtomicFetch>(24));
static_assert(offsetof(AtomicFetch, msg_id) == 4);
static_assert(offsetof(AtomicFetch, rma_iov_count) == 8);
static_assert(offsetof(AtomicFetch, datatype) == 12);
static_assert(offsetof(AtomicFetch, op) == 16);
static_assert(offsetof(AtomicFetch, recv_id) == 20);

static_assert(plain<RuntWrite>(40));
static_assert(offsetof(RuntWrite, rma_iov_count) == 4);
static_assert(offsetof(RuntWrite, msg_length) == 8);
static_assert(offsetof(RuntWrite, send_id) == 16);
static_assert(offsetof(RuntWrite, credit_or_iov_count) == 20);
static_assert(offsetof(RuntWrite, seg_offset) == 24);
static_assert(offsetof(RuntWrite, runt_length) == 32);

static_assert(plain<HandshakeHeader>(8));
static_assert(offsetof(HandshakeHeader, nextra_p3) == 4);

static_assert(plain<HandshakeConnid>(8));
static_assert(offsetof(HandshakeConnid, connid) == 0);
static_assert(offsetof(HandshakeConnid, zero) == 4);

static_assert(plain<HandshakeDevice>(8));
static_assert(offsetof(HandshakeDevice, device) == 0);
static_assert(offsetof(HandshakeDevice, zero) == 4);

static_assert(plain<HandshakeUserRecvQp>(8));
static_assert(offsetof(HandshakeUserRecvQp, qpn) == 0);
static_assert(offsetof(HandshakeUserRecvQp, qkey) == 4);

static_assert(plain<HandshakeHmem>(8));
static_assert(offsetof(HandshakeHmem, p2p_supported) == 0);
static_assert(offsetof(HandshakeHmem, zero) == 1);

}  // namespace
}  // namespace efa::rdm
