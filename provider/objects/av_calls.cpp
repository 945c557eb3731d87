// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What applications call an address vector for (spec libfabric-api 5.3).
#include <algorithm>
#include <cstring>
#include <memory>

#include "absent.hpp"
#include "log.hpp"
#include "objects/av.hpp"
#include "objects/domain.hpp"

namespace efa::fi {
namespace {

/// Addresses of applications are not aligned. What two senders may write differently, and has no
/// meaning (spec efa-rdm-protocol 2), is zero in here.
Address address_at(const void* bytes) {
  Address address;
  std::memcpy(&address, bytes, sizeof address);
  address.pad = 0;
  address.reserved = 0;
  return address;
}

int insert(fid_av* object, const void* addresses, size_t count, fi_addr_t* peers, uint64_t flags,
           void* context) {
  if (flags & ~(FI_MORE | FI_SYNC_ERR)) return -FI_ENOSYS;
  int* const errors = flags & FI_SYNC_ERR ? static_cast<int*>(context) : nullptr;
  if ((flags & FI_SYNC_ERR) && !errors) return -FI_EINVAL;
  if (count && !addresses) return -FI_EINVAL;
  Av& av = Av::of(object);
  const Guard guard(av.domain().lock);
  int inserted = 0;
  for (size_t i = 0; i < count; ++i) {
    fi_addr_t peer;
    const int error =
        av.insert(address_at(static_cast<const char*>(addresses) + i * sizeof(Address)), &peer);
    if (peers) peers[i] = peer;
    if (errors) errors[i] = -error;
    inserted += error == 0;
  }
  return inserted;
}

int remove(fid_av* object, fi_addr_t* peers, size_t count, uint64_t) {
  if (count && !peers) return -FI_EINVAL;
  Av& av = Av::of(object);
  const Guard guard(av.domain().lock);
  for (size_t i = 0; i < count; ++i)
    if (const int error = av.remove(peers[i])) return error;
  return 0;
}

int lookup(fid_av* object, fi_addr_t peer, void* address, size_t* length) {
  Av& av = Av::of(object);
  const Guard guard(av.domain().lock);
  const AvEntry* entry = av.find(peer);
  if (!entry || !length) return -FI_EINVAL;
  if (address) std::memcpy(address, &entry->address, std::min(*length, sizeof entry->address));
  *length = sizeof entry->address;
  return 0;
}

const char* text_of_address(fid_av*, const void* address, char* text, size_t* length) {
  const std::string whole = address_text(address_at(address));
  if (text && *length) {
    const size_t copied = std::min(whole.size(), *length - 1);
    std::memcpy(text, whole.data(), copied);
    text[copied] = 0;
  }
  *length = whole.size() + 1;
  return text;
}

int close(fid* object) {
  Av& av = Av::of(reinterpret_cast<fid_av*>(object));
  Domain& domain = av.domain();
  if (av.endpoints) {
    log(FI_LOG_WARN, "address vector not closed: an endpoint is bound to it; close that first");
    return -FI_EBUSY;
  }
  delete &av;  // NOLINT(cppcoreguidelines-owning-memory): the application owned it
  --domain.children;
  return 0;
}

fi_ops object_operations = only_close(close);

/// Newer releases have entries that older ones lack.
template <class Table>
constexpr Table make_operations() {
  Table table{};
  table.size = sizeof table;
  table.insert = insert;
  table.insertsvc = absent;
  table.insertsym = absent;
  table.remove = remove;
  table.lookup = lookup;
  table.straddr = text_of_address;
  table.av_set = absent;
  if constexpr (requires { table.insert_auth_key; }) {
    table.insert_auth_key = absent;
    table.lookup_auth_key = absent;
    table.set_user_id = absent;
  }
  return table;
}

fi_ops_av operations = make_operations<fi_ops_av>();

}  // namespace

int open_av(fid_domain* domain, fi_av_attr* attributes, fid_av** av, void* context) {
  if (!attributes || !av) return -FI_EINVAL;
  if (attributes->name || attributes->flags) {
    log(FI_LOG_WARN, attributes->name ? "address vector not opened: those with a name, which "
                                        "processes share, are not offered; leave attr->name null"
                                      : "address vector not opened: it takes no flags; leave "
                                        "attr->flags 0");
    return -FI_ENOSYS;
  }
  auto made = std::make_unique<Av>(Domain::of(domain), *attributes);
  made->fid = {.fclass = FI_CLASS_AV, .context = context, .ops = &object_operations};
  made->ops = &operations;
  // All types are tables (spec 5.3).
  attributes->type = FI_AV_TABLE;
  ++made->domain().children;
  *av = made.release();
  return 0;
}

}  // namespace efa::fi
