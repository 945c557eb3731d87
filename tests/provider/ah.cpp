// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Address handles (spec verbs B7.4).
#include "station.hpp"

namespace efa::provider_test {
namespace {

class AddressHandle : public ProviderTest {
 protected:
  std::uint16_t number_of(const Ah& ah) {
    efadv_ah_attr attr{};
    EXPECT_EQ(efadv_query_ah(ah.get(), &attr, sizeof(attr)), 0);
    return attr.ahn;
  }
};

TEST_F(AddressHandle, V40_has_a_number_of_the_device) {
  const Ah mine(try_create_ah(pd.get(), gid_of(context.get())));
  const Ah other(try_create_ah(pd.get(), gid_of(other_context.get())));
  ASSERT_TRUE(mine && other);
  EXPECT_NE(number_of(mine), number_of(other));
}

TEST_F(AddressHandle, V40_needs_a_route) {
  ibv_ah_attr attr{};
  attr.port_num = 1;
  EXPECT_EQ(ibv_create_ah(pd.get(), &attr), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(AddressHandle, V41_query_keeps_to_its_room) {
  const Ah ah(try_create_ah(pd.get(), gid_of(context.get())));
  ASSERT_TRUE(ah);
  struct {
    efadv_ah_attr attr;
    std::uint8_t beyond[48];
  } room;
  std::memset(&room, 0xff, sizeof(room));
  EXPECT_EQ(efadv_query_ah(ah.get(), &room.attr, 8), EINVAL);
  EXPECT_EQ(efadv_query_ah(ah.get(), &room.attr, 9), wanted_or_stock(EINVAL, 0));
  ASSERT_EQ(efadv_query_ah(ah.get(), &room.attr, 16), 0);
  EXPECT_EQ(room.attr.comp_mask, 0u);
  EXPECT_EQ(room.beyond[0], 0xff);
  ASSERT_EQ(efadv_query_ah(ah.get(), &room.attr, sizeof(room)), 0);
  for (const std::uint8_t byte : room.beyond) EXPECT_EQ(byte, 0);
  const std::uint64_t before = verbs_calls();
  ASSERT_EQ(efadv_query_ah(ah.get(), &room.attr, 10), 0);
  EXPECT_EQ(verbs_calls(), before);
}

TEST_F(AddressHandle, V42_one_of_two_for_the_same_peer_outlives_the_other) {
  Station self = station();
  Station peer = other_station();
  Ah first(try_create_ah(pd.get(), gid_of(other_context.get())));
  const Ah second(try_create_ah(pd.get(), gid_of(other_context.get())));
  ASSERT_TRUE(first && second);
  first.reset();
  ASSERT_EQ(peer.post_receive(1, 0, 64), 0);
  ASSERT_EQ(self.post_send(2, {second.get(), peer.qp()->qp_num}, 0, 64), 0);
  EXPECT_SUCCESS(self.next_sent(), 2u);
  EXPECT_SUCCESS(peer.next_received(), 1u);
}

TEST_F(AddressHandle, V43_cannot_be_made_from_a_completion) {
  Station self = station({.qp = {.transport = Transport::kUd}});
  const Destination to = self.from(self);
  ASSERT_EQ(self.post_receive(1, 0, 1024), 0);
  ASSERT_EQ(self.post_send(2, to, 4096, 64), 0);
  EXPECT_SUCCESS(self.next_sent(), 2u);
  ibv_wc wc = self.next_received();
  EXPECT_EQ(wc.wc_flags & IBV_WC_GRH, 0u);
  ibv_ah_attr attr{};
  EXPECT_EQ(
      ibv_init_ah_from_wc(context.get(), 1, &wc, reinterpret_cast<ibv_grh*>(self.at(0)), &attr), 0);
  EXPECT_EQ(attr.is_global, 0);
  EXPECT_EQ(ibv_create_ah_from_wc(pd.get(), &wc, reinterpret_cast<ibv_grh*>(self.at(0)), 1),
            nullptr);
  EXPECT_EQ(errno, EINVAL);
}

}  // namespace
}  // namespace efa::provider_test
