// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Memory that the program brings along: completion rings by address or descriptor, DMA buffers as
/// memory regions (verbs A5, A8.2, A8.6). Sealed memory files take the place of DMA buffers.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "rings.hpp"

namespace efa::raw {
namespace {

constexpr std::size_t kBytes = 1 << 20;

/// A memory file that is mapped here.
class SharedFile {
 public:
  explicit SharedFile(std::size_t bytes, unsigned seals = F_SEAL_SHRINK)
      : bytes_(bytes), fd_(::memfd_create("buffer", MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
    EXPECT_EQ(::ftruncate(fd_, static_cast<off_t>(bytes)), 0);
    EXPECT_EQ(::fcntl(fd_, F_ADD_SEALS, seals), 0);
    at_ =
        static_cast<std::byte*>(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0));
    EXPECT_NE(at_, MAP_FAILED);
  }
  ~SharedFile() {
    ::munmap(at_, bytes_);
    ::close(fd_);
  }
  SharedFile(const SharedFile&) = delete;
  SharedFile& operator=(const SharedFile&) = delete;
  int fd() const { return fd_; }
  std::byte* data() const { return at_; }

 private:
  std::size_t bytes_;
  int fd_;
  std::byte* at_ = nullptr;
};

class CallerMemoryTest : public ::testing::Test {
 protected:
  Session session;
  Pd pd;
  AddressHandle ah;
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(2 * kBytes);
  Mr mr;
  CqRequest cq_request;

  void SetUp() override {
    ASSERT_EQ(session.alloc_pd(pd), 0);
    ASSERT_EQ(session.create_ah(pd, session.gid(), ah), 0);
    ASSERT_EQ(session.reg_mr(pd, bytes.data(), bytes.size(), kLocalWrite | kRemoteRead, mr), 0);
    cq_request.device.num_sub_cqs = session.limits().sub_cqs_per_cq;
  }
  std::size_t ring_bytes() const {
    return (std::size_t{cq_request.cqe} * cq_request.device.cq_entry_size *
                cq_request.device.num_sub_cqs +
            4095) &
           ~std::size_t{4095};
  }
  int cq_error(Attributes buffer) {
    CqRequest request = cq_request;
    request.more = std::move(buffer);
    CqAnswer answer;
    const int error = session.create_cq(request, answer);
    if (error != 0) return error;
    return session.destroy(UVERBS_OBJECT_CQ, answer.handle);
  }
  /// Several times around the ring, by sends to the queue pair itself.
  void exchange(CompletionRing& cq) {
    QueuePair qp(session, pd, cq, cq);
    for (std::uint16_t round = 0; round < 200; ++round) {
      qp.post_receive(round, mr, bytes.data() + kBytes, 1000);
      efa_tx_wqe wqe{};
      wqe.meta = meta(EFA_SEND_OP_TYPE_SEND, {ah.number, qp.number()}, round, 1);
      wqe.data.sgl[0] = segment(mr, bytes.data(), 1 + round);
      qp.post_send(wqe);
      for (int i = 0; i < 2; ++i) {
        const Completion completion = cq.next();
        ASSERT_EQ(completion.status(), 0u);
        ASSERT_EQ(completion.common().req_id, round);
        if (completion.queue() == EFA_QUEUE_TYPE_SEND_QUEUE) continue;
        ASSERT_EQ(completion.raw.base.length, 1 + round);
      }
    }
  }
};

TEST_F(CallerMemoryTest, ByAddressHoldsCompletions) {
  void* ring = ::aligned_alloc(4096, ring_bytes());
  std::memset(ring, 0, ring_bytes());
  cq_request.more.in(kCqBufferVa, reinterpret_cast<std::uint64_t>(ring))
      .in(kCqBufferLength, std::uint64_t{ring_bytes()});
  CompletionRing cq(session, cq_request, ring);
  EXPECT_EQ(cq.answer().device.comp_mask, 0u) << "nothing to map";
  EXPECT_EQ(cq.answer().device.q_mmap_key, 0u);
  EXPECT_EQ(cq.answer().device.q_mmap_size, 0u);
  exchange(cq);
  EXPECT_EQ(session.destroy(UVERBS_OBJECT_CQ, cq.answer().handle), EBUSY);
  ::free(ring);
}

TEST_F(CallerMemoryTest, ByDescriptorHoldsCompletions) {
  SharedFile file(4096 + ring_bytes());
  cq_request.more.handle(kCqBufferFd, static_cast<std::uint64_t>(file.fd()))
      .in(kCqBufferOffset, std::uint64_t{4096})
      .in(kCqBufferLength, std::uint64_t{ring_bytes()});
  CompletionRing cq(session, cq_request, file.data() + 4096);
  exchange(cq);
}

TEST_F(CallerMemoryTest, ByDescriptionHoldsCompletions) {
  SharedFile file(ring_bytes());
  for (const bool by_address : {false, true}) {
    std::memset(file.data(), 0, ring_bytes());
    const Buffer buffer{
        by_address,  file.fd(), 0, 0, by_address ? reinterpret_cast<std::uint64_t>(file.data()) : 0,
        ring_bytes()};
    CqRequest request = cq_request;
    request.more.in(kCqBufferUmem, buffer);
    CompletionRing cq(session, request, file.data());
    exchange(cq);
  }
}

TEST_F(CallerMemoryTest, MustHoldTheRing) {
  SharedFile file(2 * ring_bytes());
  const auto start = reinterpret_cast<std::uint64_t>(file.data());
  for (const std::uint64_t length : {std::uint64_t{0}, std::uint64_t{ring_bytes() - 1}}) {
    EXPECT_EQ(cq_error(Attributes().in(kCqBufferVa, start).in(kCqBufferLength, length)), EINVAL);
    EXPECT_EQ(cq_error(Attributes()
                           .handle(kCqBufferFd, static_cast<std::uint64_t>(file.fd()))
                           .in(kCqBufferOffset, std::uint64_t{0})
                           .in(kCqBufferLength, length)),
              EINVAL);
  }
  EXPECT_EQ(cq_error(Attributes()
                         .handle(kCqBufferFd, static_cast<std::uint64_t>(file.fd()))
                         .in(kCqBufferOffset, std::uint64_t{ring_bytes() + 1})
                         .in(kCqBufferLength, std::uint64_t{ring_bytes()})),
            EINVAL)
      << "beyond the end";
}

TEST_F(CallerMemoryTest, IsNamedInOneWay) {
  SharedFile file(ring_bytes());
  const auto fd = static_cast<std::uint64_t>(file.fd());
  const auto start = reinterpret_cast<std::uint64_t>(file.data());
  const std::uint64_t length = ring_bytes(), zero = 0;
  const Buffer buffer{1, -1, 0, 0, start, length};
  const auto va = [&] { return Attributes().in(kCqBufferVa, start); };
  EXPECT_EQ(cq_error(va().in(kCqBufferLength, length)), 0);
  EXPECT_EQ(cq_error(va()), EINVAL);
  EXPECT_EQ(cq_error(va().in(kCqBufferLength, length).in(kCqBufferOffset, zero)), EINVAL);
  EXPECT_EQ(cq_error(va().in(kCqBufferLength, length).handle(kCqBufferFd, fd)), EINVAL);
  EXPECT_EQ(cq_error(Attributes().handle(kCqBufferFd, fd).in(kCqBufferLength, length)), EINVAL);
  EXPECT_EQ(cq_error(Attributes().handle(kCqBufferFd, fd).in(kCqBufferOffset, zero)), EINVAL);
  EXPECT_EQ(cq_error(Attributes().in(kCqBufferLength, length)), EINVAL);
  EXPECT_EQ(cq_error(Attributes().in(kCqBufferOffset, zero)), EINVAL);
  EXPECT_EQ(cq_error(Attributes().in(kCqBufferUmem, buffer)), 0);
  EXPECT_EQ(cq_error(va().in(kCqBufferLength, length).in(kCqBufferUmem, buffer)), EINVAL);
  EXPECT_EQ(cq_error(Attributes().in(kCqBufferUmem, std::uint64_t{0})), EINVAL) << "too short";
}

TEST_F(CallerMemoryTest, MustExist) {
  const std::uint64_t length = ring_bytes();
  EXPECT_EQ(cq_error(Attributes().in(kCqBufferVa, std::uint64_t{4096}).in(kCqBufferLength, length)),
            EFAULT);
  const auto by_fd = [&](int fd) {
    return cq_error(Attributes()
                        .handle(kCqBufferFd, static_cast<std::uint64_t>(fd))
                        .in(kCqBufferOffset, std::uint64_t{0})
                        .in(kCqBufferLength, length));
  };
  EXPECT_EQ(by_fd(9999), EBADF);
  EXPECT_EQ(by_fd(-1), EBADF);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  EXPECT_EQ(by_fd(ends[0]), EINVAL);
  SharedFile unsealed(ring_bytes(), 0);
  EXPECT_EQ(by_fd(unsealed.fd()), EINVAL);
}

TEST_F(CallerMemoryTest, MayDisappearUnderACompletionRing) {
  void* ring =
      ::mmap(nullptr, ring_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  cq_request.more.in(kCqBufferVa, reinterpret_cast<std::uint64_t>(ring))
      .in(kCqBufferLength, std::uint64_t{ring_bytes()});
  CompletionRing lost(session, cq_request, ring);
  cq_request.more = {};
  CompletionRing kept(session, cq_request);
  QueuePair qp(session, pd, lost, kept);
  ::munmap(ring, ring_bytes());
  // The device goes on: what it writes to the other ring arrives.
  qp.post_receive(1, mr, bytes.data(), 1000);
  efa_tx_wqe wqe{};
  wqe.meta = meta(EFA_SEND_OP_TYPE_SEND, {ah.number, qp.number()}, 2, 1);
  wqe.data.sgl[0] = segment(mr, bytes.data(), 100);
  qp.post_send(wqe);
  EXPECT_EQ(kept.next().status(), 0u);
}

class DmaBufferRegionTest : public CallerMemoryTest {
 protected:
  SharedFile file{kBytes};
  std::uint32_t access = kLocalWrite | kRemoteRead;

  int reg(int fd, std::uint64_t offset, std::uint64_t length, std::uint64_t iova, Mr& out) {
    Attributes attributes;
    attributes.handle(UVERBS_ATTR_REG_DMABUF_MR_HANDLE)
        .out(UVERBS_ATTR_REG_DMABUF_MR_RESP_LKEY, out.lkey)
        .out(UVERBS_ATTR_REG_DMABUF_MR_RESP_RKEY, out.rkey)
        .handle(UVERBS_ATTR_REG_DMABUF_MR_PD_HANDLE, pd.handle)
        .in(UVERBS_ATTR_REG_DMABUF_MR_OFFSET, offset)
        .in(UVERBS_ATTR_REG_DMABUF_MR_LENGTH, length)
        .in(UVERBS_ATTR_REG_DMABUF_MR_IOVA, iova)
        .in(UVERBS_ATTR_REG_DMABUF_MR_FD, static_cast<std::uint32_t>(fd))
        .in(UVERBS_ATTR_REG_DMABUF_MR_ACCESS_FLAGS, access);
    const int error = session.call(UVERBS_OBJECT_MR, UVERBS_METHOD_REG_DMABUF_MR, attributes);
    out.handle = static_cast<std::uint32_t>(attributes.value(UVERBS_ATTR_REG_DMABUF_MR_HANDLE));
    return error;
  }
  /// Reads `length` bytes at `iova` of the region into `bytes`.
  Completion read(const Mr& region, std::uint64_t iova, std::uint32_t length) {
    CompletionRing cq(session, cq_request);
    QueuePair qp(session, pd, cq, cq);
    efa_tx_wqe wqe{};
    wqe.meta = meta(EFA_SEND_OP_TYPE_RDMA_READ, {ah.number, qp.number()}, 1, 1);
    wqe.data.rdma_req.remote_mem = remote(region, reinterpret_cast<void*>(iova), length);
    wqe.data.rdma_req.local_mem = segment(mr, bytes.data(), length);
    qp.post_send(wqe);
    const Completion completion = cq.next();
    EXPECT_EQ(session.destroy(UVERBS_OBJECT_QP, qp.handle()), 0);
    EXPECT_EQ(session.destroy(UVERBS_OBJECT_CQ, cq.answer().handle), 0);
    return completion;
  }
};

TEST_F(DmaBufferRegionTest, IsReadByPeers) {
  for (std::size_t i = 0; i < kBytes; ++i) file.data()[i] = static_cast<std::byte>(i * 7 >> 3);
  Mr region;
  constexpr std::uint64_t kIova = (std::uint64_t{3} << 32) + 12345;
  constexpr std::uint64_t kOffset = 8192 + 12345 % 4096;
  ASSERT_EQ(reg(file.fd(), kOffset, 500'000, kIova, region), 0);
  ASSERT_EQ(read(region, kIova + 5, 400'000).status(), 0u);
  EXPECT_EQ(std::memcmp(bytes.data(), file.data() + kOffset + 5, 400'000), 0);
  EXPECT_EQ(read(region, kIova + 1, 500'000).status(), EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS);
  EXPECT_EQ(session.destroy(UVERBS_OBJECT_MR, region.handle), 0);
}

TEST_F(DmaBufferRegionTest, ChecksItsArguments) {
  Mr region;
  EXPECT_EQ(reg(9999, 0, 4096, 0, region), EBADF);
  EXPECT_EQ(reg(STDIN_FILENO, 0, 4096, 0, region), EINVAL);
  EXPECT_EQ(reg(file.fd(), 0, 4096, 1, region), EINVAL) << "offsets in the page differ";
  EXPECT_EQ(reg(file.fd(), 0, 0, 0, region), EINVAL);
  EXPECT_EQ(reg(file.fd(), 4096, kBytes, 0, region), EINVAL) << "beyond the end";
  EXPECT_EQ(reg(file.fd(), 0, ~std::uint64_t{0}, 4096, region), EINVAL);
  access = kRemoteWrite;
  EXPECT_EQ(reg(file.fd(), 0, 4096, 0, region), EINVAL) << "needs local write";
  access = 1u << 5;
  EXPECT_EQ(reg(file.fd(), 0, 4096, 0, region), EINVAL);
  access = kLocalWrite | 8;
  EXPECT_EQ(reg(file.fd(), 0, 4096, 0, region), EOPNOTSUPP) << "atomics";
  access = kLocalWrite;
  EXPECT_EQ(reg(file.fd(), 0, kBytes, 0, region), 0);
}

/// Shared memory that is registered by address: mapped in the emulator as well, where it may.
class SharedRegionTest : public CallerMemoryTest {
 protected:
  /// RDMA operation of `length` bytes between `bytes` and `at` of the region.
  Completion rdma(efa_send_op_type op, const Mr& region, const void* at, std::uint32_t length) {
    CompletionRing cq(session, cq_request);
    QueuePair qp(session, pd, cq, cq);
    efa_tx_wqe wqe{};
    wqe.meta = meta(op, {ah.number, qp.number()}, 1, 1);
    wqe.data.rdma_req.remote_mem = remote(region, at, length);
    wqe.data.rdma_req.local_mem = segment(mr, bytes.data(), length);
    qp.post_send(wqe);
    const Completion completion = cq.next();
    EXPECT_EQ(session.destroy(UVERBS_OBJECT_QP, qp.handle()), 0);
    EXPECT_EQ(session.destroy(UVERBS_OBJECT_CQ, cq.answer().handle), 0);
    return completion;
  }
};

TEST_F(SharedRegionTest, IsReadAndWrittenByPeers) {
  SharedFile file(2 * kBytes, 0);
  for (std::size_t i = 0; i < 2 * kBytes; ++i) file.data()[i] = static_cast<std::byte>(i * 5 >> 2);
  const std::uint32_t rights =
      session.has(EFA_UABI_QUERY_DEVICE_RESP_RDMA_WRITE_MASK) ? kRemoteWrite : 0;
  Mr outer, inner;
  ASSERT_EQ(
      session.reg_mr(pd, file.data() + 100, kBytes, kLocalWrite | kRemoteRead | rights, outer), 0);
  ASSERT_EQ(session.reg_mr(pd, file.data() + 100, kBytes, kLocalWrite | kRemoteRead, inner), 0);
  ASSERT_EQ(rdma(EFA_SEND_OP_TYPE_RDMA_READ, outer, file.data() + 333, 700'001).status(), 0u);
  EXPECT_EQ(std::memcmp(bytes.data(), file.data() + 333, 700'001), 0);
  EXPECT_EQ(session.destroy(UVERBS_OBJECT_MR, inner.handle), 0);
  if (rights == 0) return;
  std::fill(bytes.begin(), bytes.end(), std::uint8_t{0x5a});
  ASSERT_EQ(rdma(EFA_SEND_OP_TYPE_RDMA_WRITE, outer, file.data() + 1000, 600'000).status(), 0u);
  EXPECT_EQ(std::memcmp(bytes.data(), file.data() + 1000, 600'000), 0);
  EXPECT_NE(file.data()[999], std::byte{0x5a});
  EXPECT_NE(file.data()[601'000], std::byte{0x5a});
}

TEST_F(SharedRegionTest, MayBeCutShort) {
  SharedFile file(kBytes, 0);
  Mr region;
  ASSERT_EQ(session.reg_mr(pd, file.data(), kBytes, kLocalWrite | kRemoteRead, region), 0);
  ASSERT_EQ(::ftruncate(file.fd(), 4096), 0);
  EXPECT_EQ(rdma(EFA_SEND_OP_TYPE_RDMA_READ, region, file.data(), kBytes).status(),
            EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS);
  EXPECT_EQ(rdma(EFA_SEND_OP_TYPE_RDMA_READ, region, file.data(), 4096).status(), 0u);
}

}  // namespace
}  // namespace efa::raw
