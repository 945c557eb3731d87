// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A driver over messages alone: probe, queues, arming and doorbells, with interrupts as eventfds.
#include "client.hpp"
#include "efa_hw.h"

namespace efa::emu::vfio_user::test {
namespace {

constexpr DmaAddr kAnswer = 0x1000, kAq = 0x2000, kAcq = 0x4000, kEq = 0x6000, kCq = 0x8000;
constexpr std::uint32_t kDepth = 32;

class Driver : public Greeted {
 protected:
  explicit Driver(Doorbells doorbells = Doorbells::kTrapped) : Greeted(doorbells) {}

  void SetUp() override {
    Greeted::SetUp();
    become_bus_master();
    ASSERT_EQ(dma_map(0, kRamBytes, &file_), 0);
    void* at = ::mmap(nullptr, kRamBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
    ASSERT_NE(at, MAP_FAILED);
    ram_ = static_cast<std::byte*>(at);
    ASSERT_EQ(connect_vector(0, management_), 0);
    ASSERT_EQ(connect_vector(1, completion_), 0);
    set_register(EFA_REG_MMIO_RESP_HI, 0);
    set_register(EFA_REG_MMIO_RESP_LO, kAnswer);
    set_register(EFA_REG_AQ_BASE_LO, kAq);
    set_register(EFA_REG_AQ_CAPS,
                 efa_reg_aq_caps_set_aq_entry_size(efa_reg_aq_caps_set_aq_depth(0, kDepth), 64));
    set_register(EFA_REG_ACQ_BASE_LO, kAcq);
    set_register(EFA_REG_ACQ_CAPS, efa_reg_acq_caps_set_acq_entry_size(
                                       efa_reg_acq_caps_set_acq_depth(0, kDepth), 64));
  }
  ~Driver() override { ::munmap(ram_, kRamBytes); }

  void set_register(std::uint32_t offset, std::uint32_t value) {
    ASSERT_EQ(store<std::uint32_t>(kRegisterBar, offset, value), 0);
  }
  template <class T>
  T& at(DmaAddr addr) {
    return *reinterpret_cast<T*>(ram_ + addr);
  }

  template <class Response, class Command>
  Response run(efa_aq_opcode opcode, Command command) {
    command.aq_common_desc.opcode = static_cast<std::uint8_t>(opcode);
    efa_aq_common_desc_set_phase(&command.aq_common_desc, 1);
    std::memcpy(ram_ + kAq + commands_ * 64, &command, sizeof command);
    set_register(EFA_REG_AQ_PROD_DB, ++commands_);
    EXPECT_EQ(signals_of(management_), 1u);
    Response response;
    std::memcpy(&response, ram_ + kAcq + (commands_ - 1) * 64, sizeof response);
    EXPECT_EQ(response.acq_common_desc.status, EFA_AQ_COMPLETION_STATUS_SUCCESS);
    return response;
  }

  void create_cq_with_events() {
    efa_create_eq_cmd eq{};
    eq.depth = 64;
    eq.msix_vec = 1;
    efa_create_eq_cmd_set_entry_size_words(&eq, sizeof(efa_eqe) / 4);
    efa_create_eq_cmd_set_completion_events(&eq, 1);
    efa_mem_addr_set(&eq.ba, kEq);
    const auto eqn = run<efa_create_eq_resp>(EFA_AQ_OPCODE_CREATE_EQ, eq).eqn;
    set_register(EFA_REG_EQ_DB, efa_reg_eq_db_set_arm(eqn, 1));
    const auto uar = run<efa_alloc_uar_resp>(EFA_AQ_OPCODE_ALLOC_UAR, efa_alloc_uar_cmd{}).uar;
    efa_create_cq_cmd cq{};
    efa_create_cq_cmd_set_cq_entry_size_words(&cq, sizeof(efa_rx_cdesc_ex) / 4);
    efa_create_cq_cmd_set_interrupt_mode_enabled(&cq, 1);
    cq.sub_cq_depth = 64;
    cq.num_sub_cqs = 1;
    cq.uar = uar;
    cq.eqn = eqn;
    efa_mem_addr_set(&cq.cq_ba, kCq);
    const auto made = run<efa_create_cq_resp>(EFA_AQ_OPCODE_CREATE_CQ, cq);
    cq_ = function_->device().find_cq(made.cq_idx);
    cq_doorbell_ = made.db_offset;
    ASSERT_NE(cq_, nullptr);
  }

  std::uint32_t arm(std::uint32_t consumed, std::uint32_t cmd_sn) {
    std::uint32_t value = efa_cq_doorbell_set_consumer_index(0, consumed);
    value = efa_cq_doorbell_set_cmd_sn(value, cmd_sn);
    return efa_cq_doorbell_set_arm(value, 1);
  }
  void complete() {
    efa_rx_cdesc_ex cqe{};
    cq_->push(0, cqe);
  }

  static constexpr std::size_t kRamBytes = 1 << 20;
  FileDescriptor file_ = memory_file(kRamBytes);
  FileDescriptor management_ = event();
  FileDescriptor completion_ = event();
  std::byte* ram_ = nullptr;
  std::uint32_t commands_ = 0;
  CompletionQueue* cq_ = nullptr;
  std::uint32_t cq_doorbell_ = 0;
};

class MappedDriver : public Driver {
 protected:
  MappedDriver() : Driver(Doorbells::kShared) {}
};

TEST_F(Driver, ReadsRegistersByDma) {
  at<efa_mmio_read_resp>(kAnswer).req_id = 0x9b;
  set_register(EFA_REG_MMIO_REG_READ, efa_reg_mmio_reg_read_set_reg_off(
                                          efa_reg_mmio_reg_read_set_req_id(0, 1), EFA_REG_CAPS));
  EXPECT_EQ(at<efa_mmio_read_resp>(kAnswer).req_id, 1);
  EXPECT_EQ(at<efa_mmio_read_resp>(kAnswer).reg_off, EFA_REG_CAPS);
  EXPECT_EQ(at<efa_mmio_read_resp>(kAnswer).reg_val,
            function_->device().read_register(EFA_REG_CAPS));
}

TEST_F(Driver, GetsAnInterruptForEachAdminCommand) {
  run<efa_alloc_pd_resp>(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{});
  run<efa_alloc_pd_resp>(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{});
  EXPECT_EQ(function_->device().population().pds, 2u);
}

TEST_F(Driver, GetsOneEventPerArm) {
  create_cq_with_events();
  complete();
  EXPECT_EQ(signals_of(completion_), 0u) << "not armed";
  store<std::uint32_t>(kDoorbellBar, cq_doorbell_, arm(0, 0));
  EXPECT_EQ(signals_of(completion_), 1u);
  complete();
  EXPECT_EQ(signals_of(completion_), 0u);
}

// Trapped doorbells come one by one: an arm that is at once followed by a plain consumer index is
// not lost, and the words themselves arm nothing.
TEST_F(Driver, LosesNoArmBetweenTwoPasses) {
  create_cq_with_events();
  store<std::uint32_t>(kDoorbellBar, cq_doorbell_, arm(0, 0));
  store<std::uint32_t>(kDoorbellBar, cq_doorbell_, 0);
  function_->data_path().poll();
  complete();
  EXPECT_EQ(signals_of(completion_), 1u);
}

TEST_F(Driver, ArmsNothingByAnUnarmedDoorbell) {
  create_cq_with_events();
  store<std::uint32_t>(kDoorbellBar, cq_doorbell_, efa_cq_doorbell_set_cmd_sn(0, 1));
  function_->data_path().poll();
  complete();
  function_->data_path().poll();
  EXPECT_EQ(signals_of(completion_), 0u);
}

// Nothing has to be looked at between messages: no wake-ups.
TEST_F(Driver, WithTrappedDoorbellsLeavesNothingToPoll) {
  create_cq_with_events();
  EXPECT_FALSE(function_->data_path().watching());
}

TEST_F(MappedDriver, LeavesDoorbellsToPoll) {
  create_cq_with_events();
  EXPECT_TRUE(function_->data_path().watching());
  *function_->device().doorbell_word(cq_doorbell_) = arm(0, 0);
  function_->data_path().poll();
  complete();
  EXPECT_EQ(signals_of(completion_), 1u);
}

TEST_F(Driver, LosesItsObjectsWithItsClient) {
  create_cq_with_events();
  session_.reset();
  const auto population = function_->device().population();
  EXPECT_EQ(population.cqs + population.eqs + population.uars, 0u);
}

// The interrupt of the last completion comes before the vector is connected again.
TEST_F(Driver, KeepsAnInterruptWhileItsVectorIsTakenAway) {
  create_cq_with_events();
  set_irqs(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 1, 1);
  store<std::uint32_t>(kDoorbellBar, cq_doorbell_, arm(0, 0));
  complete();
  EXPECT_EQ(signals_of(completion_), 0u);
  connect_vector(1, completion_);
  EXPECT_EQ(signals_of(completion_), 1u);
}

TEST_F(Driver, ReachesNothingAfterItStoppedBeingBusMaster) {
  store<std::uint16_t>(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, PCI_COMMAND_MEMORY);
  at<efa_mmio_read_resp>(kAnswer).req_id = 0x9b;
  set_register(EFA_REG_MMIO_REG_READ, efa_reg_mmio_reg_read_set_req_id(0, 1));
  EXPECT_EQ(at<efa_mmio_read_resp>(kAnswer).req_id, 0x9b);
}

}  // namespace
}  // namespace efa::emu::vfio_user::test
