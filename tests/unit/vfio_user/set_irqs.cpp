// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// VFIO_USER_DEVICE_SET_IRQS
#include "client.hpp"

namespace efa::emu::vfio_user::test {
namespace {

constexpr std::uint32_t kEventfd = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
constexpr std::uint32_t kNone = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
constexpr std::uint32_t kBool = VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER;

class SetIrqsMessage : public Greeted {
 protected:
  void signal(unsigned vector) { function_->vectors().signal(vector); }
};

TEST_F(SetIrqsMessage, ConnectsAVector) {
  const FileDescriptor eventfd = event();
  EXPECT_EQ(connect_vector(7, eventfd), 0);
  signal(7);
  signal(8);
  EXPECT_EQ(signals_of(eventfd), 1u);
}

TEST_F(SetIrqsMessage, ConnectsSeveralVectorsAtOnce) {
  const FileDescriptor first = event(), second = event();
  const int both[] = {first.get(), second.get()};
  EXPECT_EQ(set_irqs(kEventfd, 3, 2, both), 0);
  signal(4);
  EXPECT_EQ(signals_of(first), 0u);
  EXPECT_EQ(signals_of(second), 1u);
}

// Signalled before the guest's vector had an eventfd: QEMU connects vectors as they are unmasked.
TEST_F(SetIrqsMessage, DeliversWhatWasSignalledBefore) {
  const FileDescriptor eventfd = event();
  signal(0);
  signal(0);
  EXPECT_EQ(connect_vector(0, eventfd), 0);
  EXPECT_EQ(signals_of(eventfd), 1u);
  EXPECT_EQ(connect_vector(0, eventfd), 0);
  EXPECT_EQ(signals_of(eventfd), 0u) << "once is enough";
}

// The first thing that QEMU sends when MSI-X is enabled.
TEST_F(SetIrqsMessage, WithoutDescriptorsDisconnectsThatVector) {
  const FileDescriptor first = event(), second = event();
  connect_vector(0, first);
  connect_vector(1, second);
  EXPECT_EQ(set_irqs(kEventfd, 0, 1), 0);
  signal(0);
  signal(1);
  EXPECT_EQ(signals_of(first), 0u);
  EXPECT_EQ(signals_of(second), 1u);
}

TEST_F(SetIrqsMessage, WithCountZeroDisconnectsAll) {
  const FileDescriptor first = event(), second = event();
  connect_vector(0, first);
  connect_vector(32, second);
  EXPECT_EQ(set_irqs(kNone, 0, 0), 0);
  signal(0);
  signal(32);
  EXPECT_EQ(signals_of(first) + signals_of(second), 0u);
}

TEST_F(SetIrqsMessage, ReplacesAnEventfd) {
  const FileDescriptor old = event(), fresh = event();
  connect_vector(1, old);
  connect_vector(1, fresh);
  signal(1);
  EXPECT_EQ(signals_of(old), 0u);
  EXPECT_EQ(signals_of(fresh), 1u);
}

TEST_F(SetIrqsMessage, TriggersVectorsOnRequest) {
  const FileDescriptor first = event(), second = event();
  connect_vector(0, first);
  connect_vector(1, second);
  EXPECT_EQ(set_irqs(kNone, 0, 2), 0);
  EXPECT_EQ(signals_of(first), 1u);
  EXPECT_EQ(signals_of(second), 1u);
  EXPECT_EQ(set_irqs(kBool, 0, 2, {}, {std::byte{0}, std::byte{1}}), 0);
  EXPECT_EQ(signals_of(first), 0u);
  EXPECT_EQ(signals_of(second), 1u);
}

TEST_F(SetIrqsMessage, BeyondTheTableIsRefused) {
  const FileDescriptor eventfd = event();
  const int fd = eventfd.get();
  EXPECT_EQ(connect_vector(33, eventfd), EINVAL);
  EXPECT_EQ(set_irqs(kEventfd, 32, 2, {&fd, 1}), EINVAL);
  EXPECT_EQ(set_irqs(kNone, 34, 0), EINVAL);
  EXPECT_EQ(set_irqs(kNone, 1, ~0u), EINVAL) << "the sum wraps around";
  EXPECT_EQ(set_irqs(kEventfd, 0, 1, {&fd, 1}, {}, VFIO_PCI_MSI_IRQ_INDEX), EINVAL);
  EXPECT_EQ(set_irqs(kEventfd, 0, 1, {&fd, 1}, {}, 99), EINVAL);
}

TEST_F(SetIrqsMessage, WithTheWrongNumberOfDescriptorsChangesNothing) {
  const FileDescriptor good = event(), other = event();
  connect_vector(0, good);
  const int fd = other.get();
  EXPECT_EQ(set_irqs(kEventfd, 0, 2, {&fd, 1}), EINVAL);
  signal(0);
  EXPECT_EQ(signals_of(good), 1u);
}

TEST_F(SetIrqsMessage, ThatMasksOrContradictsItselfIsRefused) {
  EXPECT_EQ(set_irqs(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK, 0, 1), EINVAL);
  EXPECT_EQ(set_irqs(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, 0, 1), EINVAL);
  EXPECT_EQ(set_irqs(kNone | VFIO_IRQ_SET_DATA_BOOL, 0, 1), EINVAL);
  EXPECT_EQ(set_irqs(0, 0, 0), EINVAL);
  EXPECT_EQ(set_irqs(kBool, 0, 2, {}, {std::byte{1}}), EINVAL) << "one of two values";
}

TEST_F(SetIrqsMessage, ForOtherKindsDisablesNothingButIsNoError) {
  const FileDescriptor eventfd = event();
  connect_vector(0, eventfd);
  EXPECT_EQ(set_irqs(kNone, 0, 0, {}, {}, VFIO_PCI_INTX_IRQ_INDEX), 0);
  signal(0);
  EXPECT_EQ(signals_of(eventfd), 1u);
}

// A client that passes a pipe for an eventfd gets what it deserves; the engine goes on.
TEST_F(SetIrqsMessage, NeverBlocksOnWhatItWasGiven) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  FileDescriptor reader(ends[0]), writer(ends[1]);
  ASSERT_EQ(::fcntl(writer.get(), F_SETPIPE_SZ, 4096), 4096);
  connect_vector(0, writer);
  for (int i = 0; i < 2000; ++i) signal(0);
}

}  // namespace
}  // namespace efa::emu::vfio_user::test
