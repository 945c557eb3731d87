// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What libfabric sees of this DSO: fi_prov_ini() and the functions of a provider.
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
#include "objects/fabric.hpp"
#include "objects/parameters.hpp"
#include "objects/process.hpp"
#include "verbs_devices.hpp"

namespace efa::fi {
namespace {

/// Lives from fi_prov_ini() to cleanup(), which may be after the destructors of this DSO: so never
/// a static object.
struct State {
  int starts = 1;  ///< by libfabric and by the alias (alias/aws.cpp), each with its cleanup()
  Process process;
  std::mutex lock;
  std::set<std::string> said;  ///< applications try the same hints again and again
};
State* state = nullptr;

int provide_info(uint32_t version, const char* node, const char* service, uint64_t flags,
                 const fi_info* hints, fi_info** info);
void cleanup();

fi_provider provider{
    .version = 0,
    .fi_version = kBuiltFor,
    .context = {},
    .name = "efa",
    .getinfo = provide_info,
    .fabric = open_fabric,
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

/// Those that hint objects leave, with the open objects in them.
InfoList with_open_objects(InfoPtr list, const fi_info* hints) {
  InfoList kept;
  while (list) {
    InfoPtr next(std::exchange(list->next, nullptr));
    if (state->process.objects.enter(*list, hints)) kept.append(std::move(list));
    list = std::move(next);
  }
  return kept;
}

int provide_info(uint32_t version, const char* node, const char* service, uint64_t flags,
                 const fi_info* hints, fi_info** info) {
  const Request request{version, node, service, flags, hints};
  Result result = get_info(state->process.catalogue, request);
  if (result.list.empty()) {
    explain(request, result);
    return -FI_ENODATA;
  }
  InfoList entered = with_open_objects(result.list.take(), hints);
  if (entered.empty()) {
    log(FI_LOG_WARN,
        "no entry has the open fabric or domain of the hints (fabric_attr->fabric, "
        "domain_attr->domain); leave them null, or take them from an answer of fi_getinfo()");
    return -FI_ENODATA;
  }
  *info = entered.take().release();
  return 0;
}

void cleanup() {
  if (!state || --state->starts > 0) return;
  const std::unique_ptr<State> owner(std::exchange(state, nullptr));
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

Settings usable_settings() {
  std::vector<std::string> complaints;
  const Settings settings = read_settings(FabricParameters(provider), complaints);
  for (const std::string& line : complaints) log(FI_LOG_WARN, line);
  return settings;
}

/// libfabric's own provider ends the program here (spec libfabric-api 6.2).
void say_useless_rdma(const Process& of) {
  if (!of.settings.use_device_rdma.value_or(false)) return;
  for (const Device& device : of.catalogue.devices)
    if (!device.rdma_read)
      log(FI_LOG_WARN, "FI_EFA_USE_DEVICE_RDMA=1 does nothing for " + device.name +
                           ", which has no RDMA: RMA goes by protocol there; unset the variable");
}

bool start() {
  if (state) {
    ++state->starts;
    return true;
  }
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
  for (const std::string& line : remarks(environ)) log(FI_LOG_INFO, line);
  auto made = std::make_unique<State>();
  made->process.settings = usable_settings();
  const Depths depths{made->process.settings.tx_size, made->process.settings.rx_size};
  made->process.catalogue = make_catalogue(kRelease, std::move(devices), depths, provider.version);
  say_useless_rdma(made->process);
  made->process.dump_signal.install(made->process.settings.dump_signal);
  state = made.release();
  return true;
}

}  // namespace

Process& process() {
  return state->process;
}

void log(fi_log_level level, const std::string& text, const char* function, int line) {
  if (fi_log_enabled(&provider, level, FI_LOG_CORE))
    fi_log(&provider, level, FI_LOG_CORE, function, line, "%s\n", text.c_str());
}

}  // namespace efa::fi

/// libfabric calls this once, under its lock: no fi_getinfo() from here.
extern "C" __attribute__((visibility("default"))) fi_provider* fi_prov_ini() {
  return efa::fi::start() ? &efa::fi::provider : nullptr;
}
