// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "getinfo.hpp"

#include <strings.h>

#include <algorithm>
#include <cstring>

#include "hints.hpp"

namespace efa::fi {
namespace {

constexpr size_t kMostReasons = 4;

std::string quoted(const char* text) {
  return text ? '"' + std::string(text) + '"' : "nothing";
}

void check_length(Check& check, const char* field, const void* address, size_t length) {
  if (address)
    check.require(
        length == sizeof(Address),
        {field, std::to_string(length) + " bytes", std::to_string(sizeof(Address)) + " bytes",
         "use addresses of fi_getname(), which are FI_ADDR_EFA"});
}

/// The source chooses the device: by GID as node, or by the address of an earlier answer.
void check_source(Check& check, const Template& entry, const Request& request) {
  const auto& own = *static_cast<const Address*>(entry.info->src_addr);
  if (request.flags & FI_SOURCE) {
    // Without a node it says nothing: programs of fabtests ask so.
    if (!request.node) return;
    const auto gid = parse_gid(request.node);
    check.require(gid == own.gid, {"node with FI_SOURCE", quoted(request.node), gid_text(own.gid),
                                   "give the GID of a device, or no node"});
    return;
  }
  if (!request.hints || !request.hints->src_addr) return;
  check_length(check, "src_addrlen", request.hints->src_addr, request.hints->src_addrlen);
  check.require(request.hints->src_addrlen != sizeof own ||
                    std::memcmp(request.hints->src_addr, &own, sizeof own) == 0,
                {"src_addr", "another address", gid_text(own.gid) + " with QP number and key 0",
                 "take src_addr from an answer of fi_getinfo(), or leave it null"});
}

bool has_destination(const Request& request) {
  return request.node && !(request.flags & FI_SOURCE);
}

void check_destination(Check& check, const Request& request) {
  const std::string service = request.service ? request.service : "";
  if (has_destination(request))
    check.require(
        parse_address(request.node, service).has_value(),
        {"node", quoted(request.node) + (service.empty() ? "" : " service " + service),
         "GIDs as node and QP numbers as service",
         "give no node: peers' addresses come from fi_getname() and go into fi_av_insert()"});
  else if (request.hints)
    check_length(check, "dest_addrlen", request.hints->dest_addr, request.hints->dest_addrlen);
}

std::optional<Refusal> refuse(const Template& entry, const Release& release,
                              const Request& request) {
  Check check;
  check_source(check, entry, request);
  check_destination(check, request);
  if (auto refusal = std::move(check).result()) return refusal;
  if (!request.hints) return {};
  if (auto refusal = check_hints(entry, release, request.version, *request.hints)) return refusal;
  return check_kind(entry, *request.hints);
}

/// address: 32 bytes, not aligned where the application gave them.
void set_destination(fi_info& info, const void* address) {
  info.dest_addr = c_bytes(address, sizeof(Address));
  info.dest_addrlen = info.dest_addr ? sizeof(Address) : 0;
}

void add_destination(fi_info& info, const Request& request) {
  if (has_destination(request)) {
    const char* service = request.service ? request.service : "";
    const auto address = parse_address(request.node, service);
    set_destination(info, &*address);
  } else if (request.hints && request.hints->dest_addr) {
    set_destination(info, request.hints->dest_addr);
  }
}

/// How much of what the hints name is this entry: 2 is all.
int nearness(const Template& entry, const fi_info* hints) {
  const fi_ep_type type = hints && hints->ep_attr ? hints->ep_attr->type : FI_EP_UNSPEC;
  const char* fabric = hints && hints->fabric_attr ? hints->fabric_attr->name : nullptr;
  return (type == FI_EP_UNSPEC || type == entry.info->ep_attr->type) +
         (!fabric || strcasecmp(fabric, entry.info->fabric_attr->name) == 0);
}

bool names_efa(const char* text) {
  return text && strcasestr(text, "efa");
}

}  // namespace

Result get_info(const Catalogue& catalogue, const Request& request) {
  Result result;
  for (const Template& entry : catalogue.templates) {
    if (auto refusal = refuse(entry, *catalogue.release, request)) {
      result.refused.push_back({&entry, std::move(*refusal)});
      continue;
    }
    InfoPtr info = answer(entry, *catalogue.release, request.version, request.hints);
    if (!info) continue;
    add_destination(*info, request);
    result.list.append(std::move(info));
  }
  return result;
}

std::vector<std::string> reasons(const std::vector<Refused>& refused, const fi_info* hints) {
  std::vector<std::string> lines;
  const auto add = [&](const Refused& one) {
    std::string line = std::string(kind_text(one.entry->kind)) + " of " + one.entry->device->name +
                       " refused, " + one.reason.text();
    if (std::find(lines.begin(), lines.end(), line) == lines.end() && lines.size() < kMostReasons)
      lines.push_back(std::move(line));
  };
  int nearest = 0;
  for (const Refused& one : refused) nearest = std::max(nearest, nearness(*one.entry, hints));
  for (const Refused& one : refused)
    if (nearness(*one.entry, hints) == nearest) add(one);
  return lines;
}

bool concerns_efa(const Request& request, const char* provider_filter) {
  if (provider_filter && *provider_filter != '^' && names_efa(provider_filter)) return true;
  const fi_info* hints = request.hints;
  if (!hints) return false;
  if (hints->fabric_attr && hints->fabric_attr->prov_name)
    return names_efa(hints->fabric_attr->prov_name);
  if (hints->addr_format == FI_ADDR_EFA) return true;
  if (hints->addr_format != FI_FORMAT_UNSPEC || request.node) return false;
  return hints->ep_attr && hints->ep_attr->type == FI_EP_RDM;
}

}  // namespace efa::fi
