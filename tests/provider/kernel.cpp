// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What the library does when the kernel is older than it, or refuses: the answers are changed on
/// their way (spec verbs B7, rows for a fake kernel).
#include <dirent.h>
#include <rdma/ib_user_verbs.h>

#include <cstdio>
#include <fstream>

#include "station.hpp"

namespace efa::provider_test {
namespace {

class Kernel : public ::testing::Test {
 protected:
  static Context open_through(AfterCall change) {
    const Interception changed([](const VerbsCall&) { return 0; }, std::move(change));
    return open_device(0);
  }
  static bool is_open(const VerbsCall& call) {
    return call.is(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_GET_CONTEXT);
  }
  /// Device query with the driver's own answer.
  static bool is_query(const VerbsCall& call) {
    return call.is_write(IB_USER_VERBS_EX_CMD_QUERY_DEVICE | IB_USER_VERBS_CMD_FLAG_EXTENDED);
  }
  template <class Response>
  static void change_response(const VerbsCall& call, void (*change)(Response&)) {
    const auto bytes = call.bytes(UVERBS_ATTR_UHW_OUT);
    Response response{};
    __builtin_memcpy(&response, bytes.data(), std::min(sizeof(response), bytes.size()));
    change(response);
    __builtin_memcpy(bytes.data(), &response, std::min(sizeof(response), bytes.size()));
  }
};

int open_descriptors() {
  int count = 0;
  DIR* directory = ::opendir("/proc/self/fd");
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

TEST_F(Kernel, V1_opening_tells_what_the_library_understands) {
  std::uint32_t caps = 0;
  {
    const Interception watching([&](const VerbsCall& call) {
      if (is_open(call)) caps = call.get<std::uint32_t>(UVERBS_ATTR_UHW_IN).value_or(0);
      return 0;
    });
    open_device(0);
  }
  EXPECT_EQ(caps, 3u) << "TX_BATCH and MIN_SQ_WR";
}

TEST_F(Kernel, V1_without_numbers_of_address_handles_there_is_no_device) {
  EXPECT_THROW(open_through([](const VerbsCall& call) {
                 if (is_open(call))
                   change_response<efa_uabi_alloc_ucontext_resp>(
                       call, [](auto& r) { efa_uabi_alloc_ucontext_resp_set_create_ah(&r, 0); });
               }),
               std::runtime_error);
}

TEST_F(Kernel, V2_an_older_one_tells_one_inline_size) {
  const Context context = open_through([](const VerbsCall& call) {
    if (is_open(call))
      change_response<efa_uabi_alloc_ucontext_resp>(call,
                                                    [](auto& r) { r.inline_buf_size_ex = 0; });
  });
  const efadv_device_attr attr = efa_attributes_of(context.get());
  EXPECT_EQ(attr.inline_buf_size, 32);
  EXPECT_EQ(attr.inline_buf_size_ex, since(63, 32, 0));
}

TEST_F(Kernel, V4_every_failure_while_opening_frees_everything) {
  open_device(0);
  const int descriptors = open_descriptors();
  const std::size_t maps = mappings().size();
  int failing = 0;
  for (bool opened = false; !opened; ++failing) {
    ASSERT_LT(failing, 50) << "opening never succeeds";
    int call_number = 0;
    const Interception refusing(
        [&](const VerbsCall&) { return call_number++ == failing ? EIO : 0; });
    try {
      open_device(0);
      // The very first call only asks whether there are ioctls, and may fail (native-mode 3); so
      // may the query behind what is not needed.
      opened = call_number <= failing;
    } catch (const std::runtime_error&) {
    }
    EXPECT_EQ(open_descriptors(), descriptors) << "call " << failing;
    EXPECT_EQ(mappings().size(), maps) << "call " << failing;
  }
  EXPECT_GE(failing, 3);
}

TEST_F(Kernel, V7_without_the_drivers_own_answer_the_generic_part_is_left) {
  const Context context = open_through([](const VerbsCall& call) {
    if (is_open(call))
      change_response<efa_uabi_alloc_ucontext_resp>(
          call, [](auto& r) { efa_uabi_alloc_ucontext_resp_set_query_device(&r, 0); });
  });
  ibv_device_attr attr{};
  ASSERT_EQ(ibv_query_device(context.get(), &attr), 0);
  EXPECT_EQ(attr.vendor_id, 0x1d0fu);
  efadv_device_attr efa{};
  EXPECT_EQ(efadv_query_device(context.get(), &efa, sizeof(efa)), 0);
  EXPECT_EQ(efa.device_caps & EFADV_DEVICE_ATTR_CAPS_RDMA_WRITE, 0u);
}

TEST_F(Kernel, V20_its_errors_are_those_of_the_verbs) {
  const Context context = open_device(0);
  const Pd pd(ibv_alloc_pd(context.get()));
  const Interception refusing([](const VerbsCall&) { return ENOMEM; });
  EXPECT_EQ(ibv_alloc_pd(context.get()), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  EXPECT_EQ(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  EXPECT_EQ(try_create_ah(pd.get(), ibv_gid{.raw = {0xfe, 0x80}}), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  std::uint8_t byte = 0;
  EXPECT_EQ(try_reg_mr(pd.get(), &byte, 1, 0), nullptr);
  EXPECT_EQ(errno, ENOMEM);
}

TEST_F(Kernel, P7_a_queue_pair_that_cannot_be_mapped_leaves_nothing) {
  const Context context = open_device(0);
  const Pd pd(ibv_alloc_pd(context.get()));
  const Cq cq(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
  const std::size_t before = mappings().size();
  int failing = 0;
  for (bool created = false; !created; ++failing) {
    ASSERT_LT(failing, 20);
    int number = 0;
    const Interception refusing([](const VerbsCall&) { return 0; }, {},
                                [&] { return number++ == failing ? ENOMEM : 0; });
    const Qp qp(create_qp(context.get(), pd.get(), cq.get(), cq.get(), {}));
    created = qp != nullptr;
    if (created) break;
    EXPECT_EQ(errno, ENOMEM) << "mapping " << failing;
    EXPECT_EQ(mappings().size(), before) << "mapping " << failing;
  }
  EXPECT_GE(failing, 3) << "SQ, RQ and a doorbell at least";
}

TEST_F(Kernel, V187_an_unknown_queue_pair_is_logged) {
  // VERBS_LOG_FILE and VERBS_LOG_LEVEL are read by libibverbs when it starts.
  const char* path = std::getenv("VERBS_LOG_FILE");
  ASSERT_NE(path, nullptr) << "set it, and VERBS_LOG_LEVEL to 1";
  const Context context = open_device(0);
  const Cq cq(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
  CqRing ring;
  // Of a queue pair that existed, so that its sub-CQ is looked at.
  const Pd pd(ibv_alloc_pd(context.get()));
  const Qp qp(create_qp(context.get(), pd.get(), cq.get(), cq.get(), {}));
  ring.use_sub_cq(QpRings().recv_sub_cq());
  const auto length = [&] {
    std::fflush(nullptr);  // libibverbs' stream as well
    std::ifstream file(path, std::ios::ate);
    return file ? static_cast<long>(file.tellg()) : 0;
  };
  const long before = length();
  ring.forge(ForgedReceive{.qpn = static_cast<std::uint16_t>(qp->qp_num ^ 0x80)});
  ibv_wc wc;
  EXPECT_EQ(ibv_poll_cq(cq.get(), 1, &wc), -EINVAL);
  EXPECT_GT(length(), before);
}

}  // namespace
}  // namespace efa::provider_test
