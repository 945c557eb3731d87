// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/fabric.hpp"

#include <cstring>
#include <memory>
#include <set>

#include "absent.hpp"
#include "log.hpp"
#include "objects/domain.hpp"
#include "objects/eq.hpp"
#include "objects/process.hpp"
#include "objects/wait_set.hpp"

namespace efa::fi {
namespace {

constexpr const char* kDirect = "efa-direct";

/// "efa feature ops" (spec libfabric-api 6.4): what an application may ask a fabric for by name.
struct FeatureOperations {
  bool (*query)(const char* feature);
};

bool has_no_feature(const char*) {
  return false;
}
/// Each segment of a message goes to the device as it is, whatever memory it is in.
bool has_direct_feature(const char* feature) {
  return feature && std::strcmp(feature, "mixed_hmem_iov") == 0;
}

FeatureOperations features{has_no_feature};
FeatureOperations direct_features{has_direct_feature};

Fabric& fabric_of(fid* object) {
  return Fabric::of(reinterpret_cast<fid_fabric*>(object));
}

int close_fabric(fid* object) {
  Fabric& fabric = fabric_of(object);
  if (fabric.children) {
    log(FI_LOG_WARN, "fabric " + fabric.name + " not closed: " + std::to_string(fabric.children) +
                         " of its domains, event queues or wait sets are open; close them first");
    return -FI_EBUSY;
  }
  process().objects.remove(fabric);
  const std::unique_ptr<Fabric> owner(&fabric);
  return 0;
}

int open_operations(fid* object, const char* name, uint64_t flags, void** operations, void*) {
  if (flags || !name || !operations || std::strcmp(name, "efa feature ops") != 0) return -FI_EINVAL;
  *operations = fabric_of(object).name == kDirect ? &direct_features : &features;
  return 0;
}

int open_domain2(fid_fabric* fabric, fi_info* info, fid_domain** domain, uint64_t flags,
                 void* context) {
  return flags ? -FI_ENOSYS : open_domain(fabric, info, domain, context);
}

fi_ops object_operations{
    .size = sizeof(fi_ops),
    .close = close_fabric,
    .bind = absent,
    .control = absent,
    .ops_open = open_operations,
    .tostr = absent,
    .ops_set = absent,
};

fi_ops_fabric operations{
    .size = sizeof(fi_ops_fabric),
    .domain = open_domain,
    .passive_ep = absent,
    .eq_open = open_eq,
    .wait_open = open_wait_set,
    .trywait = try_wait,
    .domain2 = open_domain2,
};

std::set<std::string> known_names() {
  std::set<std::string> names;
  for (const Template& entry : process().catalogue.templates)
    names.insert(entry.info->fabric_attr->name);
  return names;
}

int refuse_name(const std::string& name, const std::set<std::string>& known) {
  std::string list;
  for (const std::string& one : known) list += (list.empty() ? "" : ", ") + one;
  log(FI_LOG_WARN, "fabric \"" + name + "\" not opened: there is " + list +
                       "; use fabric_attr of an answer of fi_getinfo()");
  return -FI_EINVAL;
}

}  // namespace

int open_fabric(fi_fabric_attr* attributes, fid_fabric** fabric, void* context) {
  if (!attributes || !fabric) return -FI_EINVAL;
  const std::string name = attributes->name ? attributes->name : "";
  const std::set<std::string> known = known_names();
  if (!known.contains(name)) return refuse_name(name, known);
  auto made = std::make_unique<Fabric>();
  made->fid = {.fclass = FI_CLASS_FABRIC, .context = context, .ops = &object_operations};
  made->ops = &operations;
  made->api_version = attributes->api_version ? attributes->api_version : kBuiltFor;
  made->name = name;
  process().objects.add(*made);
  *fabric = made.release();
  return 0;
}

}  // namespace efa::fi
