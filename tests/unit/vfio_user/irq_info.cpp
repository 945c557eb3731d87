// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// VFIO_USER_DEVICE_GET_IRQ_INFO
#include "client.hpp"

namespace efa::emu::vfio_user::test {
namespace {

class IrqInfoMessage : public Greeted {
 protected:
  IrqInfo info(std::uint32_t index) {
    return ask(Command::kDeviceGetIrqInfo, bytes_of(IrqInfo{sizeof(IrqInfo), 0, index, 0}))
        .body<IrqInfo>();
  }
};

TEST_F(IrqInfoMessage, HasThirtyThreeMsixVectors) {
  const IrqInfo msix = info(VFIO_PCI_MSIX_IRQ_INDEX);
  EXPECT_EQ(msix.argsz, sizeof msix);
  EXPECT_EQ(msix.index, std::uint32_t{VFIO_PCI_MSIX_IRQ_INDEX});
  EXPECT_EQ(msix.count, 33u);
}

// With NORESIZE, QEMU takes all vectors away whenever one is added: interrupts would be lost.
TEST_F(IrqInfoMessage, LetsVectorsBeAddedOneByOne) {
  EXPECT_EQ(info(VFIO_PCI_MSIX_IRQ_INDEX).flags, std::uint32_t{VFIO_IRQ_INFO_EVENTFD});
}

TEST_F(IrqInfoMessage, HasNothingElse) {
  for (const std::uint32_t index : {VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX,
                                    VFIO_PCI_ERR_IRQ_INDEX, VFIO_PCI_REQ_IRQ_INDEX})
    EXPECT_EQ(info(index).count, 0u) << "index " << index;
}

TEST_F(IrqInfoMessage, OfAnUnknownKindOrTooShortIsRefused) {
  EXPECT_EQ(error_of(Command::kDeviceGetIrqInfo,
                     bytes_of(IrqInfo{sizeof(IrqInfo), 0, VFIO_PCI_NUM_IRQS, 0})),
            EINVAL);
  EXPECT_EQ(error_of(Command::kDeviceGetIrqInfo, bytes_of(IrqInfo{15, 0, 2, 0})), EINVAL);
  EXPECT_EQ(error_of(Command::kDeviceGetIrqInfo, Bytes(15)), EINVAL);
}

}  // namespace
}  // namespace efa::emu::vfio_user::test
