// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Memory regions (spec verbs B7.3).
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "station.hpp"

namespace efa::provider_test {
namespace {

class MemoryRegion : public ProviderTest {
 protected:
  static constexpr std::size_t kBytes = 16384;
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(kBytes);

  int error_of(int access) {
    const Mr mr(try_reg_mr(pd.get(), buffer.data(), kBytes, access));
    return mr ? 0 : errno;
  }
};

/// A file in memory that stands for a DMA buffer (efa-emu takes one that cannot shrink).
class SealedMemory {
 public:
  explicit SealedMemory(std::size_t bytes) : fd_(::memfd_create("dmabuf", MFD_ALLOW_SEALING)) {
    EXPECT_EQ(::ftruncate(fd_, static_cast<off_t>(bytes)), 0);
    EXPECT_EQ(::fcntl(fd_, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    start_ = static_cast<std::uint8_t*>(
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0));
  }
  ~SealedMemory() { ::close(fd_); }
  int fd() const { return fd_; }
  std::uint8_t* data() const { return start_; }

 private:
  int fd_;
  std::uint8_t* start_;
};

TEST_F(MemoryRegion, V30_has_the_rights_that_the_device_has) {
  EXPECT_EQ(error_of(0), 0);
  EXPECT_EQ(error_of(IBV_ACCESS_LOCAL_WRITE), 0);
  const bool read = device_limit("rdma_read").value_or(1) != 0;
  EXPECT_EQ(error_of(IBV_ACCESS_REMOTE_READ), read ? 0 : EOPNOTSUPP);
  const bool write = device_limit("rdma_write").value_or(generation().rdma_write) != 0;
  EXPECT_EQ(error_of(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE), write ? 0 : EOPNOTSUPP);
  EXPECT_EQ(error_of(IBV_ACCESS_REMOTE_WRITE), EINVAL);
  EXPECT_EQ(error_of(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_ATOMIC), EOPNOTSUPP);
}

TEST_F(MemoryRegion, V31_takes_another_address_with_the_same_page_offset) {
  const auto start = reinterpret_cast<std::uint64_t>(buffer.data());
  const std::uint64_t iova = 0x7000000000 + start % 4096;
  const Mr mr(try_reg_mr(pd.get(), buffer.data(), kBytes, IBV_ACCESS_LOCAL_WRITE, iova));
  EXPECT_TRUE(mr);
  EXPECT_EQ(try_reg_mr(pd.get(), buffer.data(), kBytes, IBV_ACCESS_LOCAL_WRITE, iova + 1), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(MemoryRegion, V32_takes_relaxed_ordering) {
  EXPECT_EQ(error_of(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_RELAXED_ORDERING), 0);
}

TEST_F(MemoryRegion, V33_stays_when_the_kernel_refuses_to_let_it_go) {
  ibv_mr* mr = try_reg_mr(pd.get(), buffer.data(), kBytes, IBV_ACCESS_LOCAL_WRITE);
  ASSERT_NE(mr, nullptr);
  const std::uint32_t key = mr->lkey;
  {
    const Interception refusing([](const VerbsCall& call) {
      return call.is(UVERBS_OBJECT_MR, UVERBS_METHOD_MR_DESTROY) || call.is_write(13) ? EBUSY : 0;
    });
    EXPECT_EQ(ibv_dereg_mr(mr), EBUSY);
  }
  EXPECT_EQ(mr->lkey, key);
  EXPECT_EQ(ibv_dereg_mr(mr), 0);
}

TEST_F(MemoryRegion, V34_can_lie_in_a_DMA_buffer) {
  SealedMemory memory(65536);
  const Mr mr(
      ibv_reg_dmabuf_mr(pd.get(), 4096, 8192, 0x10000, memory.fd(), IBV_ACCESS_LOCAL_WRITE));
  ASSERT_TRUE(mr) << std::strerror(errno);
  Station self = station();
  const Destination to = self.from(self);
  self.fill(0, 64, 3);
  // Into the buffer ...
  ibv_sge segment{0x10000 + 100, 64, mr->lkey};
  ibv_recv_wr receive{1, nullptr, &segment, 1};
  ibv_recv_wr* bad_receive = nullptr;
  ASSERT_EQ(ibv_post_recv(self.qp(), &receive, &bad_receive), 0);
  ASSERT_EQ(self.post_send(2, to, 0, 64), 0);
  EXPECT_SUCCESS(self.next_sent(), 2u);
  EXPECT_SUCCESS(self.next_received(), 1u);
  EXPECT_EQ(std::memcmp(memory.data() + 4096 + 100, self.at(0), 64), 0);
  // ... and out of it.
  ASSERT_EQ(self.post_receive(3, 8192, 64), 0);
  ibv_send_wr send = self.send_wr(4, to, &segment, 1);
  ibv_send_wr* bad_send = nullptr;
  ASSERT_EQ(ibv_post_send(self.qp(), &send, &bad_send), 0);
  EXPECT_SUCCESS(self.next_sent(), 4u);
  EXPECT_SUCCESS(self.next_received(), 3u);
  EXPECT_TRUE(self.holds(8192, 64, 3));
}

TEST_F(MemoryRegion, V35_has_no_relatives) {
  ibv_mr* mr = try_reg_mr(pd.get(), buffer.data(), kBytes, IBV_ACCESS_LOCAL_WRITE);
  ASSERT_NE(mr, nullptr);
  const Mr owner(mr);
  EXPECT_NE(ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_ACCESS, nullptr, nullptr, 0, 0), 0);
  EXPECT_EQ(errno, EOPNOTSUPP);
  EXPECT_EQ(ibv_alloc_mw(pd.get(), IBV_MW_TYPE_1), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  EXPECT_EQ(ibv_alloc_null_mr(pd.get()), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  ibv_alloc_dm_attr dm{4096, 0, 0};
  EXPECT_EQ(ibv_alloc_dm(context.get(), &dm), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  ibv_sge segment{reinterpret_cast<std::uint64_t>(buffer.data()), 4096, mr->lkey};
  EXPECT_EQ(ibv_advise_mr(pd.get(), IBV_ADVISE_MR_ADVICE_PREFETCH, 0, &segment, 1), EOPNOTSUPP);
  EXPECT_EQ(try_reg_mr(pd.get(), nullptr, SIZE_MAX, IBV_ACCESS_ON_DEMAND), nullptr);
}

TEST_F(MemoryRegion, V36_tells_its_interconnects) {
  const Mr mr(try_reg_mr(pd.get(), buffer.data(), kBytes, IBV_ACCESS_LOCAL_WRITE));
  ASSERT_TRUE(mr);
  ASSERT_EQ(api().query_mr != nullptr, level() >= 50);
  if (api().query_mr == nullptr) return;
  struct {
    efadv_mr_attr attr;
    std::uint64_t beyond;
  } room;
  std::memset(&room, 0xff, sizeof(room));
  EXPECT_EQ(api().query_mr(mr.get(), &room.attr, 14), EINVAL);
  EXPECT_EQ(api().query_mr(mr.get(), &room.attr, 15), wanted_or_stock(EINVAL, 0));
  ASSERT_EQ(api().query_mr(mr.get(), &room.attr, sizeof(room)), 0);
  EXPECT_EQ(room.attr.comp_mask, 0u);
  EXPECT_EQ(room.attr.ic_id_validity & ~7, 0);
  EXPECT_EQ(room.beyond, 0u);
}

TEST_F(MemoryRegion, V36_query_hands_kernel_errors_through) {
  if (api().query_mr == nullptr) return;
  const Mr mr(try_reg_mr(pd.get(), buffer.data(), kBytes, IBV_ACCESS_LOCAL_WRITE));
  for (const int error : {EPROTONOSUPPORT, ENOTTY}) {
    const Interception old_kernel([&](const VerbsCall& call) {
      return call.is(UVERBS_OBJECT_MR, EFA_UABI_IDS_METHOD_MR_QUERY) ? error : 0;
    });
    efadv_mr_attr attr{};
    EXPECT_EQ(api().query_mr(mr.get(), &attr, sizeof(attr)), error);
  }
}

TEST_F(MemoryRegion, V37_survives_forks_while_traffic_flows) {
  ASSERT_NE(ibv_is_fork_initialized(), IBV_FORK_DISABLED);  // main() did it
  Station self = station();
  const Destination to = self.from(self);
  for (std::uint64_t id = 0; id < 20; ++id) {
    self.fill(65536, 1024, static_cast<std::uint8_t>(id));
    ASSERT_EQ(self.post_receive(id, 0, 1024), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) ::_exit(0);
    ASSERT_EQ(self.post_send(id, to, 65536, 1024), 0);
    EXPECT_SUCCESS(self.next_sent(), id);
    EXPECT_SUCCESS(self.next_received(), id);
    EXPECT_TRUE(self.holds(0, 1024, static_cast<std::uint8_t>(id)));
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
}

}  // namespace
}  // namespace efa::provider_test
