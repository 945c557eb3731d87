// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What libfabric sees of this DSO: fi_prov_ini() and the provider's three functions.
#include <rdma/fi_errno.h>
#include <rdma/providers/fi_log.h>
#include <rdma/providers/fi_prov.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include "environment.hpp"
#include "getinfo.hpp"
#include "log.hpp"
#include "verbs_devices.hpp"

namespace efa::fi {
namespace {

/// Lives from fi_prov_ini() to cleanup(), which may be after the destructors of this DSO: so never
/// a static object.
struct State {
  Catalogue catalogue;
  std::mutex lock;
  std::set<std::string> said;  ///< applications try the same hints again and again
};
State* state = nullptr;

int provide_info(uint32_t version, const char* node, const char* service, uint64_t flags,
                 const fi_info* hints, fi_info** info);
int provide_fabric(fi_fabric_attr* attributes, fid_fabric** fabric, void* context);
void cleanup();

fi_provider provider{
    .version = 0,
    .fi_version = kBuiltFor,
    .context = {},
    .name = "efa",
    .getinfo = provide_info,
    .fabric = provide_fabric,
    .cleanup = cleanup,
};

/// The higher version of two providers with one name wins, and libfabric's own counts revisions in
/// tens (spec 1.4): 100 is above all of them.
uint32_t version_to_win(uint32_t libfabric) {
  return FI_VERSION(FI_MAJOR(libfabric) * 100 + FI_MINOR(libfabric), 100);
}

void explain(const Request& request, const Result& result) {
  const bool concerned = concerns_efa(request, std::getenv("FI_PROVIDER"));
  for (std::string& line : reasons(result.refused, request.hints)) {
    bool news = false;
    {
      const std::lock_guard guard(state->lock);
      news = concerned && state->said.insert(line).second;
    }
    log(news ? FI_LOG_WARN : FI_LOG_INFO, line);
  }
}

int provide_info(uint32_t version, const char* node, const char* service, uint64_t flags,
                 const fi_info* hints, fi_info** info) {
  const Request request{version, node, service, flags, hints};
  Result result = get_info(state->catalogue, request);
  if (result.list.empty()) {
    explain(request, result);
    return -FI_ENODATA;
  }
  *info = result.list.take().release();
  return 0;
}

int provide_fabric(fi_fabric_attr*, fid_fabric**, void*) {
  log(FI_LOG_WARN,
      "fabrics cannot be opened yet: this provider only answers fi_getinfo(); leave it "
      "out of FI_PROVIDER_PATH to use libfabric's own");
  return -FI_ENOSYS;
}

void cleanup() {
  const std::unique_ptr<State> owner(std::exchange(state, nullptr));
}

size_t depth_parameter(const char* name) {
  size_t value = 0;
  return fi_param_get_size_t(&provider, name, &value) == 0 ? value : 0;
}

std::string names_of(const std::vector<Device>& devices) {
  std::string names;
  for (const Device& device : devices) names += (names.empty() ? "" : ", ") + device.name;
  return names;
}

std::vector<Device> chosen_devices() {
  std::vector<Device> devices = verbs_devices();
  char* choice = nullptr;
  if (fi_param_get_str(&provider, "iface", &choice) || !choice || devices.empty()) return devices;
  const std::string present = names_of(devices);
  std::erase_if(devices, [&](const Device& device) { return !chosen(choice, device.name); });
  if (devices.empty())
    log(FI_LOG_WARN, std::string("no device left: FI_EFA_IFACE=") + choice + ", there is " +
                         present + "; name one of these, or all");
  return devices;
}

void define_parameters() {
  for (const Variable& variable : variables())
    fi_param_define(&provider, variable.name, variable.type, "%s", variable.help);
}

bool start() {
  const uint32_t running = fi_version();
  if (abi_class(running) != kBuiltAbi) {
    log(FI_LOG_WARN, "built for libfabric " + version_text(kBuiltFor) + ", this is " +
                         version_text(running) +
                         ", whose structures differ; install the build of this provider for it");
    return false;
  }
  provider.version = version_to_win(running);
  define_parameters();
  std::vector<Device> devices = chosen_devices();
  if (devices.empty()) {
    log(FI_LOG_INFO, "no EFA device, no provider");
    return false;
  }
  for (const std::string& line : complaints(environ)) log(FI_LOG_WARN, line);
  const Depths depths{depth_parameter("tx_size"), depth_parameter("rx_size")};
  auto made = std::make_unique<State>();
  made->catalogue = make_catalogue(kRelease, std::move(devices), depths, provider.version);
  state = made.release();
  return true;
}

}  // namespace

void log(fi_log_level level, const std::string& text, const char* function, int line) {
  if (fi_log_enabled(&provider, level, FI_LOG_CORE))
    fi_log(&provider, level, FI_LOG_CORE, function, line, "%s\n", text.c_str());
}

}  // namespace efa::fi

/// libfabric calls this once, under its lock: no fi_getinfo() from here.
extern "C" __attribute__((visibility("default"))) fi_provider* fi_prov_ini() {
  return efa::fi::start() ? &efa::fi::provider : nullptr;
}
