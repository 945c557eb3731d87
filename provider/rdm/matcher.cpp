// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rdm/matcher.hpp"

namespace efa::rdm {
namespace {

bool takes_source(Source wanted, Source source) {
  return wanted == kAnySource || wanted == source;
}

bool takes_tag(std::uint64_t wanted, std::uint64_t ignore, std::uint64_t tag) {
  return ((wanted ^ tag) & ~ignore) == 0;
}

PostedReceive* earlier(PostedReceive* one, PostedReceive* other) {
  if (one == nullptr || other == nullptr) return one == nullptr ? other : one;
  return one->order < other->order ? one : other;
}

}  // namespace

void Matcher::post(PostedReceive& receive) {
  receive.order = posted_++;
  if (receive.source != kAnySource) ++directed_;
  receives_.push_back(receive);
  if (receive.ignore == 0) {
    exact_[bucket(receive.tag, receive.source)].push_back(receive);
  } else {
    masked_.push_back(receive);
  }
}

void Matcher::remove(PostedReceive& receive) {
  if (receive.source != kAnySource && receive.by_order.in_list()) --directed_;
  receive.by_key.remove();
  receive.by_order.remove();
}

PostedReceive* Matcher::first_with_key(Source key, std::uint64_t tag) {
  auto& list = exact_[bucket(tag, key)];
  PostedReceive* receive = list.front();
  while (receive != nullptr && (receive->tag != tag || receive->source != key)) {
    receive = list.after(*receive);
  }
  return receive;
}

PostedReceive* Matcher::find_receive(Source source, std::uint64_t tag) {
  PostedReceive* first = first_with_key(kAnySource, tag);
  if (directed_ != 0 && source != kAnySource) first = earlier(first, first_with_key(source, tag));
  for (PostedReceive* receive = masked_.front(); receive != nullptr;
       receive = masked_.after(*receive)) {
    if (first != nullptr && first->order < receive->order) break;
    if (takes_source(receive->source, source) && takes_tag(receive->tag, receive->ignore, tag)) {
      return receive;
    }
  }
  return first;
}

PostedReceive* Matcher::find_context(const void* context) {
  PostedReceive* receive = receives_.front();
  while (receive != nullptr && receive->context != context) receive = receives_.after(*receive);
  return receive;
}

void Matcher::add(UnexpectedMessage& message) {
  messages_.push_back(message);
  tagged_[bucket(message.tag, 0)].push_back(message);
}

void Matcher::remove(UnexpectedMessage& message) {
  message.by_tag.remove();
  message.by_order.remove();
}

UnexpectedMessage* Matcher::find_message(Source source, std::uint64_t tag, std::uint64_t ignore) {
  const auto first_of = [&](const auto& list) {
    UnexpectedMessage* message = list.front();
    while (message != nullptr &&
           (!takes_source(source, message->source) || !takes_tag(tag, ignore, message->tag))) {
      message = list.after(*message);
    }
    return message;
  };
  return ignore == 0 ? first_of(tagged_[bucket(tag, 0)]) : first_of(messages_);
}

}  // namespace efa::rdm
