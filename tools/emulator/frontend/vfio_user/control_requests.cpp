// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/vfio_user/control_requests.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/result.hpp"

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
  Result<Json> stats(Port& port, const Json& request);
  Result<Json> vanish(Port& port, const Json& request);

  std::vector<Port>& ports_;
  Nanoseconds now_;
};

const Requests::Operation Requests::kOperations[] = {
    {"stats", &Requests::stats},
    {"vanish", &Requests::vanish},
};

Result<std::uint64_t> number_of(const Json& request, const char* key, std::uint64_t otherwise,
                                std::uint64_t most) {
  const auto found = request.find(key);
  if (found == request.end()) return otherwise;
  if (!found->is_number_unsigned() || found->get<std::uint64_t>() > most)
    return fail(EINVAL, fmt::format("\"{}\" is {}", key, found->dump()),
                fmt::format("give a number from 0 to {}", most));
  return found->get<std::uint64_t>();
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

Result<Json> Requests::stats(Port& port, const Json&) {
  const AccessCounters& accesses = port.function->accesses();
  const Statistics& counters = port.function->device().stats;
  return Json{{"connected", port.session != nullptr},
              {"register_reads", accesses.register_reads},
              {"register_writes", accesses.register_writes},
              {"doorbells", accesses.doorbells},
              {"resets", accesses.resets},
              {"admin_commands", counters.admin_commands},
              {"admin_errors", counters.admin_errors}};
}

Result<Json> Requests::vanish(Port& port, const Json& request) {
  const auto after = number_of(request, "after_ms", 0, 3'600'000);
  if (!after) return tl::unexpected(after.error());
  if (port.session == nullptr)
    return fail(ENOTCONN, fmt::format("{} has no client", port.name), "start QEMU first");
  port.vanishes_at = now_ + *after * 1'000'000;
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
