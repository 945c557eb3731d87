// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Opening, and what the device says about itself (spec verbs B7.1).
#include <dirent.h>
#include <malloc.h>
#include <poll.h>

#include <array>
#include <new>

#include "station.hpp"

namespace efa::provider_test {
namespace {

class Device : public ProviderTest {};

int open_descriptors() {
  int count = 0;
  DIR* directory = ::opendir("/proc/self/fd");
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

TEST_F(Device, V1_can_be_opened) {
  EXPECT_STREQ(ibv_get_device_name(context->device), "efa_0");
  EXPECT_GE(context->num_comp_vectors, 1);
}

TEST_F(Device, V3_V5_opening_and_closing_a_thousand_times_leaks_nothing) {
  const auto rounds = [](int count) {
    for (int i = 0; i < count; ++i) open_device(0);
  };
  rounds(20);  // what libraries keep for good
  const int descriptors = open_descriptors();
  const std::size_t maps = mappings().size();
  const std::size_t heap = ::mallinfo2().uordblks;
  rounds(1000);
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_EQ(mappings().size(), maps);
  // This program remembers each device that was open; a table per round would be megabytes.
  EXPECT_LT(::mallinfo2().uordblks, heap + 128 * 1024);
}

TEST_F(Device, V6_query_device_limits_the_depth_by_the_LLQ) {
  const ibv_device_attr attr = attributes();
  EXPECT_STREQ(attr.fw_ver, "0.0.0.0");
  const std::uint64_t llq = device_limit("max_llq_size")
                                .value_or(generation().part_id >= 0xefa3 ? 512 * 1024 : 256 * 1024);
  EXPECT_LE(attr.max_qp_wr, static_cast<int>(llq / sizeof(efa_tx_wqe)));
  ibv_device_attr_ex extended{};
  ASSERT_EQ(ibv_query_device_ex(context.get(), nullptr, &extended), 0);
  EXPECT_EQ(extended.orig_attr.max_qp_wr, attr.max_qp_wr);
  EXPECT_STREQ(extended.orig_attr.fw_ver, "0.0.0.0");
}

TEST_F(Device, V8_query_port_tells_state_and_message_size) {
  ibv_port_attr port{};
  ASSERT_EQ(ibv_query_port(context.get(), 1, &port), 0);
  EXPECT_EQ(port.state, IBV_PORT_ACTIVE);
  EXPECT_EQ(port.max_msg_sz, device_limit("mtu").value_or(generation().mtu));
  EXPECT_EQ(port.max_mtu, IBV_MTU_4096);
  EXPECT_EQ(port.gid_tbl_len, 1);
  EXPECT_EQ(port.pkey_tbl_len, 1);
  EXPECT_EQ(ibv_query_port(context.get(), 2, &port), EINVAL);
}

TEST_F(Device, V10_gid_and_pkey_queries_work) {
  ibv_gid gid{};
  ASSERT_EQ(ibv_query_gid(context.get(), 1, 0, &gid), 0);
  EXPECT_EQ(gid.raw[0], 0xfe);
  EXPECT_NE(ibv_query_gid(context.get(), 1, 1, &gid), 0);
  std::uint16_t pkey = 0;
  ASSERT_EQ(ibv_query_pkey(context.get(), 1, 0, &pkey), 0);
  EXPECT_EQ(pkey, 0xffff);
  EXPECT_EQ(ibv_get_pkey_index(context.get(), 1, 0xffff), 0);
  ibv_gid_entry entry{};
  ASSERT_EQ(ibv_query_gid_ex(context.get(), 1, 0, &entry, 0), 0);
  EXPECT_EQ(std::memcmp(&entry.gid, &gid, sizeof(gid)), 0);
  std::array<ibv_gid_entry, 4> table{};
  EXPECT_EQ(ibv_query_gid_table(context.get(), table.data(), table.size(), 0), 1);
}

// V11: attributes in room for every release's structure.
struct Attributes {
  efadv_device_attr attr;
  std::array<std::uint8_t, 64> beyond;
};
Attributes full_of_ones() {
  Attributes room;
  std::memset(&room, 0xff, sizeof(room));
  return room;
}

TEST_F(Device, V11_efadv_query_device_refuses_less_than_its_first_form) {
  Attributes room = full_of_ones();
  for (const std::uint32_t inlen : {0u, 8u, 20u})
    EXPECT_EQ(efadv_query_device(context.get(), &room.attr, inlen), EINVAL) << inlen;
  // Older libraries were content with the beginning of the last member.
  EXPECT_EQ(efadv_query_device(context.get(), &room.attr, 21), since(65, EINVAL, 0));
}

TEST_F(Device, V11_efadv_query_device_reports_RDMA_only_with_its_largest_size) {
  constexpr std::uint32_t kRdma =
      EFADV_DEVICE_ATTR_CAPS_RDMA_READ | EFADV_DEVICE_ATTR_CAPS_RDMA_WRITE;
  Attributes room = full_of_ones();
  ASSERT_EQ(efadv_query_device(context.get(), &room.attr, 28), 0);
  EXPECT_EQ(room.attr.device_caps & kRdma, 0u);
  EXPECT_EQ(room.attr.max_rdma_size, 0xffffffffu) << "beyond inlen";
  ASSERT_EQ(efadv_query_device(context.get(), &room.attr, 32), 0);
  const bool read = device_limit("rdma_read").value_or(1) != 0;
  const bool write = level() >= 46 && device_limit("rdma_write").value_or(generation().rdma_write);
  EXPECT_EQ((room.attr.device_caps & EFADV_DEVICE_ATTR_CAPS_RDMA_READ) != 0, read);
  EXPECT_EQ((room.attr.device_caps & EFADV_DEVICE_ATTR_CAPS_RDMA_WRITE) != 0, write);
  EXPECT_EQ(room.attr.max_rdma_size, 1u << 30);
}

TEST_F(Device, V11_efadv_query_device_clears_what_it_does_not_know) {
  Attributes room = full_of_ones();
  ASSERT_EQ(efadv_query_device(context.get(), &room.attr, sizeof(room)), 0);
  EXPECT_EQ(room.attr.comp_mask, 0u);
  for (const std::uint8_t byte : room.beyond) EXPECT_EQ(byte, 0);
}

TEST_F(Device, V11_efadv_query_device_knows_the_capabilities_of_its_release) {
  const std::uint32_t caps = efa_attributes_of(context.get()).device_caps;
  const bool newer = generation().part_id >= 0xefa2;
  EXPECT_NE(caps & EFADV_DEVICE_ATTR_CAPS_CQ_WITH_SGID, 0u);
  EXPECT_EQ((caps & EFADV_DEVICE_ATTR_CAPS_RNR_RETRY) != 0,
            device_limit("rnr_retry").value_or(1) != 0);
  EXPECT_EQ((caps & EFADV_DEVICE_ATTR_CAPS_UNSOLICITED_WRITE_RECV) != 0,
            level() >= 52 && device_limit("unsolicited_write_recv").value_or(newer));
  EXPECT_EQ((caps & EFADV_DEVICE_ATTR_CAPS_CQ_WITH_EXT_MEM_DMABUF) != 0, level() >= 59);
  EXPECT_EQ((caps & EFADV_DEVICE_ATTR_CAPS_COMP_CNTR) != 0,
            level() >= 65 && generation().part_id >= 0xefa4);
}

TEST_F(Device, V11_efadv_query_device_tells_the_wide_inline_size) {
  const efadv_device_attr attr = efa_attributes_of(context.get());
  EXPECT_EQ(attr.inline_buf_size, 32);
  EXPECT_EQ(attr.inline_buf_size_ex,
            level() >= 63 ? (generation().part_id >= 0xefa3 ? 80 : 32) : 0);
}

/// A device that no EFA library made: all of it is zero, and larger than any release's structures.
class Stranger {
 public:
  Stranger() {
    context()->device = device();
    context()->abi_compat = __VERBS_ABI_IS_EXTENDED;
  }
  ibv_device* device() { return reinterpret_cast<ibv_device*>(device_.data()); }
  /// Behind room for what libraries keep in front of a context.
  ibv_context* context() { return reinterpret_cast<ibv_context*>(context_.data()); }

 private:
  alignas(16) std::array<std::uint8_t, 4096> device_{};
  alignas(16) std::array<std::uint8_t, 4096> before_{};
  alignas(16) std::array<std::uint8_t, 4096> context_{};
};

template <class T>
T of(ibv_context* context) {
  T object{};
  object.context = context;
  return object;
}

TEST_F(Device, V12_a_device_of_another_driver_is_refused) {
  Stranger stranger;
  ibv_context* other = stranger.context();
  efadv_device_attr attr{};
  EXPECT_EQ(efadv_query_device(other, &attr, sizeof(attr)), EOPNOTSUPP);
  ibv_ah ah = of<ibv_ah>(other);
  efadv_ah_attr ah_attr{};
  EXPECT_EQ(efadv_query_ah(&ah, &ah_attr, sizeof(ah_attr)), EOPNOTSUPP);
  ibv_cq_init_attr_ex cq{};
  cq.cqe = 16;
  efadv_cq_init_attr efa_cq{};
  EXPECT_EQ(efadv_create_cq(other, &cq, &efa_cq, 16), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  ibv_qp_init_attr_ex qp{};
  qp.qp_type = IBV_QPT_DRIVER;
  efadv_qp_init_attr efa_qp{};
  EXPECT_EQ(efadv_create_qp_ex(other, &qp, &efa_qp, sizeof(efa_qp)), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  ibv_pd domain = of<ibv_pd>(other);
  ibv_qp_init_attr plain{};
  plain.qp_type = IBV_QPT_DRIVER;
  EXPECT_EQ(efadv_create_driver_qp(&domain, &plain, EFADV_QP_DRIVER_TYPE_SRD), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
}

TEST_F(Device, V12_newer_functions_refuse_a_device_of_another_driver) {
  EXPECT_EQ(api().query_mr != nullptr, level() >= 50);
  EXPECT_EQ(api().query_cq != nullptr, level() >= 59);
  Stranger stranger;
  ibv_context* other = stranger.context();
  if (api().query_mr != nullptr) {
    ibv_mr mr = of<ibv_mr>(other);
    efadv_mr_attr attr{};
    EXPECT_EQ(api().query_mr(&mr, &attr, sizeof(attr)), EOPNOTSUPP);
  }
  if (!ours()) return;
  auto cq = std::make_unique<ibv_cq>();
  cq->context = other;
  efadv_cq_attr cq_attr{};
  EXPECT_EQ(api().query_cq(cq.get(), &cq_attr, sizeof(cq_attr)), EOPNOTSUPP);
  auto qp = std::make_unique<ibv_qp>();
  qp->context = other;
  efadv_wq_attr sq{}, rq{};
  EXPECT_EQ(api().query_qp_wqs(qp.get(), &sq, &rq, sizeof(sq)), EOPNOTSUPP);
  efadv_sq_depth_attr sq_depth{};
  EXPECT_EQ(api().get_max_sq_depth(other, &sq_depth, sizeof(sq_depth)), -EOPNOTSUPP);
  efadv_rq_depth_attr rq_depth{0, 1};
  EXPECT_EQ(api().get_max_rq_depth(other, &rq_depth, sizeof(rq_depth)), -EOPNOTSUPP);
}

TEST_F(Device, V13_objects_of_other_processes_cannot_be_imported) {
  EXPECT_EQ(ibv_import_device(context->cmd_fd), nullptr);
  EXPECT_EQ(ibv_import_pd(context.get(), 0), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  EXPECT_EQ(ibv_import_mr(pd.get(), 0), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  EXPECT_EQ(ibv_import_dm(context.get(), 0), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
}

TEST_F(Device, V14_no_asynchronous_event_comes) {
  Station self = station();
  const Destination to = self.from(self);
  ASSERT_EQ(self.post_receive(1, 0, 64), 0);
  ASSERT_EQ(self.post_send(2, to, 4096, 64), 0);
  EXPECT_SUCCESS(self.next_sent(), 2u);
  ASSERT_EQ(to_state(self.qp(), IBV_QPS_ERR), 0);
  pollfd events{context->async_fd, POLLIN, 0};
  EXPECT_EQ(::poll(&events, 1, 20), 0);
}

// B6: what each release exports.
TEST_F(Device, B6_each_symbol_has_its_version) {
  const struct {
    const char *name, *node;
    int release;
  } symbols[] = {
      {"efadv_create_driver_qp", "EFA_1.0", 24}, {"efadv_create_qp_ex", "EFA_1.1", 26},
      {"efadv_query_ah", "EFA_1.1", 26},         {"efadv_query_device", "EFA_1.1", 26},
      {"efadv_create_cq", "EFA_1.2", 43},        {"efadv_cq_from_ibv_cq_ex", "EFA_1.2", 43},
      {"efadv_query_mr", "EFA_1.3", 50},         {"efadv_query_cq", "EFA_1.4", 59},
      {"efadv_query_qp_wqs", "EFA_1.4", 59},     {"efadv_get_max_sq_depth", "EFA_1.5", 63},
      {"efadv_get_max_rq_depth", "EFA_1.5", 63}, {"efadv_qp_from_ibv_qp_ex", "EFA_1.6", 64},
      {"efadv_create_comp_cntr", "EFA_1.7", 65},
  };
  for (const auto& symbol : symbols) {
    // Completion counters are types of libibverbs 65: no program for an older one can name them.
    const bool there = level() >= symbol.release &&
                       (symbol.release < 65 || libibverbs_release() >= symbol.release);
    EXPECT_EQ(versioned(symbol.name, symbol.node) != nullptr, there)
        << symbol.name << "@" << symbol.node;
  }
}

}  // namespace
}  // namespace efa::provider_test
