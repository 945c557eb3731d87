// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Fabrics and domains: what can be opened, what holds what, what is shared (spec 5.1, 5.2, 6).
#include "objects/domain.hpp"

#include <atomic>
#include <thread>

#include "device_rdma.hpp"
#include "objects/domain_extensions.hpp"
#include "objects/gda_operations.hpp"
#include "objects/opened.hpp"

namespace {

using namespace efa::fi;
using namespace efa::fi::test;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Fabric, OnlyKnownNamesAreOpened) {
  start_process();
  fi_fabric_attr attributes{};
  fid_fabric* fabric = nullptr;
  char name[] = "eth0";
  attributes.name = name;
  EXPECT_EQ(open_fabric(&attributes, &fabric, nullptr), -FI_EINVAL);
  attributes.name = nullptr;
  EXPECT_EQ(open_fabric(&attributes, &fabric, nullptr), -FI_EINVAL);
  EXPECT_THAT(take_log()[0], HasSubstr("\"eth0\" not opened: there is efa, efa-direct;"));
}

TEST(Fabric, KeepsTheVersionThatTheApplicationAskedFor) {
  OpenedDomain of(Kind::rdm, Rdma::none, FI_VERSION(1, 9));
  EXPECT_EQ(of.fabric->api_version, FI_VERSION(1, 9));
  EXPECT_EQ((*of).api_version(), FI_VERSION(1, 9));
}

TEST(Fabric, IsHeldByItsDomains) {
  OpenedDomain of;
  EXPECT_EQ(fi_close(&of.fabric->fid), -FI_EBUSY);
  EXPECT_THAT(take_log(), ElementsAre(HasSubstr("fabric efa not closed: 1 of its domains")));
}

TEST(Fabric, KnowsItsFeatures) {
  for (const Kind kind : {Kind::rdm, Kind::direct}) {
    OpenedDomain of(kind);
    struct {
      bool (*query)(const char*);
    }* features = nullptr;
    EXPECT_EQ(fi_open_ops(&of.fabric->fid, "efa feature ops", 0,
                          reinterpret_cast<void**>(&features), nullptr),
              0);
    EXPECT_EQ(features->query("mixed_hmem_iov"), kind == Kind::direct);
    EXPECT_FALSE(features->query("teleportation"));
    EXPECT_EQ(
        fi_open_ops(&of.fabric->fid, "other ops", 0, reinterpret_cast<void**>(&features), nullptr),
        -FI_EINVAL);
  }
}

TEST(Domain, SharesTheOpenedDevice) {
  OpenedDomain of;
  Owner<fid_domain> another;
  EXPECT_EQ(fi_domain(of.fabric.get(), of.info.get(), another.out(), nullptr), 0);
  EXPECT_EQ(fake_verbs().open_devices, 1);
  EXPECT_EQ(fake_verbs().pds, 2);
  EXPECT_EQ((*of).context, Domain::of(another.get()).context);
  another.reset();
  EXPECT_EQ(fake_verbs().open_devices, 1);
  EXPECT_EQ(fake_verbs().pds, 1);
}

TEST(Domain, OnlyWhoCallsOneAtATimeGoesWithoutALock) {
  const auto locked_by_another = [](fi_threading threading) {
    OpenedDomain of(Kind::rdm, Rdma::none, FI_VERSION(1, 18), threading);
    std::atomic<bool> entered = false;
    std::thread another;
    {
      const Guard guard((*of).lock);
      another = std::thread([&] {
        const Guard second((*of).lock);
        entered = true;
      });
      // Without a lock it comes in while this one is inside; with one it cannot.
      if (threading == FI_THREAD_DOMAIN) another.join();
      EXPECT_EQ(entered, threading == FI_THREAD_DOMAIN);
    }
    if (another.joinable()) another.join();
    EXPECT_TRUE(entered);
  };
  for (const fi_threading threading : {FI_THREAD_SAFE, FI_THREAD_FID, FI_THREAD_ENDPOINT,
                                       FI_THREAD_COMPLETION, FI_THREAD_DOMAIN, FI_THREAD_UNSPEC})
    locked_by_another(threading);
}

TEST(Domain, FailuresLeaveNothingAndAreSaid) {
  OpenedDomain of;
  of.domain.reset();
  for (const char* function : {"ibv_open_device", "ibv_alloc_pd"}) {
    fake_verbs().fail_next[function] = EACCES;
    fid_domain* domain = nullptr;
    EXPECT_EQ(fi_domain(of.fabric.get(), of.info.get(), &domain, nullptr), -FI_EACCES);
    EXPECT_THAT(take_log(), ElementsAre(HasSubstr("domain on efa_0 not opened: the device ")));
    EXPECT_TRUE(fake_verbs().nothing_left());
  }
}

TEST(Domain, OnlyNamesOfItsFabricAreOpened) {
  OpenedDomain of;
  fid_domain* domain = nullptr;
  const InfoPtr info = duplicate(*of.info);
  free(info->domain_attr->name);
  info->domain_attr->name = c_text("efa_7-rdm");
  EXPECT_EQ(fi_domain(of.fabric.get(), info.get(), &domain, nullptr), -FI_EINVAL);
  EXPECT_THAT(take_log(), ElementsAre(HasSubstr("fabric efa has efa_0-rdm, efa_0-dgrm;")));
  EXPECT_EQ(fi_domain(of.fabric.get(), nullptr, &domain, nullptr), -FI_EINVAL);
}

TEST(Domain, ItsKindIsThatOfItsName) {
  EXPECT_EQ((*OpenedDomain(Kind::direct)).kind, Kind::direct);
  EXPECT_EQ((*OpenedDomain(Kind::rdm)).kind, Kind::rdm);
  EXPECT_EQ((*OpenedDomain(Kind::datagram)).kind, Kind::datagram);
}

TEST(Domain, WithoutRegistrationOnlyTheProtocolWorks) {
  for (const Kind kind : {Kind::direct, Kind::datagram}) {
    OpenedDomain of(kind);
    fid_domain* domain = nullptr;
    of.info->domain_attr->mr_mode &= ~FI_MR_LOCAL;
    EXPECT_EQ(fi_domain(of.fabric.get(), of.info.get(), &domain, nullptr), -FI_ENODATA);
    EXPECT_THAT(take_log(), ElementsAre(HasSubstr("lacks FI_MR_LOCAL")));
  }
}

TEST(Domain, RdmaFollowsUserDeviceAndVersion) {
  // Spec 6.2; the recorded device is of the second generation.
  constexpr uint32_t kOld = FI_VERSION(1, 17);
  constexpr uint32_t kNew = FI_VERSION(1, 18);
  Device device = recorded_device(Rdma::write);
  EXPECT_TRUE(uses_device_rdma(device, kNew, {}));
  EXPECT_FALSE(uses_device_rdma(device, kOld, {}));
  EXPECT_TRUE(uses_device_rdma(device, kOld, true));
  EXPECT_FALSE(uses_device_rdma(device, kNew, false));
  device.device_id = "0xefa2";
  EXPECT_TRUE(uses_device_rdma(device, kOld, {}));
  EXPECT_FALSE((*OpenedDomain(Kind::rdm, Rdma::read)).use_rdma_write);
  EXPECT_TRUE((*OpenedDomain(Kind::rdm, Rdma::read)).use_rdma_read);
  EXPECT_FALSE((*OpenedDomain(Kind::rdm, Rdma::none)).use_rdma_read);
}

TEST(OpenObjects, AreShownByGetinfoAndHintsChooseThem) {
  OpenedDomain of;
  const InfoPtr answer = info_of(Kind::rdm);
  EXPECT_TRUE(process().objects.enter(*answer, nullptr));
  EXPECT_EQ(answer->fabric_attr->fabric, of.fabric.get());
  EXPECT_EQ(answer->domain_attr->domain, of.domain.get());
  const InfoPtr hints = make_info();
  hints->fabric_attr->fabric = of.fabric.get();
  hints->domain_attr->domain = of.domain.get();
  EXPECT_TRUE(process().objects.enter(*answer, hints.get()));
  const InfoPtr other = info_of(Kind::direct);
  EXPECT_FALSE(process().objects.enter(*other, hints.get()));
  const InfoPtr datagram = info_of(Kind::datagram);
  EXPECT_TRUE(process().objects.enter(*datagram, nullptr));
  EXPECT_EQ(datagram->fabric_attr->fabric, of.fabric.get());
  EXPECT_EQ(datagram->domain_attr->domain, nullptr);
}

/// Spec 8, M16: libfabric calls through tables without looking.
template <class Table>
void expect_complete(const Table* table) {
  ASSERT_TRUE(table);
  EXPECT_EQ(table->size, sizeof(Table));
  const auto* entries = reinterpret_cast<void* const*>(table);
  for (size_t i = 1; i < sizeof(Table) / sizeof(void*); ++i) EXPECT_TRUE(entries[i]) << i;
}

TEST(Tables, AreComplete) {
  for (const Kind kind : {Kind::rdm, Kind::direct, Kind::datagram}) {
    OpenedDomain of(kind);
    expect_complete(of.fabric->fid.ops);
    expect_complete(of.fabric->ops);
    expect_complete(of.domain->fid.ops);
    expect_complete(of.domain->ops);
    expect_complete(of.domain->mr);
    Owner<fid_av> av;
    fi_av_attr av_attributes{};
    EXPECT_EQ(fi_av_open(of.domain.get(), &av_attributes, av.out(), nullptr), 0);
    expect_complete(av->fid.ops);
    expect_complete(av->ops);
    Owner<fid_cntr> counter;
    fi_cntr_attr counter_attributes{};
    EXPECT_EQ(fi_cntr_open(of.domain.get(), &counter_attributes, counter.out(), nullptr), 0);
    expect_complete(counter->fid.ops);
    expect_complete(counter->ops);
    Owner<fid_eq> eq;
    fi_eq_attr eq_attributes{};
    EXPECT_EQ(fi_eq_open(of.fabric.get(), &eq_attributes, eq.out(), nullptr), 0);
    expect_complete(eq->fid.ops);
    expect_complete(eq->ops);
    Owner<fid_mr> mr;
    char byte;
    EXPECT_EQ(fi_mr_reg(of.domain.get(), &byte, 1, 0, 0, 0, 0, mr.out(), nullptr), 0);
    expect_complete(mr->fid.ops);
    Owner<fid_wait> wait;
    fi_wait_attr wait_attributes{FI_WAIT_FD, 0};
    EXPECT_EQ(of.fabric->ops->wait_open(of.fabric.get(), &wait_attributes, wait.out()), 0);
    expect_complete(wait->fid.ops);
    expect_complete(wait->ops);
  }
  OpenedDomain of;
  Owner<fid_poll> poll;
  fi_poll_attr poll_attributes{};
  EXPECT_EQ(of.domain->ops->poll_open(of.domain.get(), &poll_attributes, poll.out()), 0);
  expect_complete(poll->fid.ops);
  expect_complete(poll->ops);
}

TEST(Tables, WhatAnObjectLacksSaysSo) {
  OpenedDomain of(Kind::direct);
  fi_poll_attr attributes{};
  fid_poll* poll = nullptr;
  fid_pep* passive = nullptr;
  EXPECT_EQ(of.domain->ops->poll_open(of.domain.get(), &attributes, &poll), -FI_ENOSYS);
  EXPECT_EQ(fi_passive_ep(of.fabric.get(), of.info.get(), &passive, nullptr), -FI_ENOSYS);
  EXPECT_EQ(fi_domain_bind(of.domain.get(), &of.fabric->fid, 0), -FI_ENOSYS);
  EXPECT_EQ(fi_control(&of.domain->fid, FI_ENABLE, nullptr), -FI_ENOSYS);
  fi_atomic_attr atomic{};
  EXPECT_EQ(fi_query_atomic(of.domain.get(), FI_INT8, FI_SUM, &atomic, 0), -FI_ENOSYS);
}

TEST(Atomics, AreWhatFitsIntoOnePacket) {
  OpenedDomain of;
  fi_atomic_attr found{};
  const auto query = [&](fi_datatype datatype, fi_op op, uint64_t flags) {
    return fi_query_atomic(of.domain.get(), datatype, op, &found, flags);
  };
  EXPECT_EQ(query(FI_UINT64, FI_SUM, 0), 0);
  EXPECT_EQ(found.size, 8u);
  EXPECT_EQ(found.count, (8928u - 152u) / 8u);
  EXPECT_EQ(query(FI_UINT64, FI_CSWAP, FI_COMPARE_ATOMIC), 0);
  EXPECT_EQ(found.count, (8928u - 152u) / 2 / 8u);
  EXPECT_EQ(query(FI_DOUBLE, FI_ATOMIC_READ, FI_FETCH_ATOMIC), 0);
  EXPECT_EQ(query(FI_UINT64, FI_CSWAP, 0), -FI_EOPNOTSUPP);
  EXPECT_EQ(query(FI_DOUBLE, FI_BOR, 0), -FI_EOPNOTSUPP);
  EXPECT_EQ(query(FI_INT128, FI_SUM, 0), -FI_EOPNOTSUPP);
  EXPECT_EQ(query(FI_LONG_DOUBLE, FI_SUM, 0), -FI_EOPNOTSUPP) << "no more than 8 bytes";
  EXPECT_EQ(query(FI_UINT64, FI_SUM, FI_TAGGED), -FI_EINVAL);
  EXPECT_EQ(query(FI_UINT64, FI_SUM, FI_FETCH_ATOMIC | FI_COMPARE_ATOMIC), -FI_EINVAL);
}

TEST(Operations, ByNameAreThoseOfTheKind) {
  for (const Kind kind : {Kind::rdm, Kind::direct, Kind::datagram}) {
    OpenedDomain of(kind);
    void* found = nullptr;
    const auto open = [&](const char* name) {
      return fi_open_ops(&of.domain->fid, name, 0, &found, nullptr);
    };
    EXPECT_EQ(open("efa gda ops"), kind == Kind::direct ? 0 : -FI_EOPNOTSUPP);
    EXPECT_EQ(open("efa domain ops"), 0);
    EXPECT_EQ(open("efa"), -FI_EINVAL);
    EXPECT_EQ(open(nullptr), -FI_EINVAL);
    auto& operations = *static_cast<DomainOperations*>(found);
    if (kind != Kind::direct) {
      EXPECT_EQ(operations.query_cq(nullptr, nullptr), -FI_EOPNOTSUPP);
    }
  }
}

}  // namespace
