// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Which hints refuse an entry, and what a user reads about it (spec libfabric-api 3.2).
#include "refusal.hpp"

#include <gtest/gtest.h>

#include "machine.hpp"

namespace {

using namespace efa::fi;
using namespace efa::fi::test;

Refusal refusal_of(const Result& result, Kind kind) {
  for (const Refused& one : result.refused)
    if (one.entry->kind == kind) return one.reason;
  return {};
}

Refusal refusal_of(const char* set, Kind kind = Kind::rdm, uint32_t version = FI_VERSION(1, 17)) {
  return refusal_of(ask(machine(kRelease1_17), set, version), kind);
}

struct Refusing {
  const char* set;
  Kind kind;
  const char* field;
  const char* asked;
};

constexpr Refusing kRefusing[] = {
    {"open-mpi-mtl-hmem", Kind::rdm, "caps", "FI_HMEM"},
    {"trigger", Kind::rdm, "caps", "FI_TRIGGER"},
    {"connected", Kind::rdm, "ep_attr->type", "FI_EP_MSG"},
    {"other-address", Kind::rdm, "addr_format", "FI_SOCKADDR_IN"},
    {"datagram-without-prefix", Kind::datagram, "mode", "none"},
    {"datagram-no-bits", Kind::datagram, "domain_attr->mr_mode", "none"},
    {"datagram-completion", Kind::datagram, "domain_attr->threading", "FI_THREAD_COMPLETION"},
    {"datagram-endpoint-lock", Kind::datagram, "domain_attr->threading", "FI_THREAD_ENDPOINT"},
    {"datagram-managed", Kind::datagram, "domain_attr->resource_mgmt", "FI_RM_ENABLED"},
    {"mr-scalable", Kind::rdm, "domain_attr->mr_mode", "FI_MR_SCALABLE"},
    {"rma-alloc-only", Kind::rdm, "domain_attr->mr_mode", "FI_MR_ALLOCATED"},
    {"wrong-domain", Kind::rdm, "domain_attr->name", "mlx5_0"},
    {"domain-upper-case", Kind::rdm, "domain_attr->name", "EFA_0-RDM"},
    {"domain-caps-shared-av", Kind::rdm, "domain_attr->caps", "FI_SHARED_AV"},
    {"cq-data-16", Kind::rdm, "domain_attr->cq_data_size", "16"},
    {"mr-iov-2", Kind::rdm, "domain_attr->mr_iov_limit", "2"},
    {"counters", Kind::rdm, "domain_attr->cntr_cnt", "5"},
    {"mr-many", Kind::rdm, "domain_attr->mr_cnt", "1073741824"},
    {"error-data", Kind::rdm, "domain_attr->max_err_data", "1"},
    {"auth-key", Kind::rdm, "ep_attr->auth_key_size", "4"},
    {"protocol-other", Kind::rdm, "ep_attr->protocol", "FI_PROTO_RXM"},
    {"protocol-5", Kind::rdm, "ep_attr->protocol_version", "5"},
    {"scalable-endpoint", Kind::rdm, "ep_attr->tx_ctx_cnt", "2"},
    {"big-inject", Kind::rdm, "tx_attr->inject_size", "1048576"},
    {"deep-queue", Kind::rdm, "tx_attr->size", "1048576"},
    {"iov-5", Kind::rdm, "tx_attr->iov_limit", "5"},
    {"rma-iov-2", Kind::rdm, "tx_attr->rma_iov_limit", "2"},
    {"op-flags-fence", Kind::rdm, "tx_attr->op_flags", "FI_FENCE"},
    {"buffered-receive", Kind::rdm, "rx_attr->total_buffered_recv", "1"},
    {"newer-provider", Kind::rdm, "fabric_attr->prov_version", "200.0"},
};

class Refusals : public testing::TestWithParam<Refusing> {};

TEST_P(Refusals, NameTheFieldAndWhatWasAsked) {
  const Refusal refusal = refusal_of(GetParam().set, GetParam().kind);
  EXPECT_EQ(refusal.field, GetParam().field);
  EXPECT_EQ(refusal.asked, GetParam().asked);
  EXPECT_FALSE(refusal.limit.empty());
  EXPECT_FALSE(refusal.cure.empty());
}

INSTANTIATE_TEST_SUITE_P(Hints, Refusals, testing::ValuesIn(kRefusing), [](const auto& row) {
  std::string name = row.param.set;
  for (char& letter : name)
    if (letter == '-') letter = '_';
  return name;
});

TEST(Refusal, IsOneSentence) {
  EXPECT_EQ(refusal_of("deep-queue").text(),
            "tx_attr->size: asked 1048576, there is at most 4096; "
            "ask for less, or for 0 and read the value in the answer");
}

TEST(Refusal, OrderSizesCountOnlyForRmaAndAtomics) {
  const Catalogue catalogue = machine(kRelease1_17);
  EXPECT_EQ(kinds(ask(catalogue, "order-war-size")), "rdm");
  Hints hints = make_hints("order-war-size");
  hints->caps = FI_ATOMIC;
  const Result result = ask(catalogue, hints.get());
  EXPECT_EQ(refusal_of(result, Kind::rdm).field, "ep_attr->max_order_war_size");
}

TEST(Refusal, MembersThatCameWithApi1_5AreNotLookedAtBefore) {
  EXPECT_EQ(refusal_of("counters", Kind::rdm, FI_VERSION(1, 5)).field, "domain_attr->cntr_cnt");
  EXPECT_EQ(kinds(ask(machine(kRelease1_17), "counters", FI_VERSION(1, 4))), "rdm");
}

TEST(Refusal, BeforeApi1_5RegistrationIsBasic) {
  EXPECT_EQ(refusal_of("open-mpi-btl", Kind::rdm, FI_VERSION(1, 4)).field, "domain_attr->mr_mode");
  const Result result = ask(machine(kRelease1_17), "datagram-local-mr", FI_VERSION(1, 4));
  ASSERT_EQ(kinds(result), "datagram");
  EXPECT_EQ(result.list.get()->domain_attr->mr_mode, kMrBasic);
  EXPECT_EQ(result.list.get()->mode, FI_MSG_PREFIX | kLocalMr);
}

TEST(Refusal, ModesOfAnAttributeReplaceThoseOfAll) {
  Hints hints = make_hints("datagram");
  hints->tx_attr->mode = FI_CONTEXT;
  const Catalogue catalogue = machine(kRelease1_17);
  const Result result = ask(catalogue, hints.get());
  EXPECT_EQ(refusal_of(result, Kind::datagram).field, "tx_attr->mode");
}

TEST(Refusal, ANicHintIsAboutItsBus) {
  const Catalogue catalogue = machine(kRelease1_17);
  const InfoPtr answer = duplicate(entry(catalogue, Kind::rdm));
  Hints hints = make_hints("empty");
  hints->nic = answer->nic;
  EXPECT_EQ(kinds(ask(catalogue, hints.get())), "rdm");
  answer->nic->bus_attr->attr.pci.bus_id = 99;
  const Result result = ask(catalogue, hints.get());
  EXPECT_EQ(refusal_of(result, Kind::rdm).field, "nic->bus_attr->attr.pci.bus_id");
  hints->nic = nullptr;
}

TEST(Reasons, AreThoseOfWhatComesNearest) {
  const Catalogue catalogue = machine(kRelease2_1);
  const Hints hints = make_hints("direct-tagged");
  const auto lines = reasons(ask(catalogue, hints.get()).refused, hints.get());
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].find("efa-direct of efa_0 refused, caps: asked FI_TAGGED, "), 0u) << lines[0];
}

TEST(Reasons, AreFewOnMachinesWithManyDevices) {
  std::vector<Device> devices(32, recorded_device());
  for (size_t i = 0; i < devices.size(); ++i) devices[i].name = "efa_" + std::to_string(i);
  const Catalogue catalogue = make_catalogue(kRelease1_17, devices, {}, 1);
  const Hints hints = make_hints("trigger");
  EXPECT_EQ(reasons(ask(catalogue, hints.get()).refused, hints.get()).size(), 4u);
}

bool concerned(const fi_info* hints, const char* filter = nullptr, const char* node = nullptr) {
  return concerns_efa({.version = FI_VERSION(1, 17), .node = node, .hints = hints}, filter);
}

TEST(Concern, IsWhatNamesEfaOrWouldFallBackToTcp) {
  const Hints named = make_hints("connected");
  EXPECT_TRUE(concerned(named.get()));
  Hints hints(fi_dupinfo(nullptr));
  EXPECT_TRUE(concerned(hints.get(), "tcp,efa"));
  hints->ep_attr->type = FI_EP_RDM;
  EXPECT_TRUE(concerned(hints.get()));
  hints->addr_format = FI_ADDR_EFA;
  EXPECT_TRUE(concerned(hints.get()));
}

TEST(Concern, IsNotWhatIsMeantForOthers) {
  EXPECT_FALSE(concerned(nullptr));
  Hints hints(fi_dupinfo(nullptr));
  hints->ep_attr->type = FI_EP_MSG;
  EXPECT_FALSE(concerned(hints.get()));
  EXPECT_FALSE(concerned(hints.get(), "^efa"));
  hints->ep_attr->type = FI_EP_RDM;
  EXPECT_FALSE(concerned(hints.get(), nullptr, "10.0.0.1"));
  hints->addr_format = FI_SOCKADDR_IN;
  EXPECT_FALSE(concerned(hints.get()));
  hints->addr_format = FI_FORMAT_UNSPEC;
  hints->fabric_attr->prov_name = c_text("tcp");
  EXPECT_FALSE(concerned(hints.get()));
}

}  // namespace
