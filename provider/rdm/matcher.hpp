// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Which posted receive an arriving message goes to, and which waiting message a new receive takes
// (spec efa-rdm-protocol 13). Tagged and untagged messages are matched apart: one Matcher for each,
// where all untagged ones have tag 0.
//
// Receives match in the order in which they were posted, messages in the order of their arrival.
// Almost all receives name their tag exactly; these are hashed, so that thousands of them cost an
// arrival no more than one. Those with bits to ignore are searched in order.
#ifndef EFA_PROVIDER_RDM_MATCHER_HPP
#define EFA_PROVIDER_RDM_MATCHER_HPP

#include <array>
#include <cstddef>
#include <cstdint>

#include "rdm/intrusive_list.hpp"

namespace efa::rdm {

// An fi_addr_t; this one is FI_ADDR_UNSPEC: any source in a receive, a source that is not in the
// address vector in a message.
using Source = std::uint64_t;
inline constexpr Source kAnySource = ~Source{0};

// Base of the state of a posted receive.
struct PostedReceive {
  Source source = kAnySource;
  std::uint64_t tag = 0;
  std::uint64_t ignore = 0;  // bits of the tag that may differ
  void* context = nullptr;   // the user's, by which it is cancelled

  std::uint64_t order = 0;  // the matcher's
  Link by_key;
  Link by_order;
};

// Base of the state of a message that arrived before its receive.
struct UnexpectedMessage {
  Source source = kAnySource;
  std::uint64_t tag = 0;

  // The matcher's.
  Link by_tag;
  Link by_order;
};

class Matcher {
 public:
  // ---- Receives

  // Adds a receive that took no waiting message. It stays until `remove`: a multi-receive matches
  // more than once.
  void post(PostedReceive& receive);
  void remove(PostedReceive& receive);

  // The first receive that takes a message, or null.
  PostedReceive* find_receive(Source source, std::uint64_t tag);

  // The first receive with this context, or null (fi_cancel).
  PostedReceive* find_context(const void* context);

  // ---- Messages

  void add(UnexpectedMessage& message);
  void remove(UnexpectedMessage& message);

  bool has_messages() const { return !messages_.empty(); }

  // The first message that a receive takes, or null.
  UnexpectedMessage* find_message(Source source, std::uint64_t tag, std::uint64_t ignore);

  // Names the source of waiting messages of a peer that came into the address vector after them;
  // their place in the order of arrival stays. `belongs` says which they are.
  template <class Predicate>
  void name_source(Source source, Predicate&& belongs) {
    for (UnexpectedMessage* message = messages_.front(); message != nullptr;
         message = messages_.after(*message)) {
      if (message->source == kAnySource && belongs(*message)) message->source = source;
    }
  }

 private:
  static constexpr std::size_t kBuckets = 1024;

  // Spreads neighbouring tags and sources over the buckets (Fibonacci hashing).
  static std::size_t bucket(std::uint64_t tag, Source source) {
    const std::uint64_t mixed = (tag ^ (source << 17 | source >> 47)) * 0x9e3779b97f4a7c15ULL;
    return static_cast<std::size_t>(mixed >> 54);
  }
  static_assert(kBuckets == std::size_t{1} << (64 - 54));

  PostedReceive* first_with_key(Source key, std::uint64_t tag);

  template <class T, Link T::*kLink>
  using Buckets = std::array<List<T, kLink>, kBuckets>;

  std::uint64_t posted_ = 0;
  std::size_t directed_ = 0;                                // receives that name their source
  Buckets<PostedReceive, &PostedReceive::by_key> exact_;    // by tag and source, which may be any
  List<PostedReceive, &PostedReceive::by_key> masked_;      // with bits to ignore
  List<PostedReceive, &PostedReceive::by_order> receives_;  // all
  Buckets<UnexpectedMessage, &UnexpectedMessage::by_tag> tagged_;
  List<UnexpectedMessage, &UnexpectedMessage::by_order> messages_;  // all
};

}  // namespace efa::rdm

#endif
