// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Fabrics, domains, address vectors, memory regions, event queues and counters of provider efa, in
// libfabric and on a device (spec libfabric-api 5, 7). Run below the emulator; FI_PROVIDER_PATH has
// the provider. EFA_MAX_MR and EFA_MAX_AH: the limits of the device, where tests shall reach them.
#include <rdma/fi_atomic.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "opened.hpp"

namespace {

using namespace efa::fi::test;

using RawAddress = std::array<uint8_t, 32>;

RawAddress own_address(const fi_info& info) {
  RawAddress address{};
  EXPECT_EQ(info.src_addrlen, address.size());
  std::memcpy(address.data(), info.src_addr, address.size());
  return address;
}

/// An endpoint of host number `host` of a made-up network.
RawAddress address_of(uint16_t host, uint16_t qpn = 1) {
  RawAddress address{0xfe, 0x80, 1};
  address[14] = static_cast<uint8_t>(host >> 8);
  address[15] = static_cast<uint8_t>(host);
  std::memcpy(&address[16], &qpn, sizeof qpn);
  return address;
}

int limit(const char* variable) {
  const char* text = std::getenv(variable);
  return text ? std::atoi(text) : 0;
}

struct OpenedAv : OpenedDomain {
  OpenedAv() {
    fi_av_attr attributes{};
    EXPECT_EQ(fi_av_open(domain.get(), &attributes, av.out(), nullptr), 0);
  }
  Owner<fid_av> av;
};

TEST(Fabric, TheProviderIsOurs) {
  const Hints info = find_entry(FI_EP_RDM);
  EXPECT_STREQ(info->fabric_attr->prov_name, "efa");
  EXPECT_EQ(FI_MINOR(info->fabric_attr->prov_version), 100u) << "the one inside libfabric";
}

TEST(Fabric, AndDomainAreClosedLast) {
  OpenedDomain of;
  EXPECT_EQ(fi_close(&of.fabric->fid), -FI_EBUSY);
  char byte;
  Owner<fid_mr> mr;
  EXPECT_EQ(fi_mr_reg(of.domain.get(), &byte, 1, FI_SEND, 0, 0, 0, mr.out(), nullptr), 0);
  EXPECT_EQ(fi_close(&of.domain->fid), -FI_EBUSY);
}

TEST(Fabric, CanBeOpenedAgainAndAgain) {
  for (int i = 0; i < 20; ++i) OpenedDomain of(i % 2 ? FI_EP_RDM : FI_EP_DGRAM);
}

TEST(Fabric, ThatIsOpenIsInTheAnswersOfGetinfo) {
  OpenedDomain of;
  const Hints again = find_entry(FI_EP_RDM);
  EXPECT_EQ(again->fabric_attr->fabric, of.fabric.get());
  EXPECT_EQ(again->domain_attr->domain, of.domain.get());
  Owner<fid_domain> another;
  EXPECT_EQ(fi_domain(of.fabric.get(), again.get(), another.out(), nullptr), 0);
}

TEST(Domain, WhatItLacksSaysSo) {
  OpenedDomain of;
  fid_ep* endpoint = nullptr;
  fid_stx* context = nullptr;
  EXPECT_EQ(fi_scalable_ep(of.domain.get(), of.info.get(), &endpoint, nullptr), -FI_ENOSYS);
  EXPECT_EQ(fi_stx_context(of.domain.get(), nullptr, &context, nullptr), -FI_ENOSYS);
  EXPECT_EQ(fi_srx_context(of.domain.get(), nullptr, &endpoint, nullptr), -FI_ENOSYS);
  EXPECT_EQ(fi_domain_bind(of.domain.get(), &of.fabric->fid, 0), -FI_ENOSYS);
  void* operations = nullptr;
  EXPECT_EQ(fi_open_ops(&of.domain->fid, "efa gda ops", 0, &operations, nullptr), -FI_EOPNOTSUPP);
  EXPECT_EQ(fi_open_ops(&of.domain->fid, "other ops", 0, &operations, nullptr), -FI_EINVAL);
}

TEST(Domain, TellsWhichAtomicsThereAre) {
  OpenedDomain of;
  fi_atomic_attr found{};
  EXPECT_EQ(fi_query_atomic(of.domain.get(), FI_UINT32, FI_BOR, &found, 0), 0);
  EXPECT_EQ(found.size, 4u);
  EXPECT_GT(found.count, 1000u);
  EXPECT_EQ(fi_query_atomic(of.domain.get(), FI_DOUBLE, FI_BOR, &found, 0), -FI_EOPNOTSUPP);
}

TEST(Av, TakesTheAddressOfTheDevice) {
  OpenedAv av;
  const RawAddress own = own_address(*av.info);
  fi_addr_t peer = 9;
  EXPECT_EQ(fi_av_insert(av.av.get(), own.data(), 1, &peer, 0, nullptr), 1);
  EXPECT_EQ(peer, 0u);
  RawAddress found{};
  size_t length = found.size();
  EXPECT_EQ(fi_av_lookup(av.av.get(), peer, found.data(), &length), 0);
  EXPECT_EQ(found, own);
}

TEST(Av, PrintsWhatLibfabricPrints) {
  OpenedAv av;
  const RawAddress address = address_of(0x102, 0x304);
  char text[64] = "";
  size_t length = sizeof text;
  fi_av_straddr(av.av.get(), address.data(), text, &length);
  EXPECT_STREQ(text, "fi_addr_efa://[fe80:100::102]:772:0");
}

TEST(Av, TakesManyPeersOfFewHosts) {
  OpenedAv av;
  std::vector<RawAddress> peers;
  for (uint16_t i = 0; i < 1000; ++i)
    peers.push_back(address_of(i % 8, static_cast<uint16_t>(i + 1)));
  std::vector<fi_addr_t> numbers(peers.size());
  EXPECT_EQ(fi_av_insert(av.av.get(), peers.data(), peers.size(), numbers.data(), 0, nullptr),
            1000);
  for (fi_addr_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(numbers[i], i);
  EXPECT_EQ(fi_av_remove(av.av.get(), numbers.data(), numbers.size(), 0), 0);
  EXPECT_EQ(fi_av_remove(av.av.get(), numbers.data(), 1, 0), -FI_EINVAL);
}

TEST(Av, ReachesTheLimitOfTheDeviceWithAnError) {
  const int most = limit("EFA_MAX_AH");
  ASSERT_GT(most, 0) << "the run has to set EFA_MAX_AH";
  OpenedAv av;
  int inserted = 0;
  for (int i = 0; i < most + 2; ++i) {
    const RawAddress address = address_of(static_cast<uint16_t>(i));
    int error = -1;
    inserted += fi_av_insert(av.av.get(), address.data(), 1, nullptr, FI_SYNC_ERR, &error);
    EXPECT_EQ(error, i < most ? 0 : FI_ENOMEM) << i;
  }
  EXPECT_EQ(inserted, most);
  fi_addr_t first = 0;
  EXPECT_EQ(fi_av_remove(av.av.get(), &first, 1, 0), 0);
  const RawAddress address = address_of(0x7777);
  EXPECT_EQ(fi_av_insert(av.av.get(), address.data(), 1, nullptr, 0, nullptr), 1);
}

TEST(Mr, HasAKeyOfTheDevice) {
  OpenedDomain of;
  std::vector<char> memory(10000);
  Owner<fid_mr> first, second;
  const auto reg = [&](fid_mr** mr) {
    return fi_mr_reg(of.domain.get(), memory.data() + 3, 9000, FI_SEND | FI_RECV, 0, 7, 0, mr,
                     nullptr);
  };
  EXPECT_EQ(reg(first.out()), 0);
  EXPECT_EQ(reg(second.out()), 0);
  EXPECT_NE(fi_mr_key(first.get()), fi_mr_key(second.get()));
  EXPECT_LT(fi_mr_key(first.get()), 1ULL << 32);
  EXPECT_TRUE(fi_mr_desc(first.get()));
}

TEST(Mr, ReadOnlyMemoryCanOnlyBeSent) {
  OpenedDomain of;
  void* const memory =
      mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, /*fd=*/-1, /*offset=*/0);
  ASSERT_NE(memory, MAP_FAILED);
  {
    Owner<fid_mr> mr;
    EXPECT_EQ(fi_mr_reg(of.domain.get(), memory, 4096, FI_SEND, 0, 0, 0, mr.out(), nullptr), 0);
    Owner<fid_mr> refused;
    EXPECT_EQ(fi_mr_reg(of.domain.get(), memory, 4096, FI_RECV, 0, 0, 0, refused.out(), nullptr),
              -FI_EFAULT);
  }
  munmap(memory, 4096);
}

TEST(Mr, WhatIsNotMappedIsRefused) {
  OpenedDomain of;
  void* const memory = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                            /*fd=*/-1, /*offset=*/0);
  ASSERT_NE(memory, MAP_FAILED);
  munmap(static_cast<char*>(memory) + 4096, 4096);
  fid_mr* mr = nullptr;
  EXPECT_EQ(fi_mr_reg(of.domain.get(), memory, 8192, FI_RECV, 0, 0, 0, &mr, nullptr), -FI_EFAULT);
  munmap(memory, 4096);
}

TEST(Mr, ReachesTheLimitOfTheDeviceWithAnError) {
  const int most = limit("EFA_MAX_MR");
  ASSERT_GT(most, 0) << "the run has to set EFA_MAX_MR";
  OpenedDomain of;
  std::vector<char> memory(100);
  std::deque<Owner<fid_mr>> regions;
  const auto reg = [&](fid_mr** mr) {
    return fi_mr_reg(of.domain.get(), memory.data(), 100, FI_RECV, 0, 0, 0, mr, nullptr);
  };
  for (int i = 0; i < most; ++i) ASSERT_EQ(reg(regions.emplace_back().out()), 0) << i;
  fid_mr* mr = nullptr;
  EXPECT_EQ(reg(&mr), -FI_ENOMEM);
  regions.pop_front();
  EXPECT_EQ(reg(regions.emplace_back().out()), 0);
}

TEST(Mr, ErrorsOfArguments) {
  OpenedDomain of;
  char byte = 0;
  const iovec range{&byte, 1};
  fid_mr* mr = nullptr;
  fi_mr_attr attributes{};
  attributes.mr_iov = &range;
  attributes.iov_count = 2;
  attributes.access = FI_SEND;
  EXPECT_EQ(fi_mr_regattr(of.domain.get(), &attributes, 0, &mr), -FI_EINVAL);
  attributes.iov_count = 1;
  attributes.iface = FI_HMEM_CUDA;
  EXPECT_EQ(fi_mr_regattr(of.domain.get(), &attributes, 0, &mr), -FI_ENOSYS);
  attributes.iface = FI_HMEM_SYSTEM;
  EXPECT_EQ(fi_mr_regattr(of.domain.get(), &attributes, FI_RMA_EVENT, &mr), -FI_EBADFLAGS);
}

TEST(Eq, WakesItsReader) {
  OpenedDomain of;
  fi_eq_attr attributes{};
  attributes.wait_obj = FI_WAIT_FD;
  attributes.flags = FI_WRITE;
  Owner<fid_eq> eq;
  ASSERT_EQ(fi_eq_open(of.fabric.get(), &attributes, eq.out(), nullptr), 0);
  fi_eq_entry written{&of.domain->fid, &of, 42};
  fi_eq_entry read{};
  uint32_t event = 0;
  std::thread writer([&] { fi_eq_write(eq.get(), FI_NOTIFY, &written, sizeof written, 0); });
  EXPECT_EQ(fi_eq_sread(eq.get(), &event, &read, sizeof read, -1, 0), ssize_t{sizeof read});
  writer.join();
  EXPECT_EQ(read.data, 42u);
  EXPECT_EQ(fi_eq_sread(eq.get(), &event, &read, sizeof read, 1, 0), -FI_EAGAIN);
}

TEST(Counter, CountsAndWaits) {
  OpenedDomain of;
  fi_cntr_attr attributes{};
  attributes.wait_obj = FI_WAIT_UNSPEC;
  Owner<fid_cntr> counter;
  ASSERT_EQ(fi_cntr_open(of.domain.get(), &attributes, counter.out(), nullptr), 0);
  EXPECT_EQ(fi_cntr_add(counter.get(), 3), 0);
  EXPECT_EQ(fi_cntr_wait(counter.get(), 3, 1000), 0);
  EXPECT_EQ(fi_cntr_wait(counter.get(), 4, 5), -FI_ETIMEDOUT);
  // An error from before the call does not end it: so they come until one did.
  std::atomic<bool> ended = false;
  std::thread helper([&] {
    while (!ended) fi_cntr_adderr(counter.get(), 1);
  });
  EXPECT_EQ(fi_cntr_wait(counter.get(), 4, -1), -FI_EAVAIL);
  ended = true;
  helper.join();
}

#if FI_MAJOR_VERSION >= 2
/// Of fi_ext_efa.h since libfabric 2.3 (spec libfabric-api 6.4).
struct WorkQueue {
  uint8_t* buffer;
  uint32_t entry_size;
  uint32_t num_entries;
  uint32_t* doorbell;
  uint32_t max_batch;
};
struct CompletionQueue {
  uint8_t* buffer;
  uint32_t entry_size;
  uint32_t num_entries;
};
struct GdaOperations {
  int (*query_addr)(fid_ep*, fi_addr_t, uint16_t*, uint16_t*, uint32_t*);
  int (*query_qp_wqs)(fid_ep*, WorkQueue*, WorkQueue*);
  int (*query_cq)(fid_cq*, CompletionQueue*);
  int (*cq_open_ext)(fid_domain*, fi_cq_attr*, void*, fid_cq**, void*);
  uint64_t (*get_mr_lkey)(fid_mr*);
};

struct OpenedDirect {
  OpenedDirect() {
    EXPECT_EQ(fi_fabric(info->fabric_attr, fabric.out(), nullptr), 0);
    EXPECT_EQ(fi_domain(fabric.get(), info.get(), domain.out(), nullptr), 0);
    fi_av_attr av_attributes{};
    EXPECT_EQ(fi_av_open(domain.get(), &av_attributes, av.out(), nullptr), 0);
    fi_cq_attr cq_attributes{};
    EXPECT_EQ(fi_cq_open(domain.get(), &cq_attributes, cq.out(), nullptr), 0);
    EXPECT_EQ(fi_endpoint(domain.get(), info.get(), endpoint.out(), nullptr), 0);
    EXPECT_EQ(fi_ep_bind(endpoint.get(), &av->fid, 0), 0);
    EXPECT_EQ(fi_ep_bind(endpoint.get(), &cq->fid, FI_TRANSMIT | FI_RECV), 0);
  }

  Hints info = find_entry(FI_EP_RDM, FI_VERSION(2, 0), "efa-direct");
  Owner<fid_fabric> fabric;
  Owner<fid_domain> domain;
  Owner<fid_av> av;
  Owner<fid_cq> cq;
  Owner<fid_ep> endpoint;
};

TEST(Direct, GivesItsQueuesToWhoDrivesThem) {
  OpenedDirect direct;
  GdaOperations* gda = nullptr;
  ASSERT_EQ(
      fi_open_ops(&direct.domain->fid, "efa gda ops", 0, reinterpret_cast<void**>(&gda), nullptr),
      0);
  WorkQueue send{}, receive{};
  EXPECT_EQ(gda->query_qp_wqs(direct.endpoint.get(), &send, &receive), -FI_EOPBADSTATE);
  ASSERT_EQ(fi_enable(direct.endpoint.get()), 0);
  // The libefa of rdma-core 44 cannot tell.
  const bool tells = limit("EFA_NEW_LIBEFA");
  CompletionQueue completions{};
  ASSERT_EQ(gda->query_qp_wqs(direct.endpoint.get(), &send, &receive), tells ? 0 : -FI_ENOSYS);
  ASSERT_EQ(gda->query_cq(direct.cq.get(), &completions), tells ? 0 : -FI_ENOSYS);
  EXPECT_EQ(send.entry_size, tells ? 64u : 0u);
  EXPECT_EQ(receive.entry_size, tells ? 16u : 0u);
  EXPECT_EQ(completions.buffer != nullptr, tells);
  EXPECT_EQ(receive.num_entries >= direct.info->rx_attr->size, tells);
}

TEST(Direct, TellsHowThePeerIsReached) {
  OpenedDirect direct;
  GdaOperations* gda = nullptr;
  ASSERT_EQ(
      fi_open_ops(&direct.domain->fid, "efa gda ops", 0, reinterpret_cast<void**>(&gda), nullptr),
      0);
  RawAddress address = address_of(1, 0x102);
  address[20] = 7;
  uint16_t ahn = 0xffff, qpn = 0;
  uint32_t qkey = 0;
  EXPECT_EQ(gda->query_addr(direct.endpoint.get(), 0, &ahn, &qpn, &qkey), -FI_EINVAL);
  EXPECT_EQ(fi_av_insert(direct.av.get(), address.data(), 1, nullptr, 0, nullptr), 1);
  EXPECT_EQ(gda->query_addr(direct.endpoint.get(), 0, &ahn, &qpn, &qkey), 0);
  EXPECT_EQ(qpn, 0x102);
  EXPECT_EQ(qkey, 7u);
  EXPECT_NE(ahn, 0xffff);
  char byte;
  Owner<fid_mr> mr;
  ASSERT_EQ(fi_mr_reg(direct.domain.get(), &byte, 1, FI_SEND, 0, 0, 0, mr.out(), nullptr), 0);
  EXPECT_NE(gda->get_mr_lkey(mr.get()), 0u);
}

TEST(Direct, ItsBoundObjectsAreClosedLast) {
  OpenedDirect direct;
  EXPECT_EQ(fi_close(&direct.av->fid), -FI_EBUSY);
  EXPECT_EQ(fi_close(&direct.cq->fid), -FI_EBUSY);
}

TEST(Mr, ADmabufThatIsNoneIsRefused) {
  OpenedDomain of(FI_EP_RDM, FI_VERSION(2, 0));
  fid_mr* mr = nullptr;
  fi_mr_attr attributes{};
  attributes.access = FI_SEND;
  EXPECT_EQ(fi_mr_regattr(of.domain.get(), &attributes, FI_MR_DMABUF, &mr), -FI_EINVAL);
  const fi_mr_dmabuf buffer{.fd = 1 << 20, .offset = 0, .len = 4096, .base_addr = nullptr};
  attributes.dmabuf = &buffer;
  EXPECT_LT(fi_mr_regattr(of.domain.get(), &attributes, FI_MR_DMABUF, &mr), 0);
}
#endif

TEST(Threads, UseOneDomainAtATime) {
  OpenedAv av;
  const auto work = [&](uint16_t number) {
    std::vector<char> memory(4096);
    for (uint16_t i = 0; i < 50; ++i) {
      Owner<fid_mr> mr;
      EXPECT_EQ(
          fi_mr_reg(av.domain.get(), memory.data(), 4096, FI_RECV, 0, 0, 0, mr.out(), nullptr), 0);
      const RawAddress address = address_of(number, i);
      fi_addr_t peer = FI_ADDR_NOTAVAIL;
      EXPECT_EQ(fi_av_insert(av.av.get(), address.data(), 1, &peer, 0, nullptr), 1);
      RawAddress found{};
      size_t length = found.size();
      EXPECT_EQ(fi_av_lookup(av.av.get(), peer, found.data(), &length), 0);
      EXPECT_EQ(found, address);
      EXPECT_EQ(fi_av_remove(av.av.get(), &peer, 1, 0), 0);
    }
  };
  std::vector<std::thread> threads;
  for (uint16_t number = 0; number < 4; ++number) threads.emplace_back(work, number);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
