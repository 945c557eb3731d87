// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The queue of events; eq_calls.cpp has the calls of applications.
#include "objects/eq.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "log.hpp"
#include "objects/fabric.hpp"
#include "objects/wait_set.hpp"
#include "release.hpp"

namespace efa::fi {
namespace {

/// Errors that nobody reads do not fill the memory: a peer can cause as many as it likes.
constexpr size_t kMostErrors = 1024;

/// Before this API version err_data is always lent.
constexpr uint32_t kCopiesText = FI_VERSION(1, 5);

}  // namespace

Eq::Eq(Fabric& fabric, const fi_eq_attr& attributes, void* context)
    : fid_eq{},
      wait_kind(attributes.wait_obj),
      application_writes(attributes.flags & FI_WRITE),
      fabric_(fabric),
      wait_set_(wait_kind == FI_WAIT_SET ? &WaitSet::of(attributes.wait_set) : nullptr) {
  fid = {.fclass = FI_CLASS_EQ, .context = context, .ops = nullptr};
  ++fabric_.children;
}

int Eq::create() {
  if (wait_kind == FI_WAIT_NONE) return 0;
  if (const int error = signal_.open()) return error;
  return wait_set_ ? wait_set_->add(signal_.fd()) : 0;
}

Eq::~Eq() {
  if (wait_set_ && signal_.is_open()) wait_set_->remove(signal_.fd());
  --fabric_.children;
}

void Eq::push(Event event) {
  if (events_.empty()) signal_.raise();
  events_.push_back(std::move(event));
}

void Eq::pop() {
  events_.pop_front();
  if (events_.empty()) signal_.lower();
}

ssize_t Eq::read(uint32_t* event, void* buffer, size_t size, bool peek) {
  const std::lock_guard guard(lock_);
  if (events_.empty()) return -FI_EAGAIN;
  const Event& first = events_.front();
  if (first.failed) return -FI_EAVAIL;
  if (size < first.payload.size()) return -FI_ETOOSMALL;
  const auto length = static_cast<ssize_t>(first.payload.size());
  if (event) *event = first.type;
  if (length) std::memcpy(buffer, first.payload.data(), first.payload.size());
  if (!peek) pop();
  return length;
}

void Eq::give_text(fi_eq_err_entry& entry, const std::string& text) {
  if (fabric_.api_version >= kCopiesText && entry.err_data && entry.err_data_size > 0) {
    entry.err_data_size = std::min(entry.err_data_size, text.size());
    std::memcpy(entry.err_data, text.data(), entry.err_data_size);
    return;
  }
  lent_ = text;
  entry.err_data = lent_.empty() ? nullptr : lent_.data();
  entry.err_data_size = lent_.size();
}

ssize_t Eq::read_error(fi_eq_err_entry& entry, bool peek) {
  const std::lock_guard guard(lock_);
  if (events_.empty() || !events_.front().failed) return -FI_EAGAIN;
  const Event& first = events_.front();
  void* const room = entry.err_data;
  const size_t size = entry.err_data_size;
  entry = first.error;
  entry.err_data = room;
  entry.err_data_size = size;
  give_text(entry, first.payload);
  if (!peek) {
    --errors_;
    pop();
  }
  return sizeof entry;
}

ssize_t Eq::write(uint32_t event, const void* payload, size_t size) {
  const std::lock_guard guard(lock_);
  Event made{.type = event, .failed = false, .payload = {}, .error = {}};
  made.payload.assign(static_cast<const char*>(payload), size);
  push(std::move(made));
  return static_cast<ssize_t>(size);
}

void Eq::report(fid_t object, void* context, int error, int provider_errno,
                const std::string& text) {
  const std::lock_guard guard(lock_);
  if (errors_ == kMostErrors) {
    log(FI_LOG_WARN, "event queue: " + std::to_string(kMostErrors) +
                         " errors wait for fi_eq_readerr(), this one is lost: " + text +
                         "; read the event queue that the endpoint is bound to");
    return;
  }
  Event made{.type = 0, .failed = true, .payload = text, .error = {}};
  made.error.fid = object;
  made.error.context = context;
  made.error.err = error;
  made.error.prov_errno = provider_errno;
  ++errors_;
  push(std::move(made));
}

bool Eq::empty() {
  const std::lock_guard guard(lock_);
  return events_.empty();
}

void report_to_eq(fid_eq& eq, fid* object, void* context, int error, int provider_errno,
                  const std::string& text) {
  Eq::of(&eq).report(object, context, error, provider_errno, text);
}

}  // namespace efa::fi
