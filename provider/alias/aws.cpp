// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// libaws-fi.so: the provider name "aws" of older recipes (FI_PROVIDER=aws), as an alias of "efa".
/// Everything is done by the libefa-fi.so in the same folder. libfabric's core keeps providers
/// apart by name and takes one from a DSO, so a second name needs a second DSO (spec
/// libfabric-api 1.5).
///
/// Who does not name it does not see it: it answers queries whose hints or FI_PROVIDER say aws. So
/// nobody gets each device twice.
#include <dlfcn.h>
#include <rdma/fabric.h>
#include <rdma/fi_errno.h>
#include <rdma/providers/fi_log.h>
#include <rdma/providers/fi_prov.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

namespace {

constexpr const char* kName = "aws";
constexpr const char* kNotice = "efa (provider aws is an alias of efa)";
/// Of libfabric's core: a layered provider (rxd, rxm) looks for one below it. No layers on efa, so
/// none on its alias; the core makes that exception by the name efa only.
constexpr uint64_t kForLayer = 1ULL << 59;

fi_provider* efa = nullptr;

int provide_info(uint32_t version, const char* node, const char* service, uint64_t flags,
                 const fi_info* hints, fi_info** info);
int open_fabric(fi_fabric_attr* attributes, fid_fabric** fabric, void* context);
void cleanup();

fi_provider provider{
    .version = 0,
    .fi_version = FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION),
    .context = {},
    .name = kName,
    .getinfo = provide_info,
    .fabric = open_fabric,
    .cleanup = cleanup,
};

void log(fi_log_level level, const std::string& text, int line = __builtin_LINE()) {
  if (fi_log_enabled(&provider, level, FI_LOG_CORE))
    fi_log(&provider, level, FI_LOG_CORE, "aws", line, "%s\n", text.c_str());
}

bool chosen_by_environment() {
  const char* filter = std::getenv("FI_PROVIDER");
  return filter && *filter != '^' && std::strstr(filter, kName);
}

bool chosen_by(const fi_info* hints) {
  const char* name = hints && hints->fabric_attr ? hints->fabric_attr->prov_name : nullptr;
  return name && std::strstr(name, kName);
}

struct FreeInfo {
  void operator()(fi_info* info) const { fi_freeinfo(info); }
};
using InfoPtr = std::unique_ptr<fi_info, FreeInfo>;

/// What efa is to be asked: the same, by its own name.
InfoPtr translated(const fi_info& hints) {
  InfoPtr asked(fi_dupinfo(&hints));
  if (!asked || !asked->fabric_attr) return asked;
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): libfabric's texts are from malloc()
  std::free(asked->fabric_attr->prov_name);
  asked->fabric_attr->prov_name = strdup("efa");
  return asked;
}

int provide_info(uint32_t version, const char* node, const char* service, uint64_t flags,
                 const fi_info* hints, fi_info** info) {
  if (flags & kForLayer || !(chosen_by_environment() || chosen_by(hints))) return -FI_ENODATA;
  const InfoPtr asked = hints ? translated(*hints) : nullptr;
  if (hints && !asked) return -FI_ENOMEM;
  const int status = efa->getinfo(version, node, service, flags, asked.get(), info);
  if (status) return status;
  // The texts of a nic are not libfabric's to free.
  for (fi_info* entry = *info; entry; entry = entry->next)
    if (entry->nic) entry->nic->device_attr->driver = const_cast<char*>(kNotice);
  return 0;
}

int open_fabric(fi_fabric_attr* attributes, fid_fabric** fabric, void* context) {
  log(FI_LOG_INFO,
      "provider aws is an alias of efa; FI_PROVIDER=efa is the same, and what tools know");
  return efa->fabric(attributes, fabric, context);
}

void cleanup() {
  if (efa) efa->cleanup();
  efa = nullptr;
}

/// The file of that name beside this one; empty if this one's path is not known.
std::string neighbour(const char* name) {
  Dl_info self{};
  if (!dladdr(reinterpret_cast<void*>(&neighbour), &self) || !self.dli_fname) return {};
  const std::string path = self.dli_fname;
  return path.substr(0, path.rfind('/') + 1) + name;
}

/// The provider of libefa-fi.so, which counts how often it was started. Null: it has no device, or
/// is for another libfabric, and has said so.
fi_provider* start_efa() {
  const std::string path = neighbour("libefa-fi.so");
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* start = library ? dlsym(library, "fi_prov_ini") : nullptr;
  if (!start) {
    log(FI_LOG_WARN, "alias aws is off, as the provider efa is not beside it: " +
                         std::string(dlerror()) + "; install both files in one folder");
    return nullptr;
  }
  return reinterpret_cast<fi_provider* (*)()>(start)();
}

}  // namespace

/// libfabric calls this once, under its lock: no fi_getinfo() from here.
extern "C" __attribute__((visibility("default"))) fi_provider* fi_prov_ini() {
  efa = start_efa();
  if (!efa) return nullptr;
  provider.version = efa->version;
  return &provider;
}
