// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Memory regions: access bits, keys, what is refused, and what users read about limits (spec 7).
#include "objects/mr.hpp"

#include "mr_access.hpp"
#include "objects/mr_failure.hpp"
#include "objects/opened.hpp"

namespace {

using namespace efa::fi;
using namespace efa::fi::test;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kLocal = IBV_ACCESS_LOCAL_WRITE;
constexpr int kRead = IBV_ACCESS_REMOTE_READ;
constexpr int kWrite = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;

TEST(MrAccess, IsThatOfTheTable) {
  const Device none = recorded_device(Rdma::none);
  const Device read = recorded_device(Rdma::read);
  const Device write = recorded_device(Rdma::write);
  const struct {
    uint64_t access;
    int none;
    int read;
    int write;
  } rows[] = {
      {FI_RECV, kLocal, kLocal, kLocal},
      {FI_READ, 0, kLocal, kLocal},
      {FI_SEND, 0, kRead, kRead},
      {FI_WRITE, 0, kRead, 0},
      {FI_REMOTE_READ, 0, kRead, kRead},
      {FI_REMOTE_WRITE, 0, kLocal, kWrite},
      {kAccess, kLocal, kLocal | kRead, kWrite | kRead},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(verbs_access(row.access, none), row.none) << row.access;
    EXPECT_EQ(verbs_access(row.access, read), row.read) << row.access;
    EXPECT_EQ(verbs_access(row.access, write), row.write) << row.access;
  }
}

TEST(MrAccess, NothingOrAnUnknownBitIsSendAndReceive) {
  EXPECT_EQ(normal_access(0), FI_SEND | FI_RECV);
  EXPECT_EQ(normal_access(FI_READ | FI_ATOMIC), FI_SEND | FI_RECV);
  EXPECT_EQ(normal_access(FI_READ), FI_READ);
}

struct Registering {
  explicit Registering(Kind kind = Kind::rdm, Rdma rdma = Rdma::unsolicited) : of(kind, rdma) {}

  int reg(uint64_t access, Owner<fid_mr>& mr, uint64_t flags = 0) {
    return fi_mr_reg(of.domain.get(), memory, sizeof memory, access, 0, 42, flags, mr.out(), this);
  }
  int regattr(const fi_mr_attr& attributes, uint64_t flags = 0) {
    Owner<fid_mr> mr;
    return fi_mr_regattr(of.domain.get(), &attributes, flags, mr.out());
  }

  OpenedDomain of;
  char memory[100];
};

TEST(Mr, ItsKeyFindsItInTheDomainWhileItIsOpen) {
  Registering registering;
  Owner<fid_mr> mr;
  EXPECT_EQ(registering.reg(FI_SEND | FI_REMOTE_READ, mr), 0);
  EXPECT_NE(fi_mr_key(mr.get()), 42u);
  Domain& domain = *registering.of;
  ASSERT_EQ(domain.regions.count(fi_mr_key(mr.get())), 1u);
  const efa::rdm::Region& region = domain.regions.at(fi_mr_key(mr.get()))->region;
  EXPECT_EQ(fi_mr_desc(mr.get()), &region);
  EXPECT_EQ(region.rkey, fi_mr_key(mr.get()));
  EXPECT_EQ(region.start, reinterpret_cast<uintptr_t>(registering.memory));
  EXPECT_EQ(region.length, sizeof registering.memory);
  EXPECT_EQ(region.access, FI_SEND | FI_REMOTE_READ);
  EXPECT_TRUE(region.remote_readable);
  EXPECT_EQ(mr->fid.context, &registering);
  mr.reset();
  EXPECT_TRUE(domain.regions.empty());
  EXPECT_EQ(fake_verbs().mrs, 0);
}

TEST(Mr, OnlyWhatTheDeviceCanBeReadFromIsRemoteReadable) {
  Registering registering(Kind::rdm, Rdma::none);
  Owner<fid_mr> mr;
  EXPECT_EQ(registering.reg(FI_SEND | FI_REMOTE_READ, mr), 0);
  EXPECT_FALSE(region_of(fi_mr_desc(mr.get()))->remote_readable);
  EXPECT_EQ(fake_verbs().last_access, 0);
}

TEST(Mr, HoldsItsDomain) {
  Registering registering;
  Owner<fid_mr> mr;
  registering.reg(FI_SEND, mr);
  EXPECT_EQ(fi_close(&registering.of.domain->fid), -FI_EBUSY);
}

TEST(Mr, DirectEndpointsNeedTheDevicesRdma) {
  Registering registering(Kind::direct, Rdma::none);
  Owner<fid_mr> mr;
  EXPECT_EQ(registering.reg(FI_SEND | FI_RECV, mr), 0);
  mr.reset();
  for (const uint64_t access : {FI_READ, FI_WRITE, FI_REMOTE_READ, FI_REMOTE_WRITE})
    EXPECT_EQ(registering.reg(access, mr), -FI_EOPNOTSUPP);
  EXPECT_THAT(take_log()[0], HasSubstr("FI_READ needs RDMA, which device efa_0 lacks"));
}

TEST(Mr, OneRangeAtATime) {
  Registering registering;
  const iovec ranges[2] = {{registering.memory, 10}, {registering.memory + 50, 10}};
  Owner<fid_mr> mr;
  EXPECT_EQ(fi_mr_regv(registering.of.domain.get(), ranges, 2, FI_SEND, 0, 0, 0, mr.out(), nullptr),
            -FI_EINVAL);
  EXPECT_EQ(fi_mr_regv(registering.of.domain.get(), ranges, 0, FI_SEND, 0, 0, 0, mr.out(), nullptr),
            -FI_EINVAL);
  EXPECT_EQ(fi_mr_regv(registering.of.domain.get(), ranges, 1, FI_SEND, 0, 0, 0, mr.out(), nullptr),
            0);
}

TEST(Mr, FlagsThatItLacksAreRefused) {
  Registering registering;
  Owner<fid_mr> mr;
  EXPECT_EQ(registering.reg(FI_SEND, mr, FI_RMA_EVENT), -FI_EBADFLAGS);
  EXPECT_THAT(take_log(), ElementsAre(HasSubstr("there are FI_HMEM_DEVICE_ONLY")));
  EXPECT_EQ(registering.reg(FI_SEND, mr, 1ULL << 46), 0);
}

TEST(Mr, MemoryOfDevicesIsRefused) {
  Registering registering;
  const iovec range{registering.memory, 10};
  fi_mr_attr attributes{};
  attributes.mr_iov = &range;
  attributes.iov_count = 1;
  attributes.access = FI_SEND;
  EXPECT_EQ(registering.regattr(attributes), 0);
  attributes.iface = FI_HMEM_CUDA;
  EXPECT_EQ(registering.regattr(attributes), -FI_ENOSYS);
  attributes.iface = static_cast<fi_hmem_iface>(7);
  EXPECT_EQ(registering.regattr(attributes), -FI_EINVAL);
}

TEST(Mr, DmabufsAreForApi120AndLater) {
  constexpr uint64_t kDmabuf = 1ULL << 40;
  Registering old;
  EXPECT_EQ(old.regattr({}, kDmabuf), -FI_EBADFLAGS);
}

TEST(Mr, AFailureSaysWhatAndWhy) {
  Registering registering;
  Owner<fid_mr> mr;
  fake_verbs().fail_next["ibv_reg_mr"] = EFAULT;
  EXPECT_EQ(registering.reg(FI_SEND, mr), -FI_EFAULT);
  EXPECT_THAT(take_log(), ElementsAre(HasSubstr("100 bytes at 0x")));
  EXPECT_TRUE((*registering.of).regions.empty());
}

TEST(MrFailure, NamesTheLimitThatWasHit) {
  const MrLimits roomy{.max_mr = 100, .max_mr_size = 1 << 20, .registered = 3};
  EXPECT_THAT(why_not_registered(ENOMEM, 2 << 20, roomy), HasSubstr("max_mr_size"));
  EXPECT_THAT(why_not_registered(EINVAL, 2 << 20, roomy), HasSubstr("max_mr_size"));
  EXPECT_THAT(why_not_registered(ENOMEM, 10, roomy), HasSubstr("for all processes (max_mr)"));
  MrLimits limits = roomy;
  limits.registered = 100;
  EXPECT_THAT(why_not_registered(ENOMEM, 10, limits), HasSubstr("this domain alone has 100"));
  limits = roomy;
  limits.locked_memory = 64 << 10;
  EXPECT_THAT(why_not_registered(ENOMEM, 10, limits), HasSubstr("may lock 64 KiB"));
  limits.privileged = true;
  EXPECT_THAT(why_not_registered(ENOMEM, 10, limits), HasSubstr("for all processes (max_mr)"));
  EXPECT_THAT(why_not_registered(EINVAL, 0, roomy), HasSubstr("there is nothing in it"));
}

}  // namespace
