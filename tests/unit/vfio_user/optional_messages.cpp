// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Messages that this server does not offer: they are refused and the session goes on.
#include "client.hpp"

namespace efa::emu::vfio_user::test {
namespace {

using OptionalMessages = Greeted;

TEST_F(OptionalMessages, AreRefusedOneByOne) {
  for (const int command : {6, 11, 12, 14, 15, 16, 17, 18, 19, 0, 999})
    EXPECT_EQ(error_of(static_cast<Command>(command), Bytes(32)), ENOTSUP) << command;
  EXPECT_EQ(error_of(Command::kDeviceReset, {}), 0);
}

TEST_F(OptionalMessages, LoseTheDescriptorsThatCameWithThem) {
  const FileDescriptor eventfd = event();
  const int fds[] = {eventfd.get(), eventfd.get()};
  const std::size_t before = open_descriptors();
  EXPECT_EQ(error_of(Command::kDeviceGetRegionIoFds, Bytes(16), fds), ENOTSUP);
  EXPECT_EQ(error_of(Command::kDeviceReset, {}, fds), 0);
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace efa::emu::vfio_user::test
