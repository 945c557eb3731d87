// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What upstream answers to the hints of real applications: every row of spec libfabric-api 3.6.
#include <gtest/gtest.h>

#include <cctype>
#include <string>

#include "machine.hpp"

namespace {

using namespace efa::fi;
using namespace efa::fi::test;

struct Row {
  const char* hints;
  const char* v1_17;
  const char* v2_1;              ///< device without RDMA write with unsolicited receive
  const char* v2_1_unsolicited;  ///< device with it
};

constexpr Row kRows[] = {
    {"none", "rdm datagram", "direct rdm datagram", "direct rdm datagram"},
    {"empty", "rdm", "rdm", "rdm"},
    {"open-mpi-mtl", "rdm", "rdm", "rdm"},
    {"open-mpi-mtl-auto", "rdm", "", ""},
    {"open-mpi-mtl-hmem", "", "", ""},
    {"open-mpi-btl", "rdm", "rdm", "rdm"},
    {"nccl-rdma", "rdm", "rdm", "direct rdm"},
    {"nccl-rdma-hmem", "", "", ""},
    {"nccl-send-receive", "rdm", "rdm", "rdm"},
    {"mpich-second-call", "rdm", "rdm", "rdm"},
    {"fabtests-efa", "rdm", "rdm", "rdm"},
    {"direct-msg", "rdm", "direct", "direct"},
    {"direct-rma", "rdm", "", "direct"},
    {"direct-context-only", "rdm", "", ""},
    {"direct-without-mr-local", "rdm", "", ""},
    {"direct-sas", "rdm", "", ""},
    {"direct-tagged", "rdm", "", ""},
    {"direct-delivery-complete", "rdm", "direct", "direct"},
    {"trigger", "", "", ""},
    {"rma-event", "", "", ""},
    {"named-rx-ctx", "", "", ""},
    {"collective", "", "", ""},
    {"connected", "", "", ""},
    {"datagram-without-prefix", "", "", ""},
    {"datagram", "datagram", "datagram", "datagram"},
    {"remote-only", "rdm", "rdm", "rdm"},
};

class RecordedAnswers : public testing::TestWithParam<Row> {};

TEST_P(RecordedAnswers, AreThoseOf1_17) {
  const Catalogue catalogue = machine(kRelease1_17, Rdma::read);
  for (const uint32_t version : {FI_VERSION(1, 5), FI_VERSION(1, 9), FI_VERSION(1, 17)})
    EXPECT_EQ(kinds(ask(catalogue, GetParam().hints, version)), GetParam().v1_17)
        << "API 1." << FI_MINOR(version);
}

TEST_P(RecordedAnswers, AreThoseOf2_1) {
  for (const Rdma rdma : {Rdma::none, Rdma::read, Rdma::write})
    for (const uint32_t version : {FI_VERSION(1, 5), FI_VERSION(1, 18), FI_VERSION(2, 1)})
      EXPECT_EQ(kinds(ask(machine(kRelease2_1, rdma), GetParam().hints, version)), GetParam().v2_1);
}

TEST_P(RecordedAnswers, AreThoseOf2_1WithUnsolicitedWrites) {
  const Catalogue catalogue = machine(kRelease2_1, Rdma::unsolicited);
  for (const uint32_t version : {FI_VERSION(1, 5), FI_VERSION(1, 18), FI_VERSION(2, 1)})
    EXPECT_EQ(kinds(ask(catalogue, GetParam().hints, version)), GetParam().v2_1_unsolicited);
}

std::string test_name(const testing::TestParamInfo<Row>& row) {
  std::string name = row.param.hints;
  for (char& letter : name)
    if (!std::isalnum(static_cast<unsigned char>(letter))) letter = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Hints, RecordedAnswers, testing::ValuesIn(kRows), test_name);

// What the rows say beyond "ok".

constexpr int kThree = FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
constexpr uint64_t kAtomicOrders =
    FI_ORDER_ATOMIC_RAR | FI_ORDER_ATOMIC_RAW | FI_ORDER_ATOMIC_WAR | FI_ORDER_ATOMIC_WAW;

TEST(OpenMpi, GetsTheFullOrderFrom1_17AndWhatItAskedFrom2_1) {
  const Result old = ask(machine(kRelease1_17), "open-mpi-mtl");
  EXPECT_EQ(old.list.get()->tx_attr->msg_order, FI_ORDER_SAS | kAtomicOrders);
  EXPECT_EQ(old.list.get()->domain_attr->data_progress, FI_PROGRESS_AUTO);
  const Result newer = ask(machine(kRelease2_1), "open-mpi-mtl");
  EXPECT_EQ(newer.list.get()->tx_attr->msg_order, FI_ORDER_SAS);
  EXPECT_EQ(newer.list.get()->rx_attr->msg_order, FI_ORDER_SAS);
  EXPECT_EQ(newer.list.get()->domain_attr->data_progress, FI_PROGRESS_MANUAL);
}

TEST(OpenMpi, SeesItsAddressVectorTypeAndLocking) {
  const Result result = ask(machine(kRelease1_17), "open-mpi-mtl");
  EXPECT_EQ(result.list.get()->domain_attr->av_type, FI_AV_MAP);
  EXPECT_EQ(result.list.get()->domain_attr->threading, FI_THREAD_DOMAIN);
  EXPECT_EQ(result.list.get()->tx_attr->op_flags, FI_COMPLETION);
}

TEST(OpenMpi, OneSidedGetsExactlyTheThreeRegistrationModes) {
  for (const Release* release : {&kRelease1_17, &kRelease2_1})
    EXPECT_EQ(ask(machine(*release), "open-mpi-btl").list.get()->domain_attr->mr_mode, kThree);
}

TEST(Mpich, SecondCallGetsItsLockingAndProgressBack) {
  for (const Release* release : {&kRelease1_17, &kRelease2_1}) {
    const Result result = ask(machine(*release), "mpich-second-call");
    const fi_domain_attr& domain = *result.list.get()->domain_attr;
    EXPECT_EQ(domain.threading, FI_THREAD_DOMAIN);
    EXPECT_EQ(domain.control_progress, FI_PROGRESS_MANUAL);
    EXPECT_EQ(domain.data_progress, FI_PROGRESS_MANUAL);
  }
}

TEST(Mpich, CapabilitiesOfTheFirstAnswerAreAcceptedAsHints) {
  for (const Release* release : {&kRelease1_17, &kRelease2_1}) {
    const Catalogue catalogue = machine(*release);
    Hints hints = make_hints("mpich-second-call");
    hints->caps = entry(catalogue, Kind::rdm).caps;
    const Result result = ask(catalogue, hints.get());
    ASSERT_EQ(kinds(result), "rdm");
    EXPECT_EQ(result.list.get()->caps, hints->caps);
  }
}

TEST(RemoteOnly, HasNoLocalPeers) {
  for (const Release* release : {&kRelease1_17, &kRelease2_1}) {
    const Result result = ask(machine(*release), "remote-only");
    EXPECT_EQ(result.list.get()->caps & (FI_LOCAL_COMM | FI_REMOTE_COMM), FI_REMOTE_COMM);
    EXPECT_EQ(result.list.get()->domain_attr->resource_mgmt, FI_RM_DISABLED);
  }
}

TEST(WithoutRegistrationModes, NobodyIsATarget) {
  for (const Release* release : {&kRelease1_17, &kRelease2_1}) {
    const Result result = ask(machine(*release), "rma-without-mr-mode");
    EXPECT_EQ(result.list.get()->domain_attr->mr_mode, 0);
    EXPECT_EQ(result.list.get()->caps & (FI_REMOTE_READ | FI_REMOTE_WRITE), 0u);
    EXPECT_NE(result.list.get()->caps & FI_WRITE, 0u);
  }
}

TEST(EmptyHints, GetNoFlagsAndNoRegistrationModes) {
  const Result result = ask(machine(kRelease2_1), "empty");
  const fi_info& info = *result.list.get();
  EXPECT_EQ(info.tx_attr->op_flags, 0u);
  EXPECT_EQ(info.rx_attr->op_flags, 0u);
  EXPECT_EQ(info.tx_attr->msg_order, 0u);
  EXPECT_EQ(info.domain_attr->mr_mode, 0);
  EXPECT_EQ(info.caps & (FI_REMOTE_READ | FI_REMOTE_WRITE), 0u);
}

TEST(ForeignHints, ApplicationsThatLeaveOutAttributesAreAnswered) {
  EXPECT_EQ(kinds(ask(machine(kRelease1_17), "without-attributes")), "rdm");
}

TEST(Nccl, GetsTheDirectFabricFirstAndItsOwnMode) {
  const Result result = ask(machine(kRelease2_1, Rdma::unsolicited), "nccl-rdma");
  const fi_info& direct = *result.list.get();
  EXPECT_EQ(direct.mode, FI_CONTEXT2);
  EXPECT_EQ(direct.ep_attr->max_msg_size, 0x40000000u);
  EXPECT_EQ(direct.domain_attr->mr_mode, kThree | FI_MR_LOCAL);
}

TEST(Direct, MessagesAloneAreOfOnePacket) {
  const Catalogue catalogue = machine(kRelease2_1, Rdma::unsolicited);
  EXPECT_EQ(ask(catalogue, "direct-msg").list.get()->ep_attr->max_msg_size, 8928u);
  // Also where RMA is among what is offered, but was not asked for.
  const Result unasked = ask(catalogue, "any-mode");
  EXPECT_EQ(kinds(unasked), "direct rdm datagram");
  EXPECT_EQ(unasked.list.get()->ep_attr->max_msg_size, 8928u);
  EXPECT_EQ(ask(catalogue, "direct-rma").list.get()->ep_attr->max_msg_size, 0x40000000u);
  Hints hints = make_hints("direct-msg");
  hints->ep_attr->max_msg_size = 8929;
  const Result result = ask(catalogue, hints.get());
  EXPECT_EQ(kinds(result), "");
  EXPECT_EQ(result.refused.front().reason.field, "ep_attr->max_msg_size");
}

}  // namespace
