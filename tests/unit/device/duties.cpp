// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The duties of device.md 8 that concern the device model, each as one test that carries its
/// number.
#include <gtest/gtest.h>

#include <bit>
#include <set>

#include "device/async_event_queue.hpp"
#include "device/mock_driver.hpp"
#include "device/page_list_builder.hpp"

namespace efa::emu::test {
namespace {

constexpr const char* kGenerations[] = {"efa0", "efa1", "efa2", "efa3", "efa4"};

/// A probed device whose commands go through the admin queue.
struct Probed : Rig {
  explicit Probed(std::string_view generation = "efa2", const MockDriver::Geometry& geometry = {})
      : Rig(generation), driver(*this, geometry) {
    driver.probe();
    interrupts.vectors.clear();
  }
  MockDriver driver;
};

efa_get_feature_cmd feature(efa_feature_id id) {
  efa_get_feature_cmd cmd{};
  cmd.feature_common.feature_id = static_cast<std::uint8_t>(id);
  return cmd;
}

TEST(KernelDuties, K1_IdentityAndVectorsOfEveryGeneration) {
  for (unsigned i = 0; i < 5; ++i) {
    const Profile& profile = *find_profile(kGenerations[i]);
    EXPECT_EQ(profile.pci_device, 0xefa0 + i);
    EXPECT_GE(profile.msix_vectors, 2);
    EXPECT_EQ(profile.msix_vectors, profile.max_eq + 1);
  }
}

TEST(KernelDuties, K2_ReadlessReadsAreAnsweredAtOnceAlsoDuringReset) {
  Rig rig;
  MockDriver driver(rig);
  driver.set_answer_buffer();
  EXPECT_TRUE(driver.read(EFA_REG_DEV_STS));
  rig.device.write_register(EFA_REG_DEV_CTL, efa_reg_dev_ctl_set_dev_reset(0, 1));
  driver.set_answer_buffer();
  const auto status = driver.read(EFA_REG_DEV_STS);
  ASSERT_TRUE(status);
  EXPECT_EQ(efa_reg_dev_sts_reset_in_progress(*status), 1u);
  EXPECT_TRUE(driver.read(EFA_REG_CAPS));
}

TEST(KernelDuties, K3_VersionsAndCapabilitiesPassTheDriversChecks) {
  for (const char* name : kGenerations) {
    Rig rig(name);
    const std::uint32_t version = rig.device.read_register(EFA_REG_VERSION);
    const std::uint32_t controller = rig.device.read_register(EFA_REG_CONTROLLER_VERSION);
    const std::uint32_t caps = rig.device.read_register(EFA_REG_CAPS);
    EXPECT_GE(version, 1u);
    EXPECT_EQ(version >> 16, 0u);
    EXPECT_NE(efa_reg_controller_version_major_version(controller) |
                  efa_reg_controller_version_minor_version(controller) |
                  efa_reg_controller_version_subminor_version(controller),
              0u);
    EXPECT_NE(efa_reg_caps_reset_timeout(caps), 0u);
    EXPECT_GE(efa_reg_caps_dma_addr_width(caps), 32u);
    EXPECT_LE(efa_reg_caps_dma_addr_width(caps), 64u);
    EXPECT_EQ(efa_reg_dev_sts_ready(rig.device.read_register(EFA_REG_DEV_STS)), 1u);
  }
}

TEST(KernelDuties, K4_NothingSurvivesResetAndNothingIsWrittenDuringIt) {
  Probed rig;
  rig.driver.enable_events(AsyncEventQueue::kSupportedGroups);
  const std::uint16_t eq = rig.eq();
  rig.device.write_register(EFA_REG_EQ_DB, efa_reg_eq_db_set_arm(efa_reg_eq_db_set_eqn(0, eq), 1));
  const std::uint16_t uar = rig.uar();
  const auto cq = rig.create_cq(rig.cq_command_with_events(uar, eq)).body.cq_idx;
  rig.interrupts.vectors.clear();

  EXPECT_TRUE(rig.driver.reset());
  rig.device.write_register(EFA_REG_DEV_CTL, efa_reg_dev_ctl_set_dev_reset(0, 1));
  EXPECT_EQ(rig.device.find_cq(cq), nullptr);
  rig.driver.submit(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{});
  rig.driver.ring();
  rig.device.inject_event(EFA_AENQ_GROUP_FATAL_ERROR, 1);
  rig.clock.advance(10 * AsyncEventQueue::kKeepAlivePeriod);
  rig.device.run_timers();
  rig.device.write_register(EFA_REG_EQ_DB, efa_reg_eq_db_set_arm(efa_reg_eq_db_set_eqn(0, eq), 1));
  EXPECT_FALSE(rig.driver.poll_event());
  EXPECT_TRUE(rig.interrupts.vectors.empty());
}

TEST(KernelDuties, K5_BothEntrySizesWorkAndChecksumsAreThereWhenAdvertised) {
  for (const char* name : kGenerations) {
    for (const std::uint32_t size : {64u, 128u}) {
      Probed rig(name, {.entry_size = size});
      for (int i = 0; i < 100; ++i) {
        rig.driver.submit(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{},
                          static_cast<std::uint16_t>(i));
        rig.driver.ring();
        auto entry = rig.driver.poll();
        ASSERT_TRUE(entry) << name << ", " << size << ", " << i;
        EXPECT_EQ(efa_acq_common_desc_command_id(&entry->acq_common_desc), unsigned(i));
        if (rig.device.api_version() < 2) continue;
        const std::uint16_t checksum = entry->acq_common_desc.extended_status;  // same bytes
        entry->acq_common_desc.extended_status = 0;
        EXPECT_EQ(checksum, crc_of(*entry));
      }
    }
  }
}

TEST(KernelDuties, K6_EveryCompletionSignalsVectorZeroAfterItIsVisible) {
  Probed rig;
  unsigned seen = 0;
  rig.interrupts.handler = [&](unsigned vector) {
    EXPECT_EQ(vector, 0u);
    EXPECT_TRUE(rig.driver.poll()) << "signalled before the entry was there";
    ++seen;
  };
  for (int i = 0; i < 100; ++i) {
    rig.driver.submit(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{});
    rig.driver.ring();
  }
  EXPECT_EQ(seen, 100u);
}

TEST(KernelDuties, K7_MandatoryFeaturesExistWithAllEventGroupsAndNoHints) {
  for (const char* name : kGenerations) {
    Rig rig(name);
    for (const efa_feature_id id :
         {EFA_FEATURE_ID_DEVICE_ATTR, EFA_FEATURE_ID_AENQ_CONFIG, EFA_FEATURE_ID_NETWORK_ATTR,
          EFA_FEATURE_ID_QUEUE_ATTR_1, EFA_FEATURE_ID_HW_HINTS})
      EXPECT_TRUE(rig.execute<efa_get_feature_resp>(EFA_AQ_OPCODE_GET_FEATURE, feature(id)).ok());
    const auto get = [&](efa_feature_id id) {
      return rig.execute<efa_get_feature_resp>(EFA_AQ_OPCODE_GET_FEATURE, feature(id)).body;
    };
    EXPECT_EQ(get(EFA_FEATURE_ID_AENQ_CONFIG).aenq_config.supported_groups, 0x1eu);
    EXPECT_EQ(get(EFA_FEATURE_ID_HW_HINTS).hw_hints.mmio_read_timeout, 0);
    EXPECT_EQ(get(EFA_FEATURE_ID_HW_HINTS).hw_hints.admin_completion_timeout, 0);
    EXPECT_EQ(get(EFA_FEATURE_ID_HW_HINTS).hw_hints.poll_interval, 0);
  }
}

TEST(KernelDuties, K8_StatusesLeadToTheErrnoThatUsersExpect) {
  Rig rig("efa0");
  const std::uint16_t pd = rig.pd();
  // EOPNOTSUPP
  EXPECT_EQ(rig.execute<efa_alloc_mr_resp>(EFA_AQ_OPCODE_ALLOC_MR, efa_alloc_mr_cmd{}).status,
            kUnsupported);
  // ENOMEM
  while (rig.execute<efa_alloc_pd_resp>(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{}).ok()) {
  }
  EXPECT_EQ(rig.execute<efa_alloc_pd_resp>(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{}).status,
            kNoResources);
  // EINVAL
  EXPECT_EQ(rig.create_ah(Gid{}, pd).status, kIllegal);
  EXPECT_EQ(rig.dealloc_pd(9999), kIllegal);
  rig.create_ah(default_identity().gid, pd);
  EXPECT_EQ(rig.dealloc_pd(pd), kBusy);
}

TEST(KernelDuties, K9_CqsGetTheirExactDepthAndADoorbellInInterruptMode) {
  Rig rig;
  const std::uint16_t uar = rig.uar();
  const std::uint16_t eq = rig.eq();
  for (std::uint32_t depth = 1; depth <= 32768; depth *= 2) {
    const auto d = static_cast<std::uint16_t>(depth);
    EXPECT_EQ(rig.create_cq(rig.cq_command(uar, d)).body.sub_cq_actual_depth, d);
    const auto answer = rig.create_cq(rig.cq_command_with_events(uar, eq, d));
    EXPECT_EQ(answer.body.sub_cq_actual_depth, d);
    EXPECT_EQ(efa_create_cq_resp_db_valid(&answer.body), 1u);
    EXPECT_LE(answer.body.db_offset, rig.doorbells.span().size() - 4);
  }
}

TEST(KernelDuties, K10_QpNumbersAreUniqueAndOffsetsStayInTheirBars) {
  for (const char* name : kGenerations) {
    const Profile& profile = *find_profile(name);
    Rig rig(name, {}, default_identity(), std::size_t{4} << 20,
            std::size_t{profile.max_qp} * 64 * 4096);
    const std::uint16_t pd = rig.pd();
    const std::uint16_t uar = rig.uar();
    const auto cq = rig.create_cq(rig.cq_command(uar)).body.cq_idx;
    const auto cmd = rig.qp_command(pd, uar, cq, EFA_QP_TYPE_SRD, profile.max_sq_depth);
    std::set<std::uint32_t> numbers;
    std::set<std::uint32_t> llq;
    for (std::uint32_t i = 0; i < profile.max_qp; ++i) {
      const auto answer = rig.create_qp(cmd);
      ASSERT_TRUE(answer.ok()) << name << " " << i;
      const auto& qp = answer.body;
      numbers.insert(qp.qp_num & (std::bit_ceil(profile.max_qp) - 1));
      llq.insert(qp.llq_descriptors_offset);
      EXPECT_LE(qp.sq_db_offset, rig.doorbells.span().size() - 4);
      EXPECT_LE(qp.rq_db_offset, rig.doorbells.span().size() - 4);
      EXPECT_LE(qp.llq_descriptors_offset + profile.max_sq_depth * 64, rig.llq.span().size());
      EXPECT_EQ(qp.llq_descriptors_offset % 4096, 0u);
    }
    EXPECT_EQ(numbers.size(), profile.max_qp);
    EXPECT_EQ(llq.size(), profile.max_qp);
  }
}

TEST(KernelDuties, K11_PageListsOfEveryFormAreCopiedAndTranslateAlike) {
  Rig rig;
  const std::uint16_t pd = rig.pd();
  const std::vector<DmaAddr> pages{0x70000, 0x30000, 0x31000};
  efa_reg_mr_cmd plain = rig.mr_command(pd, 0, 3 * 4096 - 0x123);
  plain.iova = 0xffff000000000123;
  std::copy(pages.begin(), pages.end(), plain.pbl.inline_pbl_array);
  efa_reg_mr_cmd direct = plain;
  efa_aq_common_desc_set_ctrl_data(&direct.aq_common_desc, 1);
  direct.pbl.pbl = {};
  efa_mem_addr_set(&direct.pbl.pbl.address, direct_list(rig.memory, pages));
  efa_reg_mr_cmd indirect = direct;
  efa_aq_common_desc_set_ctrl_data_indirect(&indirect.aq_common_desc, 1);
  const IndirectList list = indirect_list(rig.memory, pages);
  efa_mem_addr_set(&indirect.pbl.pbl.address, list.first);
  for (const efa_reg_mr_cmd& cmd : {plain, direct, indirect}) {
    const auto answer = rig.reg_mr(cmd);
    ASSERT_TRUE(answer.ok());
    rig.memory.hide(rig.memory.kBase, 64 << 20);  // the driver frees the lists
    std::vector<DmaSegment> segments;
    rig.device.find_mr(answer.body.l_key)->translate(plain.iova, plain.mr_length, segments);
    rig.memory.hide(0, 0);
    ASSERT_EQ(segments.size(), 2u);
    EXPECT_EQ(segments[0].addr, 0x70123u);
    EXPECT_EQ(segments[0].length, 0x1000u - 0x123);
    EXPECT_EQ(segments[1].addr, 0x30000u);
    EXPECT_EQ(segments[1].length, 0x2000u);
  }
}

TEST(KernelDuties, K12_TheStatisticsThatDriversReadTogetherAlwaysSucceed) {
  for (const char* name : kGenerations) {
    Rig rig(name);
    const bool write = rig.device.profile().has(EFA_DEVICE_ATTR_RDMA_WRITE_MASK);
    for (const std::uint8_t type : {0, 1, 2, 3, 4}) {
      if (type == EFA_GET_STATS_TYPE_RDMA_WRITE && !write) continue;
      efa_get_stats_cmd cmd{};
      cmd.type = type;
      EXPECT_TRUE(rig.execute<efa_get_stats_resp>(EFA_AQ_OPCODE_GET_STATS, cmd).ok())
          << name << ", type " << unsigned{type};
    }
  }
}

TEST(KernelDuties, K13_EventQueuesInterruptOncePerArmAndCatchUpOnArm) {
  Rig rig;
  const std::uint16_t uar = rig.uar();
  const std::uint16_t eq = rig.eq(2, 4);
  const auto arm_eq = [&] {
    rig.device.write_register(EFA_REG_EQ_DB,
                              efa_reg_eq_db_set_arm(efa_reg_eq_db_set_eqn(0, eq), 1));
  };
  std::vector<CompletionQueue*> cqs;
  for (int i = 0; i < 3; ++i)
    cqs.push_back(
        rig.device.find_cq(rig.create_cq(rig.cq_command_with_events(uar, eq)).body.cq_idx));
  efa_rx_cdesc_ex cqe{};
  for (CompletionQueue* cq : cqs) cq->doorbell(efa_cq_doorbell_set_arm(0, 1));
  arm_eq();
  cqs[0]->push(0, cqe);
  cqs[1]->push(0, cqe);
  EXPECT_EQ(rig.interrupts.count(2), 1u);
  arm_eq();
  EXPECT_EQ(rig.interrupts.count(2), 2u);
  arm_eq();
  EXPECT_EQ(rig.interrupts.count(2), 2u);
  cqs[2]->push(0, cqe);
  EXPECT_EQ(rig.interrupts.count(2), 3u);
}

TEST(KernelDuties, K14_NothingOfADestroyedObjectIsTouchedAgain) {
  Rig rig;
  const std::uint16_t pd = rig.pd();
  const std::uint16_t uar = rig.uar();
  const std::uint16_t eq = rig.eq(2);
  const auto cmd = rig.cq_command_with_events(uar, eq);
  const auto cq = rig.create_cq(cmd).body.cq_idx;
  const auto qp = rig.create_qp(rig.qp_command(pd, uar, cq)).body;
  const auto key = rig.reg_mr(rig.mr_command(pd, rig.memory.allocate(4096), 4096)).body.l_key;
  rig.device.find_cq(cq)->doorbell(efa_cq_doorbell_set_arm(0, 1));
  rig.device.write_register(EFA_REG_EQ_DB, efa_reg_eq_db_set_arm(efa_reg_eq_db_set_eqn(0, eq), 1));

  rig.dereg_mr(key);
  EXPECT_EQ(rig.device.find_mr(key), nullptr);
  rig.destroy_eq(eq);
  efa_rx_cdesc_ex cqe{};
  rig.device.find_cq(cq)->push(0, cqe);
  EXPECT_TRUE(rig.interrupts.vectors.empty());
  rig.destroy_qp(qp.qp_handle);
  EXPECT_EQ(rig.device.find_qp(qp.qp_num), nullptr);
  rig.destroy_cq(cq);
  EXPECT_EQ(rig.device.find_cq(cq), nullptr);
}

TEST(KernelDuties, K15_KeepAlivesStartWhenEnabledAndRespectTheConsumer) {
  Probed rig;
  rig.clock.advance(5 * AsyncEventQueue::kKeepAlivePeriod);
  rig.device.run_timers();
  EXPECT_FALSE(rig.driver.poll_event());
  rig.driver.enable_events(AsyncEventQueue::kSupportedGroups);
  for (int i = 0; i < 20; ++i) {
    rig.clock.advance(AsyncEventQueue::kKeepAlivePeriod);
    rig.device.run_timers();
  }
  unsigned events = 0;
  while (rig.driver.poll_event()) ++events;
  EXPECT_EQ(events, 16u);
  EXPECT_EQ(rig.device.stats.aenq_dropped, 4u);
}

TEST(KernelDuties, K16_AnyOrderOfTeardownAndRepeatedProbesWork) {
  Rig rig;
  MockDriver driver(rig);
  std::vector<unsigned> order{0, 1, 2, 3, 4, 5, 6};
  do {
    driver.probe();
    const std::uint16_t pd = rig.pd();
    const std::uint16_t uar = rig.uar();
    const std::uint16_t eq = rig.eq(1, 16);
    const auto cq = rig.create_cq(rig.cq_command_with_events(uar, eq, 2)).body.cq_idx;
    const auto qp = rig.create_qp(rig.qp_command(pd, uar, cq)).body.qp_handle;
    const auto key = rig.reg_mr(rig.mr_command(pd, 0x10000, 4096)).body.l_key;
    const auto ah = rig.create_ah(default_identity().gid, pd).body.ah;
    for (int round = 0; round < 4; ++round) {
      for (const unsigned step : order) {
        switch (step) {
          case 0:
            rig.dealloc_pd(pd);
            break;
          case 1:
            rig.dealloc_uar(uar);
            break;
          case 2:
            rig.destroy_eq(eq);
            break;
          case 3:
            rig.destroy_cq(cq);
            break;
          case 4:
            rig.destroy_qp(qp);
            break;
          case 5:
            rig.dereg_mr(key);
            break;
          default:
            rig.destroy_ah(ah, pd);
            break;
        }
      }
    }
    ASSERT_EQ(rig.dealloc_pd(pd), kIllegal) << "still there";
    ASSERT_EQ(rig.dealloc_uar(uar), kIllegal);
    ASSERT_EQ(rig.destroy_eq(eq), kIllegal);
    ASSERT_EQ(rig.destroy_cq(cq), kIllegal);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(ProviderDuties, U2_BothWqeSizesCanBeCreated) {
  Rig rig;
  const std::uint16_t uar = rig.uar();
  const auto cq = rig.create_cq(rig.cq_command(uar)).body.cq_idx;
  const std::uint16_t pd = rig.pd();
  for (const std::uint16_t size : {64, 128}) {
    const auto qp = rig.create_qp(rig.qp_command(pd, uar, cq, EFA_QP_TYPE_SRD, 64, size)).body;
    EXPECT_EQ(rig.device.find_qp(qp.qp_num)->sq.wqe_size, size);
  }
}

TEST(ProviderDuties, U10_BatchLimitsAreOnlyOnGenerationsThatAdvertiseThem) {
  for (const char* name : kGenerations) {
    Rig rig(name);
    const auto attr = rig.execute<efa_get_feature_resp>(EFA_AQ_OPCODE_GET_FEATURE,
                                                        feature(EFA_FEATURE_ID_QUEUE_ATTR_1))
                          .body.queue_attr_1;
    const bool limited = rig.device.profile().pci_device >= EFA_PCI_DEVICE_EFA3;
    EXPECT_EQ(attr.max_tx_batch, limited ? 16 : 0) << name;
    EXPECT_EQ(attr.min_sq_depth, limited ? 32 : 0) << name;
  }
}

TEST(ProviderDuties, U12_CapabilitiesAgreeWithWhatCommandsAccept) {
  for (const char* name : kGenerations) {
    Rig rig(name);
    const std::uint32_t caps =
        rig.execute<efa_get_feature_resp>(EFA_AQ_OPCODE_GET_FEATURE,
                                          feature(EFA_FEATURE_ID_DEVICE_ATTR))
            .body.device_attr.device_caps;
    const std::uint16_t uar = rig.uar();
    const std::uint16_t pd = rig.pd();
    const auto cq = rig.create_cq(rig.cq_command(uar)).body.cq_idx;
    auto qp = rig.qp_command(pd, uar, cq, EFA_QP_TYPE_SRD, 32);
    efa_create_qp_cmd_set_unsolicited_write_recv(&qp, 1);
    EXPECT_EQ(rig.create_qp(qp).ok(), (caps & EFA_DEVICE_ATTR_UNSOLICITED_WRITE_RECV_MASK) != 0);
    auto wide = rig.cq_command(uar);
    efa_create_cq_cmd_set_sq_comp_64_bit_req_id(&wide, 1);
    EXPECT_EQ(rig.create_cq(wide).ok(), (caps & EFA_DEVICE_ATTR_SQ_64_BIT_REQ_ID_MASK) != 0);
    efa_create_event_counter_cmd counter{};
    counter.uar = uar;
    counter.paddr = rig.memory.allocate(8);
    const auto created =
        rig.execute<efa_create_event_counter_resp>(EFA_AQ_OPCODE_CREATE_EVENT_COUNTER, counter);
    EXPECT_EQ(created.ok(), (caps & EFA_DEVICE_ATTR_EVENT_COUNTERS_MASK) != 0);
  }
}

TEST(LibfabricDuties, F1_OneSubCqPerCq) {
  for (const char* name : kGenerations) EXPECT_EQ(Rig(name).device.sub_cqs_per_cq(), 1) << name;
}

TEST(LibfabricDuties, F2_RdmaReadIsEverywhere) {
  for (const Profile& profile : profiles())
    EXPECT_TRUE(profile.has(EFA_DEVICE_ATTR_RDMA_READ_MASK)) << profile.name;
}

TEST(LibfabricDuties, F3_CqsOf16384EntriesArePossible) {
  for (const char* name : kGenerations) {
    Rig rig(name);
    EXPECT_TRUE(rig.create_cq(rig.cq_command(rig.uar(), 16384)).ok()) << name;
  }
}

TEST(LibfabricDuties, F8_CreateAhSaysInvalidOrFull) {
  Rig rig;
  const std::uint16_t pd = rig.pd();
  EXPECT_EQ(rig.create_ah(Gid{}, pd).status, kIllegal);
  for (std::uint32_t i = 0; i < rig.device.profile().max_ah; ++i)
    rig.create_ah(Gid::from_mac({0, 0, 0, 1, static_cast<std::uint8_t>(i >> 8),
                                 static_cast<std::uint8_t>(i)}),
                  pd);
  EXPECT_EQ(rig.create_ah(default_identity().gid, pd).status, kNoResources);
  EXPECT_EQ(rig.destroy_ah(77, pd), kSuccess);
  EXPECT_TRUE(rig.create_ah(default_identity().gid, pd).ok()) << "after evicting one";
}

TEST(LibfabricDuties, F9_WideInlineExistsOnlyWhereItIsLarger) {
  for (const char* name : kGenerations) {
    Rig rig(name);
    const auto base = rig.execute<efa_get_feature_resp>(EFA_AQ_OPCODE_GET_FEATURE,
                                                        feature(EFA_FEATURE_ID_QUEUE_ATTR_1))
                          .body.queue_attr_1.inline_buf_size;
    const auto wide = rig.execute<efa_get_feature_resp>(EFA_AQ_OPCODE_GET_FEATURE,
                                                        feature(EFA_FEATURE_ID_QUEUE_ATTR_2));
    EXPECT_EQ(base, 32u);
    EXPECT_EQ(wide.body.queue_attr_2.inline_buf_size_ex, wide.ok() ? 80 : 0) << name;
  }
}

TEST(LibfabricDuties, F14_CountersAttachInResetAndUse64Bits) {
  Rig rig("efa4");
  const std::uint16_t uar = rig.uar();
  const auto cq = rig.create_cq(rig.cq_command(uar)).body.cq_idx;
  const auto qp = rig.create_qp(rig.qp_command(rig.pd(), uar, cq, EFA_QP_TYPE_SRD, 32)).body;
  efa_create_event_counter_cmd create{};
  create.uar = uar;
  create.paddr = rig.memory.allocate(8);
  const auto handle =
      rig.execute<efa_create_event_counter_resp>(EFA_AQ_OPCODE_CREATE_EVENT_COUNTER, create)
          .body.cntr_handle;
  efa_attach_detach_event_counter_cmd attach{};
  attach.cntr_handle = handle;
  attach.qp_events.qp_handle = qp.qp_handle;
  attach.qp_events.events = 1u << EFA_EVENT_COUNTER_QP_EVENT_SEND_COMP;
  ASSERT_EQ(rig.device.find_qp(qp.qp_num)->state, EFA_QP_STATE_RESET);
  EXPECT_TRUE(
      rig.execute<efa_attach_detach_event_counter_resp>(EFA_AQ_OPCODE_ATTACH_EVENT_COUNTER, attach)
          .ok());
  EventCounter& counter = *rig.device.find_qp(qp.qp_num)->counters[0].counter;
  counter.set(~std::uint64_t{0});
  EXPECT_EQ(rig.memory.at<std::uint64_t>(create.paddr), ~std::uint64_t{0});
}

TEST(LibfabricDuties, F15_StatisticsShowWhatTheDataPathCounted) {
  Rig rig;
  rig.device.stats.tx_bytes = 10;
  efa_get_stats_cmd cmd{};
  const auto read = [&] {
    return rig.execute<efa_get_stats_resp>(EFA_AQ_OPCODE_GET_STATS, cmd)
        .body.stats.basic_stats.tx_bytes;
  };
  EXPECT_EQ(read(), 10u);
  rig.device.stats.tx_bytes += 5;
  EXPECT_EQ(read(), 15u);
}

TEST(LibfabricDuties, F16_LevelZeroWorksWhereLevelEightIsRefused) {
  Rig rig("efa1");
  const std::uint16_t uar = rig.uar();
  const auto cq = rig.create_cq(rig.cq_command(uar)).body.cq_idx;
  auto cmd = rig.qp_command(rig.pd(), uar, cq);
  cmd.sl = 8;
  EXPECT_EQ(rig.create_qp(cmd).status, kIllegal);
  cmd.sl = 0;
  EXPECT_EQ(rig.create_qp(cmd).status, kSuccess);
}

}  // namespace
}  // namespace efa::emu::test
