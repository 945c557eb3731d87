// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Protection domains, memory regions, address handles (verbs A8.1, A8.6, A8.7).
#include <sys/mman.h>
#include <unistd.h>

#include "rig.hpp"

namespace efa::verbs_test {
namespace {

const std::size_t kPage = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));

/// Anonymous pages that can lose some of their rights.
class Pages {
 public:
  explicit Pages(std::size_t count)
      : bytes_(count * kPage),
        start_(static_cast<std::uint8_t*>(
            ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    if (start_ == MAP_FAILED) throw std::bad_alloc();
  }
  ~Pages() { ::munmap(start_, bytes_); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  std::uint8_t* page(std::size_t index) const { return start_ + index * kPage; }
  std::size_t bytes() const { return bytes_; }
  void unmap(std::size_t index) { ASSERT_EQ(::munmap(page(index), kPage), 0); }
  void protect(std::size_t index, int rights) {
    ASSERT_EQ(::mprotect(page(index), kPage, rights), 0);
  }

 private:
  std::size_t bytes_;
  std::uint8_t* start_;
};

class PdTest : public VerbsTest {};

TEST_F(PdTest, CannotGoWhileSomethingCountsOnIt) {
  std::vector<std::uint8_t> buffer(100);
  Mr mr(try_reg_mr(pd.get(), buffer.data(), buffer.size(), 0));
  ASSERT_TRUE(mr);
  EXPECT_EQ(ibv_dealloc_pd(pd.get()), EBUSY);
  mr.reset();
  Ah ah(try_create_ah(pd.get(), gid_of(context.get())));
  ASSERT_TRUE(ah);
  EXPECT_EQ(ibv_dealloc_pd(pd.get()), EBUSY);
}

TEST_F(PdTest, RunOutAtTheLimitAndComeBack) {
  for (int round = 0; round < 2; ++round) {
    std::vector<Pd> pds;
    while (ibv_pd* more = ibv_alloc_pd(context.get())) pds.emplace_back(more);
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_EQ(static_cast<int>(pds.size()) + 1, attributes().max_pd);  // one is the fixture's
  }
}

class MrTest : public VerbsTest {
 protected:
  /// errno of a registration with `access`, 0 if it worked.
  int error_of(void* start, std::size_t length, int access) {
    Mr mr(try_reg_mr(pd.get(), start, length, access));
    return mr ? 0 : errno;
  }
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(3 * kPage);
  int error_of(int access) { return error_of(buffer.data(), buffer.size(), access); }
};

TEST_F(MrTest, TakeTheRightsThatTheDeviceHas) {
  EXPECT_EQ(error_of(0), 0);
  EXPECT_EQ(error_of(IBV_ACCESS_LOCAL_WRITE), 0);
  EXPECT_EQ(error_of(IBV_ACCESS_REMOTE_READ), 0);
  EXPECT_EQ(error_of(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ), 0);
  EXPECT_EQ(error_of(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_RELAXED_ORDERING), 0);
  EXPECT_EQ(error_of(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE),
            generation().rdma_write ? 0 : EOPNOTSUPP);
}

TEST_F(MrTest, RefuseRemoteWriteWithoutLocalWrite) {
  EXPECT_EQ(error_of(IBV_ACCESS_REMOTE_WRITE), EINVAL);
  EXPECT_EQ(error_of(IBV_ACCESS_REMOTE_ATOMIC), EINVAL);
}

TEST_F(MrTest, RefuseRightsThatEfaDoesNotHave) {
  for (const int access :
       {IBV_ACCESS_REMOTE_ATOMIC, IBV_ACCESS_MW_BIND, IBV_ACCESS_ZERO_BASED, IBV_ACCESS_HUGETLB})
    EXPECT_EQ(error_of(IBV_ACCESS_LOCAL_WRITE | access), EOPNOTSUPP) << access;
  const int on_demand = error_of(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND);
  EXPECT_TRUE(on_demand == EOPNOTSUPP || on_demand == EINVAL) << on_demand;
}

TEST_F(MrTest, RefuseMemoryThatIsNotThere) {
  Pages pages(3);
  pages.unmap(2);
  EXPECT_EQ(error_of(pages.page(0), 2 * kPage, IBV_ACCESS_LOCAL_WRITE), 0);
  EXPECT_EQ(error_of(pages.page(2), 1, IBV_ACCESS_LOCAL_WRITE), EFAULT);
  EXPECT_EQ(error_of(pages.page(1), kPage + 1, IBV_ACCESS_LOCAL_WRITE), EFAULT);
  EXPECT_EQ(error_of(nullptr, kPage, 0), EFAULT);
}

TEST_F(MrTest, RefuseARangeWithAHole) {
  Pages pages(5);
  pages.unmap(2);
  EXPECT_EQ(error_of(pages.page(0), pages.bytes(), 0), EFAULT);
}

TEST_F(MrTest, RefuseLocalWriteToReadOnlyMemory) {
  Pages pages(2);
  pages.protect(1, PROT_READ);
  EXPECT_EQ(error_of(pages.page(0), kPage, IBV_ACCESS_LOCAL_WRITE), 0);
  EXPECT_EQ(error_of(pages.page(1), kPage, 0), 0);
  EXPECT_EQ(error_of(pages.page(1), kPage, IBV_ACCESS_LOCAL_WRITE), EFAULT);
}

TEST_F(MrTest, RefuseMemoryWithoutAnyRight) {
  Pages pages(1);
  pages.protect(0, PROT_NONE);
  EXPECT_EQ(error_of(pages.page(0), kPage, 0), EFAULT);
}

TEST_F(MrTest, RefuseLengthZeroAndRangesThatWrap) {
  EXPECT_EQ(error_of(buffer.data(), 0, 0), EINVAL);
  EXPECT_EQ(error_of(buffer.data(), SIZE_MAX - 100, 0), EINVAL);
}

TEST_F(MrTest, TakeAnyAddressWithTheSamePageOffset) {
  const auto start = reinterpret_cast<std::uint64_t>(buffer.data());
  constexpr std::uint64_t kElsewhere = 0x7000000000;
  const std::uint64_t iova = kElsewhere + start % kPage;
  Mr mr(try_reg_mr(pd.get(), buffer.data(), buffer.size(), IBV_ACCESS_LOCAL_WRITE, iova));
  EXPECT_TRUE(mr);
  Mr shifted(try_reg_mr(pd.get(), buffer.data(), buffer.size(), IBV_ACCESS_LOCAL_WRITE, iova + 1));
  EXPECT_FALSE(shifted);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(MrTest, HaveKeysOfTheirOwn) {
  Mr one(try_reg_mr(pd.get(), buffer.data(), buffer.size(), 0));
  Mr two(try_reg_mr(pd.get(), buffer.data(), buffer.size(), 0));
  ASSERT_TRUE(one && two);
  EXPECT_NE(one->lkey, two->lkey);
  EXPECT_NE(one->rkey, two->rkey);
}

TEST_F(MrTest, ChangeKeysWhenTheyAreReused) {
  const auto key = [this] {
    Mr mr(try_reg_mr(pd.get(), buffer.data(), buffer.size(), 0));
    return mr ? mr->lkey : 0;
  };
  const std::uint32_t first = key();
  EXPECT_NE(first, key());
}

TEST_F(MrTest, MayBeLarge) {
  constexpr std::size_t kBytes = std::size_t{1} << 33;
  void* start = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(start, MAP_FAILED);
  EXPECT_EQ(error_of(start, kBytes, IBV_ACCESS_LOCAL_WRITE), 0);
  ::munmap(start, kBytes);
}

class AhTest : public VerbsTest {};

TEST_F(AhTest, HaveANumber) {
  Ah ah(try_create_ah(pd.get(), gid_of(context.get())));
  ASSERT_TRUE(ah);
  efadv_ah_attr attr{};
  EXPECT_EQ(efadv_query_ah(ah.get(), &attr, sizeof(attr)), 0);
}

TEST_F(AhTest, OfDifferentPeersDifferInTheirNumber) {
  Ah mine(try_create_ah(pd.get(), gid_of(context.get())));
  Ah other(try_create_ah(pd.get(), gid_of(other_context.get())));
  ASSERT_TRUE(mine && other);
  efadv_ah_attr one{}, two{};
  EXPECT_EQ(efadv_query_ah(mine.get(), &one, sizeof(one)), 0);
  EXPECT_EQ(efadv_query_ah(other.get(), &two, sizeof(two)), 0);
  EXPECT_NE(one.ahn, two.ahn);
}

TEST_F(AhTest, NeedAGlobalRouteAndPortOne) {
  ibv_ah_attr attr{};
  attr.port_num = 1;
  attr.grh.dgid = gid_of(context.get());
  EXPECT_EQ(Ah(ibv_create_ah(pd.get(), &attr)), nullptr);
  EXPECT_EQ(errno, EINVAL);
  attr.is_global = 1;
  attr.port_num = 2;
  EXPECT_EQ(Ah(ibv_create_ah(pd.get(), &attr)), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(AhTest, RefuseTheZeroGid) {
  EXPECT_EQ(Ah(try_create_ah(pd.get(), ibv_gid{})), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(AhTest, RunOutAtTheLimitAndComeBack) {
  const int limit = attributes().max_ah;
  ASSERT_GT(limit, 0);
  std::vector<Ah> ahs;
  ibv_gid gid{};
  gid.raw[0] = 0xfe;
  gid.raw[1] = 0x80;
  for (std::uint32_t i = 1; ahs.size() <= static_cast<std::size_t>(limit); ++i) {
    std::memcpy(gid.raw + 12, &i, sizeof(i));
    Ah ah(try_create_ah(pd.get(), gid));
    if (!ah) break;
    ahs.push_back(std::move(ah));
  }
  EXPECT_EQ(errno, ENOMEM);
  EXPECT_EQ(ahs.size(), static_cast<std::size_t>(limit));
  ahs.clear();
  EXPECT_TRUE(Ah(try_create_ah(pd.get(), gid)));
}

}  // namespace
}  // namespace efa::verbs_test
