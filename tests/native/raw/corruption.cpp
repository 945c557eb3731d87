// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Clients that ruin their own queues: the emulator goes on, and so do the others.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <random>
#include <stdexcept>

#include "rings.hpp"

namespace efa::raw {
namespace {

constexpr std::uint8_t kErr = 6;  // enum ibv_qp_state
constexpr std::chrono::seconds kPatience{60};

/// Everything that one client has, sending to itself.
struct Client {
  Session session;
  Pd pd;
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(4096);
  Mr mr;
  AddressHandle ah;
  std::unique_ptr<CompletionRing> send_cq, recv_cq;
  std::unique_ptr<QueuePair> qp;

  Client() {
    const bool good = session.alloc_pd(pd) == 0 &&
                      session.reg_mr(pd, buffer.data(), buffer.size(), kLocalWrite, mr) == 0 &&
                      session.create_ah(pd, session.gid(), ah) == 0;
    if (!good) throw std::runtime_error("client cannot start");
    CqRequest request;
    efa_uabi_create_cq_set_completion_channel(&request.device, 1);
    send_cq = std::make_unique<CompletionRing>(session, request);
    recv_cq = std::make_unique<CompletionRing>(session, request);
    qp = std::make_unique<QueuePair>(session, pd, *send_cq, *recv_cq);
  }
  efa_tx_wqe message(std::uint16_t id) {
    efa_tx_wqe wqe{};
    wqe.meta = meta(EFA_SEND_OP_TYPE_SEND, {ah.number, qp->number()}, id, 1);
    wqe.data.sgl[0] = segment(mr, buffer.data(), 64);
    return wqe;
  }
  /// Sends itself some messages.
  void expect_good() {
    for (std::uint16_t id = 0; id < 100; ++id) {
      qp->post_receive(id, mr, buffer.data() + 2048, 64);
      qp->post_send(message(id));
      const Completion sent = send_cq->next();
      EXPECT_EQ(sent.status(), static_cast<unsigned>(EFA_COMP_STATUS_OK));
      EXPECT_EQ(sent.common().req_id, id);
      EXPECT_EQ(recv_cq->next().common().req_id, id);
    }
  }
  bool comes_to_error() {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    ib_uverbs_query_qp_resp state{};
    while (std::chrono::steady_clock::now() < deadline) {
      if (session.query_qp(qp->handle(), state) != 0) return false;
      if (state.qp_state == kErr) return true;
      ::sched_yield();
    }
    return false;
  }
};

class CorruptionTest : public ::testing::Test {
 protected:
  Client bystander;
  Client culprit;
  std::minstd_rand random{1};

  void TearDown() override {
    bystander.expect_good();
    Client newcomer;
    newcomer.expect_good();
  }
  void scribble(std::byte* start, std::size_t length) {
    for (std::size_t i = 0; i < length; ++i) start[i] = static_cast<std::byte>(random());
  }
  void scribble(const Mapping& mapping) { scribble(mapping.data(), mapping.size()); }
  /// What the library of the culprit would do to clean up still works.
  void expect_destroyable() {
    EXPECT_EQ(culprit.session.destroy(UVERBS_OBJECT_QP, culprit.qp->handle()), 0);
    EXPECT_EQ(culprit.session.destroy(UVERBS_OBJECT_CQ, culprit.send_cq->answer().handle), 0);
    EXPECT_EQ(culprit.session.destroy(UVERBS_OBJECT_CQ, culprit.recv_cq->answer().handle), 0);
    EXPECT_EQ(culprit.session.destroy(UVERBS_OBJECT_MR, culprit.mr.handle), 0);
    EXPECT_EQ(culprit.session.destroy(UVERBS_OBJECT_AH, culprit.ah.handle), 0);
    EXPECT_EQ(culprit.session.destroy(UVERBS_OBJECT_PD, culprit.pd.handle), 0);
  }
};

TEST_F(CorruptionTest, OfTheSendDoorbellIsAnErrorOfTheQueuePair) {
  *culprit.qp->send_doorbell() = 65;  // more than the queue holds
  EXPECT_TRUE(culprit.comes_to_error());
  expect_destroyable();
}

TEST_F(CorruptionTest, OfTheReceiveDoorbellIsAnErrorOfTheQueuePair) {
  *culprit.qp->recv_doorbell() = 65;
  culprit.qp->post_send(culprit.message(1));
  EXPECT_NE(culprit.send_cq->next().status(), static_cast<unsigned>(EFA_COMP_STATUS_OK));
  EXPECT_TRUE(culprit.comes_to_error());
  expect_destroyable();
}

TEST_F(CorruptionTest, OfSendRequestsIsAnErrorOfEach) {
  for (int round = 0; round < 3000; ++round) {
    efa_tx_wqe wqe;
    scribble(reinterpret_cast<std::byte*>(&wqe), sizeof(wqe));
    // Half of them look right from the outside.
    if (round % 2 == 0) wqe.meta = culprit.message(1).meta;
    if (round % 4 == 0)
      efa_tx_meta_desc_set_op_type(&wqe.meta, static_cast<std::uint8_t>(random() % 5));
    culprit.qp->post_send(wqe);
    EXPECT_NE(culprit.send_cq->next().status(), static_cast<unsigned>(EFA_COMP_STATUS_OK)) << round;
  }
  expect_destroyable();
}

TEST_F(CorruptionTest, OfReceiveDescriptorsIsAnErrorOfTheMessage) {
  Client sender;
  AddressHandle ah;
  ASSERT_EQ(sender.session.create_ah(sender.pd, sender.session.gid(), ah), 0);
  for (int round = 0; round < 300; ++round) {
    scribble(culprit.qp->recv_ring());
    *culprit.qp->recv_doorbell() = static_cast<std::uint32_t>(random() % 65);
    efa_tx_wqe wqe = sender.message(1);
    wqe.meta = meta(EFA_SEND_OP_TYPE_SEND, {ah.number, culprit.qp->number()}, 1, 1);
    // Nothing at all may be posted now and then: then the message waits for the next round.
    sender.qp->post_send(wqe);
    ib_uverbs_query_qp_resp state{};
    ASSERT_EQ(culprit.session.query_qp(culprit.qp->handle(), state), 0);
    if (state.qp_state == kErr) break;
  }
  expect_destroyable();
  bystander.expect_good();
}

TEST_F(CorruptionTest, OfCompletionRingsHurtsOnlyTheirOwner) {
  for (int round = 0; round < 200; ++round) {
    scribble(culprit.send_cq->ring());
    culprit.qp->post_receive(1, culprit.mr, culprit.buffer.data(), 64);
    culprit.qp->post_send(culprit.message(1));
    scribble(culprit.recv_cq->ring());
  }
  expect_destroyable();
}

TEST_F(CorruptionTest, OfAllQueuesAtAnyMomentHurtsOnlyTheirOwner) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    const pid_t child = ::fork();
    if (child == 0) {
      random.seed(seed + 1);
      Client vandal;
      const auto& cq = vandal.send_cq->answer().device;
      const Mapping cq_doorbells(vandal.session, cq.db_mmap_key, 4096, PROT_READ | PROT_WRITE);
      for (int round = 0; round < 200; ++round) {
        vandal.qp->post_receive(1, vandal.mr, vandal.buffer.data(), 64);
        vandal.qp->post_send(vandal.message(1));
        switch (random() % 5) {
          case 0:
            scribble(vandal.qp->send_ring());
            break;
          case 1:
            scribble(vandal.qp->recv_ring());
            break;
          case 2:
            scribble(vandal.send_cq->ring());
            break;
          case 3:
            scribble(cq_doorbells);  // those of all its queues are in this page
            break;
          default:
            scribble(vandal.recv_cq->ring());
        }
      }
      ::_exit(0);  // without destroying anything
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    bystander.expect_good();
  }
}

/// The file behind the mapped queues.
class QueueFileTest : public ::testing::Test {
 protected:
  Client client;
};

TEST_F(QueueFileTest, CannotBeCutOrUnsealed) {
  const int fd = client.session.fd();
  struct stat status {};
  ASSERT_EQ(::fstat(fd, &status), 0);
  EXPECT_EQ(::ftruncate(fd, 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(::ftruncate(fd, status.st_size + 4096), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
  EXPECT_EQ(errno, EPERM);
  client.expect_good();
}

TEST_F(QueueFileTest, WithHolesPunchedIntoItHurtsOnlyItsOwner) {
  Client bystander;
  struct stat status {};
  ASSERT_EQ(::fstat(client.session.fd(), &status), 0);
  ASSERT_EQ(::fallocate(client.session.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                        status.st_size),
            0);
  bystander.expect_good();
}

TEST_F(QueueFileTest, IsNotSharedBetweenContexts) {
  Client other;
  struct stat mine {
  }, its{};
  ASSERT_EQ(::fstat(client.session.fd(), &mine), 0);
  ASSERT_EQ(::fstat(other.session.fd(), &its), 0);
  EXPECT_NE(mine.st_ino, its.st_ino);
}

/// Sends descriptor `fd` through `socket`.
void pass_descriptor(int socket, int fd) {
  char nothing = 0;
  iovec data{&nothing, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(fd))]{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(fd));
  std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  ASSERT_EQ(::sendmsg(socket, &message, 0), 1);
}

int received_descriptor(int socket) {
  char nothing = 0;
  iovec data{&nothing, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  int fd = -1;
  if (::recvmsg(socket, &message, 0) == 1 && CMSG_FIRSTHDR(&message) != nullptr)
    std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
  return fd;
}

TEST_F(QueueFileTest, StandsForTheContextInAnotherProcess) {
  int sockets[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(client.session.fd());  // the inherited one is not what is tested
    const int fd = received_descriptor(sockets[1]);
    Attributes destroy;
    destroy.handle(0, client.mr.handle);
    Message message(UVERBS_OBJECT_MR, UVERBS_METHOD_MR_DESTROY, destroy);
    ::_exit(verbs_ioctl(fd, message.header()));
  }
  pass_descriptor(sockets[0], client.session.fd());
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_NE(client.session.destroy(UVERBS_OBJECT_MR, client.mr.handle), 0) << "it is gone already";
  ::close(sockets[0]);
  ::close(sockets[1]);
}

TEST_F(QueueFileTest, WorksUnderAnyNumber) {
  const int duplicate = ::fcntl(client.session.fd(), F_DUPFD_CLOEXEC, 200);
  ASSERT_GE(duplicate, 200);
  Attributes destroy;
  destroy.handle(0, client.mr.handle);
  Message message(UVERBS_OBJECT_MR, UVERBS_METHOD_MR_DESTROY, destroy);
  EXPECT_EQ(verbs_ioctl(duplicate, message.header()), 0);
  ::close(duplicate);
}

}  // namespace
}  // namespace efa::raw
