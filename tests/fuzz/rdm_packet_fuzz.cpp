// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What a hostile peer sends: any bytes are a packet or an error with a reason; whatever a packet
/// shows lies inside the bytes, and our builders make a packet of it that shows the same.
#include <cstdlib>
#include <string_view>

#include "wire/described.hpp"

using namespace efa::rdm;
using namespace efa::rdm::test;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

bool inside(std::span<const std::byte> part, std::span<const std::byte> whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

/// What the builders can say of D: four feature words, a connid in every packet that has a place
/// for it.
Described sayable(Described d) {
  if (d.words.size() > kFeatureWords) d.words.resize(kFeatureWords);
  const Kind kind = shape(d.type).kind;
  if (!is_request(kind) && kind != Kind::kCtsData && kind != Kind::kHandshake && !d.connid)
    d.connid = 0;
  return d;
}

void accepted(const Packet& packet, std::span<const std::byte> bytes) {
  require(inside(packet.payload(), bytes));
  require(packet.rma_iov_count() <= kMaxIovs && packet.read_iov_count() <= kMaxIovs);
  const Described d = sayable(describe(packet));
  const Bytes again = build(d);
  const Parsed parsed = parse(again);
  require(static_cast<bool>(parsed));
  require(describe(*parsed) == d);
}

void refused(const Malformed& error, const Packet& packet) {
  require(error.code == ProviderErrno::kRetiredPacketType ||
          error.code == ProviderErrno::kInvalidPacketType ||
          error.code == ProviderErrno::kSizeMismatch);
  require(!std::string_view(error.subject).empty());
  require(describe(packet) == Described{});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes{reinterpret_cast<const std::byte*>(data), size};
  const Parsed parsed = parse(bytes);
  if (parsed)
    accepted(*parsed, bytes);
  else
    refused(parsed.error(), *parsed);
  return 0;
}
