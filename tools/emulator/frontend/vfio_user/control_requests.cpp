// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/vfio_user/control_requests.hpp"

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/result.hpp"
#include "device/admin_faults.hpp"

namespace efa::emu::vfio_user {

namespace {

using Json = nlohmann::ordered_json;

class Requests {
 public:
  Requests(std::vector<Port>& ports, Nanoseconds now) : ports_(ports), now_(now) {}

  Result<Json> carry_out(const Json& request);

 private:
  using Handler = Result<Json> (Requests::*)(Port&, const Json&);
  struct Operation {
    std::string_view name;
    Handler handler;
  };
  static const Operation kOperations[];

  Result<Port*> port_of(const Json& request);
  Result<Json> arm_fault(Port& port, const Json& request);
  Result<Json> clear(Port& port, const Json& request);
  Result<Json> event(Port& port, const Json& request);
  Result<Json> keep_alive(Port& port, const Json& request);
  Result<Json> reset_timeout(Port& port, const Json& request);
  Result<Json> stats(Port& port, const Json& request);
  Result<Json> vanish(Port& port, const Json& request);
  Result<Json> unplug(Port& port, const Json& request);
  Result<Json> plug(Port& port, const Json& request);

  std::vector<Port>& ports_;
  Nanoseconds now_;
};

const Requests::Operation Requests::kOperations[] = {
    {"fault", &Requests::arm_fault}, {"clear", &Requests::clear},
    {"event", &Requests::event},     {"keepalive", &Requests::keep_alive},
    {"vanish", &Requests::vanish},   {"reset_timeout", &Requests::reset_timeout},
    {"unplug", &Requests::unplug},   {"plug", &Requests::plug},
    {"stats", &Requests::stats},
};

constexpr std::uint64_t kMaxMilliseconds = 3'600'000;
constexpr Nanoseconds kMillisecond = 1'000'000;

/// An optional number: `otherwise` if the key is missing.
Result<std::uint64_t> number_of(const Json& request, const char* key, std::uint64_t otherwise,
                                std::uint64_t least, std::uint64_t most) {
  const auto found = request.find(key);
  if (found == request.end()) return otherwise;
  const bool number = found->is_number_unsigned();
  const std::uint64_t value = number ? found->get<std::uint64_t>() : 0;
  if (number && value >= least && value <= most) return value;
  return fail(EINVAL, fmt::format("\"{}\" is {}", key, found->dump()),
              fmt::format("give a number from {} to {}", least, most));
}

Result<bool> switch_of(const Json& request) {
  const auto found = request.find("on");
  if (found != request.end() && found->is_boolean()) return found->get<bool>();
  return fail(EINVAL, "\"on\" is missing or no truth value", "give \"on\":true or \"on\":false");
}

/// An opcode by name or number; nothing for "any".
Result<std::optional<std::uint8_t>> opcode_of(const Json& request) {
  const Json value = request.value("opcode", Json("any"));
  if (value == "any") return std::optional<std::uint8_t>();
  if (value.is_number_unsigned() && value.get<std::uint64_t>() <= 255)
    return std::optional(value.get<std::uint8_t>());
  if (value.is_string())
    if (const auto opcode = find_admin_opcode(value.get<std::string>())) return opcode;
  return fail(EINVAL, fmt::format("there is no opcode {}", value.dump()),
              "give a number, a name such as \"CREATE_QP\", or \"any\"");
}

Result<AdminFault::Kind> kind_of(const Json& request, const Device& device) {
  const Json value = request.value("kind", Json());
  const auto kind = value.is_string() ? find_admin_fault_kind(value.get<std::string>())
                                      : std::optional<AdminFault::Kind>();
  if (!kind)
    return fail(EINVAL, fmt::format("there is no kind {}", value.dump()),
                "choose status, timeout, late, lost, wrong_id, stale_phase, garbage or bad_crc");
  if (*kind == AdminFault::Kind::kBadCrc && device.api_version() < EFA_API_VERSION_ACQ_CRC)
    return fail(EINVAL, "answers have no checksum at the level of this device",
                "start efa-emu serve with --api-version 0.2 or 0.3");
  return *kind;
}

Result<Port*> Requests::port_of(const Json& request) {
  const auto name = request.value("device", Json());
  const auto found = std::ranges::find_if(
      ports_, [&name](const Port& port) { return name.is_string() && name == port.name; });
  if (found != ports_.end()) return &*found;
  return fail(ENODEV, fmt::format("there is no device {}", name.dump()),
              fmt::format("the devices are {} to {}", ports_.front().name, ports_.back().name));
}

Result<Json> Requests::carry_out(const Json& request) {
  const Json name = request.value("op", Json());
  if (name == "ping") return Json::object();
  for (const Operation& operation : kOperations) {
    if (name != operation.name) continue;
    auto port = port_of(request);
    if (!port) return tl::unexpected(port.error());
    return (this->*operation.handler)(**port, request);
  }
  return fail(EINVAL, fmt::format("there is no operation {}", name.dump()),
              "efa-emu(1) lists them");
}

/// A fault of kind status without a number fails as the device does when it is out of resources.
Result<Json> Requests::arm_fault(Port& port, const Json& request) {
  Device& device = port.function->device();
  const auto kind = kind_of(request, device);
  if (!kind) return tl::unexpected(kind.error());
  const auto opcode = opcode_of(request);
  if (!opcode) return tl::unexpected(opcode.error());
  const std::uint64_t failure =
      *kind == AdminFault::Kind::kStatus ? EFA_AQ_COMPLETION_STATUS_RESOURCE_ALLOCATION_FAILURE : 0;
  const auto status = number_of(request, "status", failure, 0, 255);
  const auto count = number_of(request, "count", 1, 1, UINT32_MAX);
  const auto skip = number_of(request, "skip", 0, 0, UINT32_MAX);
  const auto delay = number_of(request, "delay_ms", 0, 0, kMaxMilliseconds);
  for (const auto* number : {&status, &count, &skip, &delay})
    if (!*number) return tl::unexpected(number->error());
  AdminFaults& faults = device.admin_faults();
  faults.arm({*kind, *opcode, static_cast<std::uint8_t>(*status), static_cast<std::uint32_t>(*skip),
              static_cast<std::uint32_t>(*count), *delay * kMillisecond});
  return Json{{"armed", faults.armed()}};
}

/// Everything that is wrong with the device by request is right again.
Result<Json> Requests::clear(Port& port, const Json&) {
  Device& device = port.function->device();
  device.admin_faults().clear();
  device.silence_keep_alive(false);
  device.hold_reset(false);
  port.function->set_plugged(true);
  port.vanishes_at.reset();
  return Json::object();
}

Result<Json> Requests::event(Port& port, const Json& request) {
  const auto group = number_of(request, "group", EFA_AENQ_GROUP_NOTIFICATION, 0, 31);
  if (!group) return tl::unexpected(group.error());
  const auto syndrome = number_of(request, "syndrome", 0, 0, UINT16_MAX);
  if (!syndrome) return tl::unexpected(syndrome.error());
  const bool reported = port.function->device().inject_event(static_cast<efa_aenq_group>(*group),
                                                             static_cast<std::uint16_t>(*syndrome));
  return Json{{"reported", reported}};  // not if the driver did not enable the group
}

Result<Json> Requests::keep_alive(Port& port, const Json& request) {
  const auto on = switch_of(request);
  if (!on) return tl::unexpected(on.error());
  port.function->device().silence_keep_alive(!*on);
  return Json::object();
}

Result<Json> Requests::reset_timeout(Port& port, const Json& request) {
  const auto on = switch_of(request);
  if (!on) return tl::unexpected(on.error());
  port.function->device().hold_reset(*on);
  return Json::object();
}

Json by_opcode(const Statistics& counters) {
  Json json = Json::object();
  for (std::size_t opcode = 0; opcode < counters.admin_by_opcode.size(); ++opcode)
    if (const std::uint64_t count = counters.admin_by_opcode[opcode]; count != 0)
      json[std::string(admin_opcode_name(static_cast<std::uint8_t>(opcode)))] = count;
  return json;
}

Json objects(const Device& device) {
  const Device::Population p = device.population();
  return {{"pd", p.pds}, {"uar", p.uars}, {"eq", p.eqs}, {"cq", p.cqs},
          {"mr", p.mrs}, {"qp", p.qps},   {"ah", p.ahs}, {"event_counter", p.event_counters}};
}

Result<Json> Requests::stats(Port& port, const Json&) {
  PciFunction& function = *port.function;
  const AccessCounters& accesses = function.accesses();
  const Statistics& counters = function.device().stats;
  return Json{{"connected", port.session != nullptr},
              {"register_reads", accesses.register_reads},
              {"register_writes", accesses.register_writes},
              {"doorbells", accesses.doorbells},
              {"config_reads", accesses.config_reads},
              {"config_writes", accesses.config_writes},
              {"resets", accesses.resets},
              {"interrupts", function.vectors().signalled()},
              {"dma_maps", function.memory().ranges()},
              {"admin_commands", counters.admin_commands},
              {"admin_errors", counters.admin_errors},
              {"admin_crc_errors", counters.admin_crc_errors},
              {"admin_by_opcode", by_opcode(counters)},
              {"faults_taken", function.device().admin_faults().taken()},
              {"faults_armed", function.device().admin_faults().armed()},
              {"aenq_dropped", counters.aenq_dropped},
              {"objects", objects(function.device())},
              {"tx_bytes", counters.tx_bytes},
              {"tx_pkts", counters.tx_pkts},
              {"rx_bytes", counters.rx_bytes},
              {"rx_pkts", counters.rx_pkts},
              {"rx_drops", counters.rx_drops}};
}

Result<Json> Requests::vanish(Port& port, const Json& request) {
  const auto after = number_of(request, "after_ms", 0, 0, kMaxMilliseconds);
  if (!after) return tl::unexpected(after.error());
  if (port.session == nullptr)
    return fail(ENOTCONN, fmt::format("{} has no client", port.name), "start QEMU first");
  port.vanishes_at = now_ + *after * kMillisecond;
  return Json::object();
}

/// Unlike after vanish, the client lives on, and the device can come back.
Result<Json> Requests::unplug(Port& port, const Json&) {
  port.function->set_plugged(false);
  return Json::object();
}

Result<Json> Requests::plug(Port& port, const Json&) {
  port.function->set_plugged(true);
  return Json::object();
}

}  // namespace

std::string answer_control_request(std::string_view request, std::vector<Port>& ports,
                                   Nanoseconds now) {
  Json reply{{"ok", true}};
  const Json parsed = Json::parse(request, nullptr, false);
  Result<Json> result = parsed.is_object() ? Requests(ports, now).carry_out(parsed)
                                           : fail(EINVAL, "the request is no JSON object",
                                                  "write for example {\"op\":\"ping\"}");
  if (result)
    reply.update(*result);
  else
    reply = Json{{"ok", false}, {"error", result.error().text()}};
  return reply.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace efa::emu::vfio_user
