// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <algorithm>

#include "wire/packet.hpp"

namespace efa::rdm {

namespace {

constexpr std::uint32_t kAtomicRead = 10;  // FI_ATOMIC_READ

// a + b, or the largest number: a sum of lengths from a peer must not wrap into something small.
constexpr std::uint64_t saturating_sum(std::uint64_t a, std::uint64_t b) {
  return a + b < a ? ~std::uint64_t{0} : a + b;
}

}  // namespace

// Walks over the packet once; what it has passed is inside the bytes. Every step is false if the
// packet is bad, and then has left the reason.
class Parser {
 public:
  static Parsed run(std::span<const std::byte> bytes) {
    Parsed result;
    if (run_plain(bytes, result.packet_)) [[likely]]
      return result;
    Parser parser(bytes, result);
    if (!parser.common_header() || !parser.body()) result.packet_ = Packet();
    return result;
  }

 private:
  // What almost all packets are: messages or segments of them, behind headers whose places their
  // flags tell. All others, and what is wrong, go the whole way.
  static bool run_plain(std::span<const std::byte> bytes, Packet& packet) {
    CommonHeader common;
    if (bytes.size() < sizeof common) return false;
    std::memcpy(&common, bytes.data(), sizeof common);
    const Shape& what = shape(common.type);
    if ((what.kind != Kind::kEager && what.kind != Kind::kMedium) ||
        common.version < kProtocolVersion || (common.flags & kReqRawAddress) != 0)
      return false;
    const bool has_cq_data = (common.flags & kReqCqData) != 0;
    const bool has_connid = (common.flags & kFlagConnid) != 0;
    const std::size_t connid_at = what.header_bytes + (has_cq_data ? sizeof(std::uint64_t) : 0);
    const std::size_t payload_at = connid_at + (has_connid ? sizeof(std::uint32_t) : 0);
    if (payload_at > bytes.size()) return false;
    const std::size_t size = bytes.size() - payload_at;
    if (what.kind == Kind::kMedium && !is_segment(bytes.data(), what, size)) return false;
    packet.base_ = bytes.data();
    packet.shape_ = &what;
    packet.payload_at_ = payload_at;
    packet.payload_size_ = size;
    packet.connid_at_ = has_connid ? connid_at : 0;
    packet.flags_ = common.flags;
    packet.cq_data_at_ = has_cq_data ? what.header_bytes : 0;
    packet.type_ = common.type;
    return true;
  }

  // Whether SIZE bytes are a part of the message that their header tells of.
  static bool is_segment(const std::byte* header, const Shape& what, std::size_t size) {
    std::uint64_t total = 0;
    std::uint64_t offset = 0;
    std::memcpy(&total, header + what.offset(Field::kMsgLength), sizeof total);
    std::memcpy(&offset, header + what.offset(Field::kSegOffset), sizeof offset);
    return size != 0 && offset <= total && size <= total - offset;
  }

  Parser(std::span<const std::byte> bytes, Parsed& result)
      : bytes_(bytes), packet_(result.packet_), error_(result.error_) {}

  using Code = ProviderErrno;

  bool fail(const char* subject, std::uint64_t value, std::uint64_t limit,
            Code code = Code::kInvalidPacketType) {
    error_ = {code, subject, value, limit};
    return false;
  }

  std::size_t left() const { return bytes_.size() - at_; }

  bool pass(std::size_t size, const char* subject) {
    if (size > left()) return fail(subject, bytes_.size(), saturating_sum(at_, size));
    at_ += size;
    return true;
  }

  // A type is judged before the version: retired types are those of older versions (R18).
  bool common_header() {
    if (bytes_.size() < sizeof(CommonHeader))
      return fail("packet shorter than any header", bytes_.size(), sizeof(CommonHeader));
    CommonHeader common;
    std::memcpy(&common, bytes_.data(), sizeof common);
    const Shape& what = shape(common.type);
    const auto type = static_cast<std::uint64_t>(common.type);
    if (what.kind == Kind::kRetired)
      return fail("retired packet type", type, 0, Code::kRetiredPacketType);
    if (what.kind == Kind::kNone) return fail("packet type that is not in use", type, 0);
    if (common.version < kProtocolVersion)
      return fail("protocol version", common.version, kProtocolVersion);
    packet_.base_ = bytes_.data();
    packet_.shape_ = &what;
    packet_.type_ = common.type;
    packet_.flags_ = common.flags;
    return pass(what.header_bytes, "packet shorter than the header of its type");
  }

  bool body() {
    if (is_request(packet_.kind())) return request();
    switch (packet_.kind()) {
      case Kind::kHandshake:
        return handshake();
      case Kind::kCtsData:
        return cts_data();
      case Kind::kReadRsp:
      case Kind::kAtomRsp:
        fixed_connid();
        return segment();
      case Kind::kCts:
        fixed_connid();
        // Section 11.3: nobody grants nothing; the op would wait for ever.
        if (packet_.recv_length() == 0) return fail("window of a CTS", 0, 1);
        return true;
      default:
        fixed_connid();
        return true;
    }
  }

  bool has_flag(std::uint16_t flag) const { return (packet_.flags_ & flag) != 0; }

  void fixed_connid() {
    if (has_flag(kFlagConnid)) packet_.connid_at_ = packet_.shape_->offset(Field::kConnid);
  }

  // Data that a length field counts; more bytes may follow and mean nothing.
  bool segment() {
    if (packet_.seg_length() > left()) return fail("segment length", packet_.seg_length(), left());
    take_payload(packet_.seg_length());
    return true;
  }

  void take_payload(std::size_t size) {
    packet_.payload_at_ = at_;
    packet_.payload_size_ = size;
  }

  bool cts_data() {
    if (has_flag(kFlagConnid)) {  // R14
      packet_.connid_at_ = at_;
      if (!pass(sizeof(CtsDataConnid), "CTSDATA shorter than its connid")) return false;
    }
    const std::uint64_t end = packet_.seg_offset() + packet_.seg_length();
    if (end < packet_.seg_offset()) return fail("segment offset", packet_.seg_offset(), left());
    return segment();
  }

  // Section 7.1: the count of words is never believed beyond the packet; the surplus is ignored
  // (R8).
  bool handshake() {
    const auto biased = packet_.load<std::uint32_t>(offsetof(HandshakeHeader, nextra_p3));
    if (biased < kHandshakeWordBias)
      return fail("feature word count of a handshake", biased, kHandshakeWordBias);
    packet_.feature_words_ = biased - kHandshakeWordBias;
    if (!pass(packet_.feature_words_ * sizeof(std::uint64_t), "feature words of a handshake"))
      return false;
    if (has_flag(kFlagConnid)) {
      packet_.connid_at_ = at_;
      if (!pass(sizeof(HandshakeConnid), "connid of a handshake")) return false;
    }
    packet_.options_at_ = at_;
    const int options = std::popcount(static_cast<unsigned>(packet_.flags_ & kHandshakeOptions));
    return pass(static_cast<std::size_t>(options) * kHandshakeOptionBytes,
                "options of a handshake");
  }

  bool request() {
    if (!rma_iovs() || !optional_headers() || !read_iovs()) return false;
    const Kind kind = packet_.kind();
    if (kind == Kind::kShortRead || kind == Kind::kLongCtsRead) return read_request();
    take_payload(left());
    return is_message(kind) ? message() : is_atomic(kind) ? atomic() : write();
  }

  // Reads a count of iovs, if the type has one, and passes over them (R12).
  bool iovs(Field field, const char* subject, std::uint8_t* count) {
    const std::uint32_t wanted = packet_.u32(field);
    if (wanted > kMaxIovs) return fail(subject, wanted, kMaxIovs);
    *count = static_cast<std::uint8_t>(wanted);
    return pass(wanted * sizeof(Iov), subject);
  }

  bool rma_iovs() {
    if (!iovs(Field::kRmaIovCount, "remote iovs", &packet_.rma_iov_count_)) return false;
    for (std::size_t i = 0; i < packet_.rma_iov_count_; ++i)
      rma_total_ = saturating_sum(rma_total_, packet_.rma_iov(i).len);
    return true;
  }

  // The requester's memory has to hold what it says is there; one iov at least (11.4).
  bool read_iovs() {
    if (!packet_.has(Field::kReadIovCount)) return true;
    packet_.read_iovs_at_ = static_cast<std::uint16_t>(at_);
    if (!iovs(Field::kReadIovCount, "read iovs", &packet_.read_iov_count_)) return false;
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < packet_.read_iov_count_; ++i)
      total = saturating_sum(total, packet_.read_iov(i).len);
    if (packet_.read_iov_count_ == 0 || total < packet_.total_length())
      return fail("bytes in read iovs", total, packet_.total_length());
    return true;
  }

  // Section 5: in this order, without padding.
  bool optional_headers() {
    if (has_flag(kReqRawAddress) && !raw_address()) return false;
    if (has_flag(kReqCqData)) {
      packet_.cq_data_at_ = static_cast<std::uint16_t>(at_);
      if (!pass(sizeof(std::uint64_t), "packet shorter than its CQ data")) return false;
    }
    if (has_flag(kFlagConnid)) {
      // Never together with an address; if a peer does it, the address says who it is (R5).
      if (packet_.connid_at_ == 0) packet_.connid_at_ = at_;
      if (!pass(sizeof(std::uint32_t), "packet shorter than its connid")) return false;
    }
    return true;
  }

  bool raw_address() {
    const std::size_t length_at = at_;
    if (!pass(sizeof(std::uint32_t), "packet shorter than the length of its address")) return false;
    const auto length = packet_.load<std::uint32_t>(length_at);
    if (length < kMinAddressBytes)
      return fail("length of the raw address", length, kMinAddressBytes);
    if (length > kMaxAddressBytes)
      return fail("length of the raw address", length, kMaxAddressBytes);
    packet_.address_at_ = static_cast<std::uint16_t>(at_);
    packet_.connid_at_ = at_ + offsetof(RawAddress, connid);
    if (!pass(length, "packet shorter than its raw address")) return false;
    // Section 2: without a GID it is nobody's.
    if (packet_.load<RawAddress>(packet_.address_at_).gid == decltype(RawAddress::gid){})
      return fail("GID of the raw address", 0, 0);
    return true;
  }

  // Nothing of a message may lie behind its end; segments are never empty (11.2).
  bool message() {
    const std::uint64_t size = packet_.payload_size_;
    const std::uint64_t end = saturating_sum(packet_.seg_offset(), size);
    std::uint64_t limit = packet_.total_length();
    switch (packet_.kind()) {
      case Kind::kLongRead:
        take_payload(0);
        return true;
      case Kind::kRuntRead:
        limit = std::min(limit, packet_.runt_length());
        break;
      case Kind::kLongCts:
        if (packet_.after_read_nack() && size != 0)  // 11.9
          return fail("payload of a message that is sent again", size, 0);
        break;
      default:
        break;
    }
    if (end > limit) return fail("end of the segment", end, limit);
    if (packet_.has(Field::kSegOffset) && size == 0) return fail("empty segment", 0, 1);
    return true;
  }

  // Section 11.7.
  bool write() {
    const std::uint64_t size = packet_.payload_size_;
    constexpr auto mismatch = Code::kSizeMismatch;
    switch (packet_.kind()) {
      case Kind::kEagerWrite:
        if (size != rma_total_) return fail("data of a write", size, rma_total_, mismatch);
        return true;
      case Kind::kLongReadWrite:
        take_payload(0);
        break;
      default:
        if (size >= packet_.total_length())
          return fail("data of the first packet of a write", size, packet_.total_length(),
                      mismatch);
        break;
    }
    if (packet_.total_length() > rma_total_)
      return fail("length of a write", packet_.total_length(), rma_total_, mismatch);
    return true;
  }

  bool read_request() {
    if (packet_.total_length() > rma_total_)
      return fail("length of a read", packet_.total_length(), rma_total_);
    return true;
  }

  // Operand, then for a compare the compare data, each as long as the remote memory. An atomic read
  // has no operand.
  bool atomic() {
    const bool compare = packet_.kind() == Kind::kAtomicCompare;
    const std::uint64_t wanted = compare ? saturating_sum(rma_total_, rma_total_) : rma_total_;
    if (packet_.kind() == Kind::kAtomicFetch && packet_.op() == kAtomicRead &&
        packet_.payload_size_ < wanted) {
      take_payload(0);
      return true;
    }
    if (packet_.payload_size_ < wanted)
      return fail("operand of an atomic", packet_.payload_size_, wanted);
    take_payload(wanted);
    return true;
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;  // up to here everything is checked
  std::uint64_t rma_total_ = 0;
  Packet& packet_;
  Malformed& error_;
};

Parsed parse(std::span<const std::byte> bytes) {
  return Parser::run(bytes);
}

}  // namespace efa::rdm
