// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Registers, admin queue and commands of one device, driven by a driver that knows the layout and
/// respects nothing else. Whatever it does, the device answers, and a reset leaves nothing behind.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>

#include "device/mock_driver.hpp"

using namespace efa::emu;
using namespace efa::emu::test;

namespace {

void check(bool condition) {
  if (!condition) std::abort();
}

class Machine {
 public:
  Machine(FuzzedDataProvider& input, std::string_view generation, const DeviceOptions& options)
      : input_(input),
        rig_(generation, options, default_identity(), 1 << 16, 1 << 22),
        driver_(rig_, geometry(generation)) {
    rig_.device.connect(&hooks_);
    driver_.probe();
    // Something that numbers in commands can hit.
    const auto pd = rig_.pd();
    const auto uar = rig_.uar();
    const auto eq = rig_.eq();
    const auto cq = rig_.create_cq(rig_.cq_command_with_events(uar, eq)).body.cq_idx;
    rig_.create_qp(rig_.qp_command(pd, uar, cq, EFA_QP_TYPE_SRD, 32));
    page_ = rig_.memory.allocate(16 * 4096);
    rig_.reg_mr(rig_.mr_command(pd, page_, 4096));
  }

  void run() {
    for (int steps = 0; steps < 300 && input_.remaining_bytes() != 0; ++steps) {
      act();
      hooks_.calls.clear();
      rig_.interrupts.vectors.clear();
    }
    rig_.device.reset();
    rig_.device.for_each_qp([](const QueuePair&) { std::abort(); });
    check(rig_.device.address_handles().size() == 0);
    check(rig_.device.find_cq(0) == nullptr);
    // It can be probed again.
    rig_.memory.hide(0, 0);
    driver_.probe();
    check(driver_.run<efa_alloc_pd_resp>(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{}).has_value());
  }

 private:
  static MockDriver::Geometry geometry(std::string_view generation) {
    MockDriver::Geometry made;
    if (find_profile(generation)->api_version >= EFA_API_VERSION_AQ_V2)
      made.entry_size = EFA_AQ_ENTRY_SIZE_V2;
    return made;
  }

  void act() {
    switch (input_.ConsumeIntegralInRange(0, 11)) {
      case 0:
        return rig_.device.write_register(input_.ConsumeIntegralInRange<std::uint32_t>(0, 0x120),
                                          input_.ConsumeIntegral<std::uint32_t>());
      case 1:
        return rig_.device.write_register(input_.ConsumeIntegral<std::uint32_t>(),
                                          input_.ConsumeIntegral<std::uint32_t>());
      case 2:
        (void)driver_.read(input_.ConsumeIntegralInRange<std::uint32_t>(0, 0x120));
        (void)rig_.device.read_register(input_.ConsumeIntegral<std::uint32_t>());
        return;
      case 3:
        return through_queue();
      case 4:
        rig_.clock.advance(input_.ConsumeIntegralInRange<Nanoseconds>(0, 10'000'000'000));
        (void)rig_.device.run_timers();
        return;
      case 5:
        if (input_.ConsumeBool())
          rig_.memory.hide(driver_.acq(), 4096);
        else
          rig_.memory.hide(0, 0);
        return;
      case 6:
        rig_.device.inject_event(static_cast<efa_aenq_group>(input_.ConsumeIntegralInRange(0, 7)),
                                 input_.ConsumeIntegral<std::uint16_t>());
        return;
      case 7:
        if (input_.ConsumeIntegralInRange(0, 15) == 0) {
          rig_.device.reset();
          driver_.probe();
        }
        return;
      default:
        return direct();
    }
  }

  /// A command whose header is right; small numbers in the body hit existing objects.
  std::array<std::byte, kAdminEntrySize> command() {
    std::array<std::byte, kAdminEntrySize> made{};
    const auto opcode = input_.ConsumeIntegralInRange<std::uint8_t>(0, 28);
    const auto body = input_.ConsumeBytes<std::uint8_t>(input_.ConsumeIntegralInRange<std::size_t>(
        0, kAdminEntrySize - sizeof(efa_aq_common_desc)));
    efa_aq_common_desc header{};
    header.opcode = opcode;
    header.flags = input_.ConsumeIntegral<std::uint8_t>();
    std::memcpy(made.data(), &header, sizeof header);
    if (!body.empty()) std::memcpy(made.data() + sizeof header, body.data(), body.size());
    // Addresses hardly come out right by chance.
    for (int i = input_.ConsumeIntegralInRange(0, 2); i > 0; --i) {
      const DmaAddr addr = page_ + 4096 * input_.ConsumeIntegralInRange<DmaAddr>(0, 15);
      std::memcpy(made.data() + input_.ConsumeIntegralInRange<std::size_t>(4, 56), &addr,
                  sizeof addr);
    }
    return made;
  }

  void direct() {
    const auto made = command();
    std::array<std::byte, kAdminEntrySize> response{};
    const auto status = rig_.device.execute(made, response);
    check(status <= EFA_AQ_COMPLETION_STATUS_RESOURCE_BUSY);
  }

  void through_queue() {
    const auto made = command();
    if (input_.ConsumeBool()) {
      driver_.put(made);
    } else {
      efa_alloc_pd_cmd cmd{};  // any command of full size
      efa_aq_common_desc header;
      std::memcpy(&header, made.data(), sizeof header);
      driver_.submit(static_cast<efa_aq_opcode>(header.opcode), cmd);
    }
    input_.ConsumeIntegralInRange(0, 7) == 0 ? driver_.ring(input_.ConsumeIntegral<std::uint16_t>())
                                             : driver_.ring();
    while (driver_.poll()) {
    }
  }

  FuzzedDataProvider& input_;
  Rig rig_;
  RecordedHooks hooks_;
  MockDriver driver_;
  DmaAddr page_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const char* generation = input.PickValueInArray({"efa0", "efa1", "efa2", "efa3", "efa4"});
  DeviceOptions options;
  options.strict = input.ConsumeBool();
  Machine(input, generation, options).run();
  return 0;
}
