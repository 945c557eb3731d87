// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The table of peers; av_calls.cpp has the calls of applications.
#include "objects/av.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "log.hpp"
#include "objects/domain.hpp"

namespace efa::fi {
namespace {

/// Before the first peer, so that small jobs never move the table.
constexpr size_t kLeastRoom = 256;
/// A count is a hint: no memory for more than this many peers before they come.
constexpr size_t kMostRoom = 1 << 16;

uint32_t sender_key(uint16_t ahn, uint32_t qpn) {
  return uint32_t{ahn} << 16 | (qpn & 0xffff);
}

void say_no_handle(const Domain& domain, const Address& address, int error) {
  log(FI_LOG_WARN,
      "peer " + gid_text(address.gid) + " not inserted: device " + domain.device.name +
          " gives no address handle: " + std::strerror(error) + "; this domain has " +
          std::to_string(domain.handles.count()) +
          (error == ENOMEM ? ", the device has no more (max_ah of `ibv_devinfo -v`): reach fewer "
                             "hosts from one domain, or close those of other processes"
                           : "; is the GID that of an EFA device in the same subnet?"));
}

}  // namespace

size_t Av::Hash::operator()(const Address& address) const {
  const std::string_view bytes(reinterpret_cast<const char*>(&address), sizeof address);
  return std::hash<std::string_view>()(bytes);
}

Av::Av(Domain& domain, const fi_av_attr& attributes) : fid_av{}, domain_(domain) {
  const size_t room = std::clamp(attributes.count, kLeastRoom, kMostRoom);
  entries_.reserve(room);
  by_address_.reserve(room);
  by_sender_.reserve(room);
}

Av::~Av() {
  const Guard guard(domain_.lock);
  for (const AvEntry& entry : entries_)
    if (entry.ah) domain_.handles.release(entry.address.gid);
}

fi_addr_t Av::find(const Address& address) const {
  const auto found = by_address_.find(address);
  return found == by_address_.end() ? FI_ADDR_NOTAVAIL : found->second;
}

fi_addr_t Av::find_sender(uint16_t ahn, uint32_t qpn) const {
  const auto found = by_sender_.find(sender_key(ahn, qpn));
  return found == by_sender_.end() ? FI_ADDR_NOTAVAIL : found->second;
}

void Av::attach(AvUser& user) {
  if (std::find(users_.begin(), users_.end(), &user) != users_.end()) return;
  users_.push_back(&user);
  for (fi_addr_t peer = 0; peer < entries_.size(); ++peer)
    if (entries_[peer].ah) user.inserted(peer, entries_[peer]);
}

void Av::detach(AvUser& user) {
  std::erase(users_, &user);
}

fi_addr_t Av::take_place() {
  if (free_.empty()) {
    entries_.emplace_back();
    return entries_.size() - 1;
  }
  const fi_addr_t peer = free_.back();
  free_.pop_back();
  return peer;
}

void Av::enter_sender(fi_addr_t peer) {
  const auto [place, first] =
      by_sender_.try_emplace(sender_key(entries_[peer].ahn, entries_[peer].qpn), peer);
  if (first) return;
  entries_[peer].older = place->second;
  place->second = peer;
}

void Av::leave_sender(fi_addr_t peer) {
  const auto place = by_sender_.find(sender_key(entries_[peer].ahn, entries_[peer].qpn));
  fi_addr_t* link = &place->second;
  while (*link != peer) link = &entries_[*link].older;
  *link = entries_[peer].older;
  if (place->second == FI_ADDR_NOTAVAIL) by_sender_.erase(place);
}

int Av::insert(const Address& address, fi_addr_t* peer) {
  *peer = FI_ADDR_NOTAVAIL;
  if (address.gid == Gid{}) return -FI_EADDRNOTAVAIL;
  if (const fi_addr_t known = find(address); known != FI_ADDR_NOTAVAIL) {
    *peer = known;
    return 0;
  }
  const rdm::Destination to = domain_.handles.acquire(address.gid);
  if (!to.ah) {
    const int error = errno;
    say_no_handle(domain_, address, error);
    return -error;
  }
  *peer = take_place();
  AvEntry& entry = entries_[*peer];
  entry = {to.ah, address.qpn, address.connid, to.number, address};
  by_address_.emplace(address, *peer);
  enter_sender(*peer);
  for (AvUser* user : users_) user->inserted(*peer, entry);
  return 0;
}

int Av::remove(fi_addr_t peer) {
  if (!find(peer)) return -FI_EINVAL;
  AvEntry& entry = entries_[peer];
  for (AvUser* user : users_) user->removed(peer, entry);
  leave_sender(peer);
  by_address_.erase(entry.address);
  domain_.handles.release(entry.address.gid);
  entry = {};
  free_.push_back(peer);
  return 0;
}

}  // namespace efa::fi
