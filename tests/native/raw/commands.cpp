// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Rules of the ioctl itself and of the commands before there are queues (verbs A2, A3, A5, A8).
#include <gtest/gtest.h>
#include <sys/ioctl.h>

#include <array>
#include <cerrno>

#include "uverbs.hpp"

namespace efa::raw {
namespace {

constexpr std::uint16_t kNoObject = 0x777;
constexpr std::uint16_t kNoAttribute = 0x777;

/// Kernels before 7.2 answer EINVAL where newer ones answer EOPNOTSUPP.
bool refused(int error) {
  return error == EINVAL || error == EOPNOTSUPP;
}

int get_context(Uverbs& uverbs, const std::vector<std::uint8_t>& request,
                std::vector<std::uint8_t>& response, bool* valid = nullptr) {
  Attributes open;
  std::uint32_t vectors = 0;
  std::uint64_t support = 0;
  open.out(UVERBS_ATTR_GET_CONTEXT_NUM_COMP_VECTORS, vectors)
      .out(UVERBS_ATTR_GET_CONTEXT_CORE_SUPPORT, support)
      .in(UVERBS_ATTR_UHW_IN, request)
      .out(UVERBS_ATTR_UHW_OUT, response);
  const int error = uverbs.call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_GET_CONTEXT, open);
  if (valid != nullptr) *valid = open.valid(UVERBS_ATTR_UHW_OUT);
  return error;
}

const std::vector<std::uint8_t> kOpenRequest = bytes_of(efa_uabi_alloc_ucontext_cmd{kBothCaps, 0});

class IoctlTest : public ::testing::Test {
 protected:
  Session session;
  int send(Message& message) { return verbs_ioctl(session.fd(), message.header()); }
  static Message query_port(std::uint64_t port, ib_uverbs_query_port_resp_ex& out) {
    return {UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_PORT,
            Attributes()
                .in(UVERBS_ATTR_QUERY_PORT_PORT_NUM, port)
                .out(UVERBS_ATTR_QUERY_PORT_RESP, out)};
  }
  ib_uverbs_query_port_resp_ex port{};
};

TEST_F(IoctlTest, AnswersAProperMessage) {
  Message message = query_port(1, port);
  EXPECT_EQ(send(message), 0);
  EXPECT_EQ(port.legacy_resp.gid_tbl_len, 1);
  EXPECT_NE(message.header()->attrs[1].flags & UVERBS_ATTR_F_VALID_OUTPUT, 0);
}

TEST_F(IoctlTest, RefusesAnotherDriver) {
  Message message = query_port(1, port);
  message.header()->driver_id = RDMA_DRIVER_MLX5;
  EXPECT_EQ(send(message), EINVAL);
}

TEST_F(IoctlTest, RefusesALengthThatDoesNotFitTheAttributes) {
  for (const int change : {-1, 1, 16, -16}) {
    Message message = query_port(1, port);
    message.header()->length = static_cast<std::uint16_t>(message.header()->length + change);
    EXPECT_EQ(send(message), EINVAL) << change;
  }
  Message message = query_port(1, port);
  message.header()->num_attrs = 0xffff;
  EXPECT_EQ(send(message), EINVAL);
}

TEST_F(IoctlTest, RefusesReservedFields) {
  Message first = query_port(1, port);
  first.header()->reserved1 = 1;
  EXPECT_EQ(send(first), EPROTONOSUPPORT);
  Message second = query_port(1, port);
  second.header()->reserved2 = 1;
  EXPECT_EQ(send(second), EPROTONOSUPPORT);
}

TEST_F(IoctlTest, DoesNotKnowOtherObjectsAndMethods) {
  EXPECT_EQ(session.call(kNoObject, 0), EPROTONOSUPPORT);
  EXPECT_EQ(session.call(UVERBS_OBJECT_DEVICE, 0x777), EPROTONOSUPPORT);
  EXPECT_EQ(session.call(UVERBS_OBJECT_MW, UVERBS_METHOD_MW_DESTROY), EPROTONOSUPPORT);
}

TEST_F(IoctlTest, RefusesMandatoryAttributesThatItDoesNotKnow) {
  Attributes attributes;
  attributes.in(UVERBS_ATTR_QUERY_PORT_PORT_NUM, std::uint64_t{1})
      .out(UVERBS_ATTR_QUERY_PORT_RESP, port)
      .in(kNoAttribute, std::uint32_t{1});
  EXPECT_EQ(session.call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_PORT, attributes),
            EPROTONOSUPPORT);
  attributes.list().back().flags = 0;
  EXPECT_EQ(session.call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_PORT, attributes), 0);
}

TEST_F(IoctlTest, NeedsTheMandatoryAttributes) {
  EXPECT_EQ(session.call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_PORT), EINVAL);
  EXPECT_EQ(session.call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_INVOKE_WRITE), EINVAL);
  EXPECT_EQ(session.call(UVERBS_OBJECT_CQ, UVERBS_METHOD_CQ_CREATE), EINVAL);
  EXPECT_EQ(session.call(UVERBS_OBJECT_QP, UVERBS_METHOD_QP_CREATE), EINVAL);
}

TEST_F(IoctlTest, ReportsMemoryThatIsNotThere) {
  EXPECT_EQ(verbs_ioctl(session.fd(), nullptr), EFAULT);
  EXPECT_EQ(verbs_ioctl(session.fd(), reinterpret_cast<ib_uverbs_ioctl_hdr*>(0x10)), EFAULT);
  Attributes bad_output;
  bad_output.in(UVERBS_ATTR_QUERY_PORT_PORT_NUM, std::uint64_t{1})
      .out(UVERBS_ATTR_QUERY_PORT_RESP, reinterpret_cast<void*>(0x10), sizeof(port));
  EXPECT_EQ(session.call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_PORT, bad_output), EFAULT);
  EXPECT_EQ(session.write_command(
                IB_USER_VERBS_CMD_REG_MR,
                Attributes().in(UVERBS_ATTR_CORE_IN, reinterpret_cast<void*>(0x10), 40)),
            EFAULT);
}

TEST_F(IoctlTest, IsTheOnlyOneOfTheDescriptor) {
  EXPECT_EQ(::ioctl(session.fd(), _IOWR(RDMA_IOCTL_MAGIC, 2, ib_uverbs_ioctl_hdr), &port), -1);
  EXPECT_EQ(errno, ENOTTY);
}

TEST_F(IoctlTest, TruncatesAndFillsItsAnswers) {
  for (const std::size_t length :
       {std::size_t{0}, std::size_t{8}, sizeof(port), sizeof(port) + 100}) {
    std::vector<std::uint8_t> answer(length, 0xee);
    Attributes attributes;
    attributes.in(UVERBS_ATTR_QUERY_PORT_PORT_NUM, std::uint64_t{1})
        .out(UVERBS_ATTR_QUERY_PORT_RESP, answer);
    EXPECT_EQ(session.call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_PORT, attributes), 0);
    for (std::size_t i = sizeof(port); i < length; ++i) EXPECT_EQ(answer[i], 0) << i;
  }
}

class InvokeWriteTest : public ::testing::Test {
 protected:
  Session session;
};

TEST_F(InvokeWriteTest, AnswersTheProbeOfTheLibrary) {
  // libibverbs takes any other answer but two as "no INVOKE_WRITE"; this is the kernel's.
  const Uverbs closed;
  EXPECT_EQ(const_cast<Uverbs&>(closed).write_command(IB_USER_VERBS_CMD_QUERY_DEVICE), ENOSPC);
  EXPECT_EQ(session.write_command(IB_USER_VERBS_CMD_QUERY_DEVICE), ENOSPC);
}

TEST_F(InvokeWriteTest, RefusesCommandsThatEfaDoesNotHave) {
  for (const std::uint32_t command :
       {IB_USER_VERBS_CMD_CREATE_SRQ, IB_USER_VERBS_CMD_REREG_MR, IB_USER_VERBS_CMD_ALLOC_MW,
        IB_USER_VERBS_CMD_RESIZE_CQ, IB_USER_VERBS_CMD_ATTACH_MCAST, IB_USER_VERBS_CMD_OPEN_XRCD})
    EXPECT_EQ(session.write_command(command), EOPNOTSUPP) << command;
  EXPECT_EQ(
      session.write_command(IB_USER_VERBS_CMD_FLAG_EXTENDED | IB_USER_VERBS_EX_CMD_CREATE_FLOW),
      EOPNOTSUPP);
  EXPECT_EQ(session.write_command(0x3fff), EOPNOTSUPP);
}

TEST_F(InvokeWriteTest, NeedsRoomForRequestAndAnswer) {
  std::array<std::uint8_t, 8> little{};
  EXPECT_EQ(
      session.write_command(IB_USER_VERBS_CMD_REG_MR, Attributes().in(UVERBS_ATTR_CORE_IN, little)),
      ENOSPC);
  EXPECT_EQ(session.write_command(IB_USER_VERBS_CMD_ALLOC_PD, ib_uverbs_alloc_pd{}), ENOSPC);
}

class OpenTest : public ::testing::Test {
 protected:
  Uverbs uverbs;
  std::vector<std::uint8_t> response = std::vector<std::uint8_t>(24);
};

TEST_F(OpenTest, ComesBeforeEverythingElse) {
  ib_uverbs_query_port_resp_ex port{};
  Attributes query;
  query.in(UVERBS_ATTR_QUERY_PORT_PORT_NUM, std::uint64_t{1})
      .out(UVERBS_ATTR_QUERY_PORT_RESP, port);
  EXPECT_EQ(uverbs.call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_PORT, query), EINVAL);
  ib_uverbs_alloc_pd_resp pd{};
  EXPECT_EQ(uverbs.write_command(IB_USER_VERBS_CMD_ALLOC_PD, ib_uverbs_alloc_pd{},
                                 Attributes().out(UVERBS_ATTR_CORE_OUT, pd)),
            EINVAL);
}

TEST_F(OpenTest, HappensOnce) {
  EXPECT_EQ(get_context(uverbs, kOpenRequest, response), 0);
  EXPECT_EQ(get_context(uverbs, kOpenRequest, response), EINVAL);
}

TEST_F(OpenTest, TellsTheLimits) {
  bool valid = false;
  ASSERT_EQ(get_context(uverbs, kOpenRequest, response, &valid), 0);
  EXPECT_TRUE(valid);
  efa_uabi_alloc_ucontext_resp limits{};
  std::memcpy(&limits, response.data(), sizeof(limits));
  EXPECT_EQ(limits.comp_mask, 0u);
  EXPECT_TRUE(efa_uabi_alloc_ucontext_resp_query_device(&limits));
  EXPECT_TRUE(efa_uabi_alloc_ucontext_resp_create_ah(&limits));
  EXPECT_GE(limits.sub_cqs_per_cq, 1);
  EXPECT_EQ(limits.inline_buf_size, 32);
  EXPECT_GE(limits.inline_buf_size_ex, limits.inline_buf_size);
  EXPECT_GE(limits.max_llq_size, 1000u * 64);
}

TEST_F(OpenTest, IgnoresWhatItDoesNotKnowOfTheRequest) {
  std::vector<std::uint8_t> request(64, 0xff);
  EXPECT_EQ(get_context(uverbs, request, response), 0);
}

TEST_F(OpenTest, IsRefusedToThoseWhoDoNotKnowALimit) {
  const Session session;
  const efa_uabi_alloc_ucontext_resp& limits = session.limits();
  struct Case {
    std::uint32_t caps;
    bool works;
  };
  const bool batch = limits.max_tx_batch != 0, depth = limits.min_sq_wr != 0;
  for (const Case& one :
       {Case{0, !batch && !depth}, Case{EFA_UABI_ALLOC_UCONTEXT_CMD_TX_BATCH_MASK, !depth},
        Case{EFA_UABI_ALLOC_UCONTEXT_CMD_MIN_SQ_WR_MASK, !batch}}) {
    Uverbs another;
    EXPECT_EQ(get_context(another, bytes_of(efa_uabi_alloc_ucontext_cmd{one.caps, 0}), response),
              one.works ? 0 : EOPNOTSUPP)
        << one.caps;
  }
  Uverbs silent;
  EXPECT_EQ(get_context(silent, {}, response), batch || depth ? EOPNOTSUPP : 0);
}

TEST_F(OpenTest, TruncatesAndFillsItsAnswer) {
  std::vector<std::uint8_t> whole(24);
  ASSERT_EQ(get_context(uverbs, kOpenRequest, whole), 0);
  for (const std::size_t length : {0, 1, 8, 16, 23, 24, 25, 100}) {
    Uverbs another;
    std::vector<std::uint8_t> answer(length, 0xee);
    ASSERT_EQ(get_context(another, kOpenRequest, answer), 0) << length;
    for (std::size_t i = 0; i < length; ++i)
      EXPECT_EQ(answer[i], i < whole.size() ? whole[i] : 0) << length << " at " << i;
  }
}

class CommandTest : public ::testing::Test {
 protected:
  Session session;
  Pd pd;
  std::array<std::uint8_t, 8192> buffer{};
  const std::vector<std::uint8_t> zeros = std::vector<std::uint8_t>(40);
  std::vector<std::uint8_t> ones = std::vector<std::uint8_t>(40, 1);

  void SetUp() override { ASSERT_EQ(session.alloc_pd(pd), 0); }
};

TEST_F(CommandTest, QueryDeviceTellsCapabilities) {
  const auto& device = session.device();
  EXPECT_EQ(device.comp_mask, 0u);
  EXPECT_TRUE(efa_uabi_query_device_resp_rdma_read(&device));
  EXPECT_TRUE(efa_uabi_query_device_resp_rnr_retry(&device));
  EXPECT_TRUE(efa_uabi_query_device_resp_cq_with_sgid(&device));
  EXPECT_TRUE(efa_uabi_query_device_resp_cq_notifications(&device));
  EXPECT_TRUE(efa_uabi_query_device_resp_cq_with_ext_mem(&device));
  EXPECT_EQ(device.max_sq_sge, 2);
  EXPECT_GE(device.max_rq_sge, 1);
  EXPECT_GE(device.max_rdma_size, 1u << 20);
}

TEST_F(CommandTest, QueryDeviceTakesNoPrivateInput) {
  ib_uverbs_ex_query_device_resp generic{};
  const auto query = [&](const std::vector<std::uint8_t>& input) {
    return session.write_command(
        IB_USER_VERBS_CMD_FLAG_EXTENDED | IB_USER_VERBS_EX_CMD_QUERY_DEVICE,
        ib_uverbs_ex_query_device{},
        Attributes().out(UVERBS_ATTR_CORE_OUT, generic).in(UVERBS_ATTR_UHW_IN, input));
  };
  EXPECT_EQ(query({}), 0);
  EXPECT_EQ(query(zeros), 0);
  EXPECT_TRUE(refused(query(ones)));
}

TEST_F(CommandTest, QueryDeviceTellsHowMuchItAnswered) {
  ib_uverbs_ex_query_device_resp generic{};
  constexpr std::size_t kShort = offsetof(ib_uverbs_ex_query_device_resp, rss_caps);
  for (const std::size_t room : {kShort, sizeof(generic)}) {
    ASSERT_EQ(
        session.write_command(IB_USER_VERBS_CMD_FLAG_EXTENDED | IB_USER_VERBS_EX_CMD_QUERY_DEVICE,
                              ib_uverbs_ex_query_device{},
                              Attributes().out(UVERBS_ATTR_CORE_OUT, &generic, room)),
        0);
    EXPECT_LE(generic.response_length, room);
    EXPECT_GT(generic.response_length, offsetof(ib_uverbs_ex_query_device_resp, odp_caps));
  }
}

TEST_F(CommandTest, QueryGidTableHandsOutEntriesOfAnySize) {
  for (const std::uint64_t size : {24u, 32u, 64u}) {
    std::vector<std::uint8_t> entries(4 * size);
    std::uint64_t count = 0;
    Attributes attributes;
    attributes.in(UVERBS_ATTR_QUERY_GID_TABLE_ENTRY_SIZE, size)
        .in(UVERBS_ATTR_QUERY_GID_TABLE_FLAGS, std::uint32_t{0})
        .out(UVERBS_ATTR_QUERY_GID_TABLE_RESP_ENTRIES, entries)
        .out(UVERBS_ATTR_QUERY_GID_TABLE_RESP_NUM_ENTRIES, count);
    ASSERT_EQ(session.call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_GID_TABLE, attributes), 0);
    EXPECT_EQ(count, 1u);
    EXPECT_EQ(std::memcmp(entries.data(), session.gid(), 16), 0);
  }
}

TEST_F(CommandTest, QueryPortSpeedIsInUnitsOf100Megabits) {
  constexpr std::uint16_t kQueryPortSpeed = 7;
  std::uint64_t speed = 0;
  Attributes attributes;
  attributes.in(0, std::uint32_t{1}).out(1, speed);
  ASSERT_EQ(session.call(UVERBS_OBJECT_DEVICE, kQueryPortSpeed, attributes), 0);
  EXPECT_TRUE(speed == 1000 || speed == 2000 || speed == 4000) << speed;
}

TEST_F(CommandTest, AllocPdTakesNoPrivateInput) {
  const auto alloc = [&](const std::vector<std::uint8_t>& input) {
    ib_uverbs_alloc_pd_resp core{};
    return session.write_command(
        IB_USER_VERBS_CMD_ALLOC_PD, ib_uverbs_alloc_pd{},
        Attributes().out(UVERBS_ATTR_CORE_OUT, core).in(UVERBS_ATTR_UHW_IN, input));
  };
  EXPECT_EQ(alloc(zeros), 0);
  EXPECT_TRUE(refused(alloc(ones)));
}

TEST_F(CommandTest, AllocPdGivesNumbersOfTheirOwn) {
  Pd other;
  ASSERT_EQ(session.alloc_pd(other), 0);
  EXPECT_NE(other.number, pd.number);
  EXPECT_NE(other.handle, pd.handle);
}

TEST_F(CommandTest, RegMrTakesNoPrivateInput) {
  const auto reg = [&](const std::vector<std::uint8_t>& input) {
    ib_uverbs_reg_mr request{};
    request.start = request.hca_va = reinterpret_cast<std::uint64_t>(buffer.data());
    request.length = buffer.size();
    request.pd_handle = pd.handle;
    ib_uverbs_reg_mr_resp core{};
    return session.write_command(
        IB_USER_VERBS_CMD_REG_MR, request,
        Attributes().out(UVERBS_ATTR_CORE_OUT, core).in(UVERBS_ATTR_UHW_IN, input));
  };
  EXPECT_EQ(reg(zeros), 0);
  EXPECT_TRUE(refused(reg(ones)));
}

TEST_F(CommandTest, RegMrNeedsADomain) {
  Mr mr;
  const int error = session.reg_mr({999, 0}, buffer.data(), buffer.size(), 0, mr);
  EXPECT_TRUE(error == EINVAL || error == ENOENT) << error;
}

TEST_F(CommandTest, QueryMrTellsWhichInterconnectIdsAreValid) {
  Mr mr;
  ASSERT_EQ(session.reg_mr(pd, buffer.data(), buffer.size(), kLocalWrite | kRemoteRead, mr), 0);
  std::uint16_t validity = 0xffff, recv = 0, read = 0, rdma_recv = 0;
  Attributes attributes;
  attributes.handle(EFA_UABI_IDS_ATTR_QUERY_MR_HANDLE, mr.handle)
      .out(EFA_UABI_IDS_ATTR_QUERY_MR_RESP_IC_ID_VALIDITY, validity)
      .out(EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RECV_IC_ID, recv)
      .out(EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RDMA_READ_IC_ID, read)
      .out(EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RDMA_RECV_IC_ID, rdma_recv);
  EXPECT_EQ(session.call(UVERBS_OBJECT_MR, EFA_UABI_IDS_METHOD_MR_QUERY, attributes), 0);
  EXPECT_EQ(validity & ~7, 0);
}

TEST_F(CommandTest, CreateAhTakesNoPrivateInput) {
  const auto create = [&](const std::vector<std::uint8_t>& input) {
    ib_uverbs_create_ah request{};
    request.pd_handle = pd.handle;
    request.attr.is_global = 1;
    request.attr.port_num = 1;
    std::memcpy(request.attr.grh.dgid, session.gid(), 16);
    ib_uverbs_create_ah_resp core{};
    return session.write_command(
        IB_USER_VERBS_CMD_CREATE_AH, request,
        Attributes().out(UVERBS_ATTR_CORE_OUT, core).in(UVERBS_ATTR_UHW_IN, input));
  };
  EXPECT_EQ(create(zeros), 0);
  EXPECT_TRUE(refused(create(ones)));
}

TEST_F(CommandTest, AllocAsyncEventHappensOnce) {
  Attributes first, second;
  first.handle(UVERBS_ATTR_ASYNC_EVENT_ALLOC_FD_HANDLE);
  second.handle(UVERBS_ATTR_ASYNC_EVENT_ALLOC_FD_HANDLE);
  ASSERT_EQ(session.call(UVERBS_OBJECT_ASYNC_EVENT, UVERBS_METHOD_ASYNC_EVENT_ALLOC, first), 0);
  EXPECT_NE(session.call(UVERBS_OBJECT_ASYNC_EVENT, UVERBS_METHOD_ASYNC_EVENT_ALLOC, second), 0);
}

bool unknown(int error) {
  return error == EINVAL || error == ENOENT;
}

TEST_F(CommandTest, DestroyNeedsAHandleOfItsType) {
  Mr mr;
  ASSERT_EQ(session.reg_mr(pd, buffer.data(), buffer.size(), 0, mr), 0);
  EXPECT_EQ(session.destroy(UVERBS_OBJECT_AH, mr.handle), EINVAL);
  EXPECT_EQ(session.destroy(UVERBS_OBJECT_PD, mr.handle), EINVAL);
  EXPECT_TRUE(unknown(session.destroy(UVERBS_OBJECT_PD, 12345)));
  EXPECT_EQ(session.destroy(UVERBS_OBJECT_PD, pd.handle), EBUSY);
  EXPECT_EQ(session.destroy(UVERBS_OBJECT_MR, mr.handle), 0);
  EXPECT_TRUE(unknown(session.destroy(UVERBS_OBJECT_MR, mr.handle)));
  EXPECT_EQ(session.destroy(UVERBS_OBJECT_PD, pd.handle), 0);
}

TEST_F(CommandTest, DestroyReachesNoOtherContext) {
  Session other;
  EXPECT_TRUE(unknown(other.destroy(UVERBS_OBJECT_PD, pd.handle)));
  Mr mr;
  EXPECT_TRUE(unknown(other.reg_mr(pd, buffer.data(), buffer.size(), 0, mr)));
}

TEST_F(CommandTest, LegacyDestroyWorksToo) {
  AddressHandle ah;
  ASSERT_EQ(session.create_ah(pd, session.gid(), ah), 0);
  EXPECT_EQ(session.write_command(IB_USER_VERBS_CMD_DESTROY_AH, ib_uverbs_destroy_ah{ah.handle}),
            0);
  Mr mr;
  ASSERT_EQ(session.reg_mr(pd, buffer.data(), buffer.size(), 0, mr), 0);
  EXPECT_EQ(session.write_command(IB_USER_VERBS_CMD_DEREG_MR, ib_uverbs_dereg_mr{mr.handle}), 0);
  EXPECT_EQ(session.write_command(IB_USER_VERBS_CMD_DEALLOC_PD, ib_uverbs_dealloc_pd{pd.handle}),
            0);
}

}  // namespace
}  // namespace efa::raw
