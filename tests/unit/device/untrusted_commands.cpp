// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Whatever a host sends, the device answers with a known status and stays consistent. Meant to run
/// under the address and undefined-behaviour sanitizers as well.
#include <gtest/gtest.h>

#include <random>

#include "device/mock_driver.hpp"

namespace efa::emu::test {
namespace {

using Command = std::array<std::byte, kAdminEntrySize>;

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  std::uint32_t below(std::uint32_t limit) { return random_() % limit; }

  /// Mostly small numbers, addresses and powers of two in the fields, so that many commands
  /// succeed.
  Command command(ArrayMemory& memory, const Command& plausible) {
    Command out = plausible;
    out[2] = static_cast<std::byte>(below(30));
    out[3] = static_cast<std::byte>(below(8));
    for (std::uint32_t i = below(6); i != 0; --i) {
      const std::size_t at = 4 + 4 * below(15);
      const std::uint32_t word = interesting(memory);
      std::memcpy(out.data() + at, &word, sizeof word);
    }
    return out;
  }

 private:
  std::uint32_t interesting(ArrayMemory& memory) {
    switch (below(6)) {
      case 0:
        return below(4);
      case 1:
        return 1u << below(32);
      case 2:
        return static_cast<std::uint32_t>(memory.kBase >> 32);
      case 3:
        return below(64) << 12;
      case 4:
        return below(0x10000);
      default:
        return random_();
    }
  }

  std::mt19937 random_;
};

template <class T>
Command bytes_of(const T& command) {
  Command out{};
  std::memcpy(out.data(), &command, sizeof command);
  return out;
}

TEST(UntrustedCommands, AreAnsweredWithAKnownStatus) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    Rig rig("efa4", {.strict = seed % 4 == 3});
    Generator generator(seed);
    const std::uint16_t pd = rig.pd();
    const std::uint16_t uar = rig.uar();
    const std::uint16_t eq = rig.eq();
    const auto cq = rig.create_cq(rig.cq_command_with_events(uar, eq)).body.cq_idx;
    const Command seeds[] = {
        bytes_of(rig.qp_command(pd, uar, cq, EFA_QP_TYPE_SRD, 32)),
        bytes_of(rig.cq_command_with_events(uar, eq)),
        bytes_of(rig.eq_command(5)),
        bytes_of(rig.mr_command(pd, rig.memory.allocate(16384), 16384)),
        Command{},
    };
    for (int i = 0; i < 5000; ++i) {
      const Command command =
          generator.command(rig.memory, seeds[generator.below(std::size(seeds))]);
      Command response;
      const auto status = rig.device.execute(command, response);
      ASSERT_LE(status, EFA_AQ_COMPLETION_STATUS_RESOURCE_BUSY);
      ASSERT_NE(status, EFA_AQ_COMPLETION_STATUS_UNKNOWN_ERROR);
      ASSERT_EQ(static_cast<unsigned>(response[2]), status);
    }
    rig.device.reset();
    EXPECT_EQ(rig.pd(), 0) << "nothing is left behind";
  }
}

TEST(UntrustedRegisters, NeverMakeTheDeviceLeaveItsMemory) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    Rig rig("efa4");
    MockDriver driver(rig);
    driver.probe();
    std::mt19937 random(seed);
    for (int i = 0; i < 5000; ++i) {
      const std::uint32_t offset = random() % 0x80;
      std::uint32_t value = random();
      if (random() % 3 == 0) value = static_cast<std::uint32_t>(rig.memory.kBase >> 32);
      if (random() % 3 == 0) value = 0x00400000u | 1u << random() % 16;
      rig.device.write_register(offset, value);
      rig.device.read_register(offset);
    }
    rig.device.write_register(EFA_REG_DEV_CTL, 0);
    driver.probe();
    EXPECT_TRUE(driver.run<efa_alloc_pd_resp>(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{})->ok());
  }
}

}  // namespace
}  // namespace efa::emu::test
