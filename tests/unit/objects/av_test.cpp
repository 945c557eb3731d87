// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Address vectors: numbering, doubles, errors, who sent, address handles (spec 5.3; protocol 8).
#include "objects/av.hpp"

#include <map>

#include "objects/opened.hpp"

namespace {

using namespace efa::fi;
using namespace efa::fi::test;
using testing::ElementsAre;
using testing::HasSubstr;

struct OpenedAv {
  explicit OpenedAv(Kind kind = Kind::rdm) : of(kind) {
    fi_av_attr attributes{};
    attributes.type = FI_AV_MAP;
    EXPECT_EQ(fi_av_open(of.domain.get(), &attributes, av.out(), nullptr), 0);
    EXPECT_EQ(attributes.type, FI_AV_TABLE);
  }
  Av& operator*() const { return Av::of(av.get()); }

  /// What fi_av_insert() said to one address.
  fi_addr_t insert(const Address& address) {
    fi_addr_t peer = 77;
    EXPECT_EQ(fi_av_insert(av.get(), &address, 1, &peer, 0, nullptr), 1);
    return peer;
  }

  OpenedDomain of;
  Owner<fid_av> av;
};

TEST(Av, NumbersPeersInTheirOrder) {
  OpenedAv av;
  const Address peers[] = {peer_address(1), peer_address(2), peer_address(3)};
  fi_addr_t numbers[3];
  EXPECT_EQ(fi_av_insert(av.av.get(), peers, 3, numbers, FI_MORE, nullptr), 3);
  EXPECT_THAT(numbers, ElementsAre(0, 1, 2));
  EXPECT_EQ(fi_av_insert(av.av.get(), peers, 3, nullptr, 0, nullptr), 3);
  EXPECT_EQ((*av).count(), 3u);
}

TEST(Av, UsesFreedNumbersAgain) {
  OpenedAv av;
  for (uint8_t host = 0; host < 4; ++host) av.insert(peer_address(host));
  fi_addr_t freed[] = {1, 2};
  EXPECT_EQ(fi_av_remove(av.av.get(), freed, 2, 0), 0);
  EXPECT_EQ(av.insert(peer_address(9)), 2u);
  EXPECT_EQ(av.insert(peer_address(10)), 1u);
  EXPECT_EQ(av.insert(peer_address(11)), 4u);
}

TEST(Av, GivesTheSameAddressTheSameNumber) {
  OpenedAv av;
  Address address = peer_address(1);
  EXPECT_EQ(av.insert(address), 0u);
  EXPECT_EQ(av.insert(peer_address(2)), 1u);
  address.pad = 9;  // means nothing
  address.reserved = 9;
  EXPECT_EQ(av.insert(address), 0u);
}

TEST(Av, OneAddressHandleServesAllPeersOfAHost) {
  OpenedAv av;
  av.insert(peer_address(1, 1));
  av.insert(peer_address(1, 2));
  av.insert(peer_address(2, 1));
  EXPECT_EQ(fake_verbs().ahs, 2);
  fi_addr_t first = 0;
  fi_av_remove(av.av.get(), &first, 1, 0);
  EXPECT_EQ(fake_verbs().ahs, 2);
  first = 1;
  fi_av_remove(av.av.get(), &first, 1, 0);
  EXPECT_EQ(fake_verbs().ahs, 1);
}

TEST(Av, AnEntryHasWhatASendNeeds) {
  OpenedAv av;
  const fi_addr_t peer = av.insert(peer_address(5, 0x1234, 0x7654321));
  const AvEntry* entry = (*av).find(peer);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->qpn, 0x1234u);
  EXPECT_EQ(entry->qkey, 0x7654321u);
  EXPECT_EQ(entry->ahn, 5u);
  EXPECT_EQ(entry->address, peer_address(5, 0x1234, 0x7654321));
  EXPECT_FALSE((*av).find(peer + 1));
  EXPECT_FALSE((*av).find(FI_ADDR_UNSPEC));
}

TEST(Av, BadAddressesDoNotStopTheOthers) {
  OpenedAv av;
  Address peers[] = {peer_address(1), Address{.qpn = 3}, peer_address(2), peer_address(3)};
  fi_addr_t numbers[4];
  int errors[4] = {-1, -1, -1, -1};
  EXPECT_EQ(fi_av_insert(av.av.get(), peers, 4, numbers, FI_SYNC_ERR, errors), 3);
  EXPECT_THAT(numbers, ElementsAre(0, FI_ADDR_NOTAVAIL, 1, 2));
  EXPECT_THAT(errors, ElementsAre(0, FI_EADDRNOTAVAIL, 0, 0));
}

TEST(Av, AFailedAddressHandleIsSaidWithTheCure) {
  OpenedAv av;
  fake_verbs().fail_next["ibv_create_ah"] = ENOMEM;
  const Address peers[] = {peer_address(1), peer_address(2)};
  fi_addr_t numbers[2];
  int errors[2];
  EXPECT_EQ(fi_av_insert(av.av.get(), peers, 2, numbers, FI_SYNC_ERR, errors), 1);
  EXPECT_THAT(numbers, ElementsAre(FI_ADDR_NOTAVAIL, 0));
  EXPECT_THAT(errors, ElementsAre(FI_ENOMEM, 0));
  EXPECT_THAT(take_log(), ElementsAre(HasSubstr("peer fe80::1 not inserted: device efa_0 gives no "
                                                "address handle: Cannot allocate memory")));
  // Not even a handle whose number is unknown stays.
  fake_verbs().fail_next["efadv_query_ah"] = EOPNOTSUPP;
  EXPECT_EQ(fi_av_insert(av.av.get(), peers, 1, numbers, 0, nullptr), 0);
  EXPECT_EQ(fake_verbs().ahs, 1);
}

TEST(Av, FlagsThatItLacksAreRefused) {
  OpenedAv av;
  const Address address = peer_address(1);
  EXPECT_EQ(fi_av_insert(av.av.get(), &address, 1, nullptr, FI_PEEK, nullptr), -FI_ENOSYS);
  EXPECT_EQ(fi_av_insert(av.av.get(), &address, 1, nullptr, FI_SYNC_ERR, nullptr), -FI_EINVAL);
}

TEST(Av, RemovingStopsAtWhatIsNotThere) {
  OpenedAv av;
  for (uint8_t host = 0; host < 3; ++host) av.insert(peer_address(host));
  fi_addr_t numbers[] = {0, 7, 2};
  EXPECT_EQ(fi_av_remove(av.av.get(), numbers, 3, 0), -FI_EINVAL);
  EXPECT_EQ((*av).count(), 2u);
  EXPECT_EQ(fi_av_remove(av.av.get(), numbers, 1, 0), -FI_EINVAL);
  EXPECT_EQ(fi_av_remove(av.av.get(), nullptr, 1, 0), -FI_EINVAL);
}

TEST(Av, LookupCopiesWhatFits) {
  OpenedAv av;
  av.insert(peer_address(1));
  Address found;
  size_t length = 4;
  EXPECT_EQ(fi_av_lookup(av.av.get(), 0, &found, &length), 0);
  EXPECT_EQ(length, 32u);
  EXPECT_EQ(found, (Address{.gid = {0xfe, 0x80}}));
  EXPECT_EQ(fi_av_lookup(av.av.get(), 0, &found, &length), 0);
  EXPECT_EQ(found, peer_address(1));
  EXPECT_EQ(fi_av_lookup(av.av.get(), 1, &found, &length), -FI_EINVAL);
}

TEST(Av, PrintsAddressesAsLibfabricDoes) {
  OpenedAv av;
  const Address address = peer_address(1, 7, 99);
  char text[64] = "";
  size_t length = sizeof text;
  EXPECT_EQ(fi_av_straddr(av.av.get(), &address, text, &length), text);
  EXPECT_STREQ(text, "fi_addr_efa://[fe80::1]:7:99");
  EXPECT_EQ(length, std::string(text).size() + 1);
  length = 8;
  fi_av_straddr(av.av.get(), &address, text, &length);
  EXPECT_STREQ(text, "fi_addr");
  EXPECT_EQ(length, 29u);
}

TEST(Av, TheNewestOfSeveralIsTheSender) {
  OpenedAv av;
  const fi_addr_t old = av.insert(peer_address(1, 7, 100));
  const fi_addr_t newer = av.insert(peer_address(1, 7, 101));
  const fi_addr_t newest = av.insert(peer_address(1, 7, 102));
  EXPECT_EQ((*av).find_sender(1, 7), newest);
  EXPECT_EQ((*av).find_sender(1, 8), FI_ADDR_NOTAVAIL);
  EXPECT_EQ((*av).find_sender(2, 7), FI_ADDR_NOTAVAIL);
  const Guard guard((*av.of).lock);
  EXPECT_EQ((*av).remove(newer), 0);
  EXPECT_EQ((*av).find_sender(1, 7), newest);
  EXPECT_EQ((*av).remove(newest), 0);
  EXPECT_EQ((*av).find_sender(1, 7), old);
  EXPECT_EQ((*av).remove(old), 0);
  EXPECT_EQ((*av).find_sender(1, 7), FI_ADDR_NOTAVAIL);
}

class Mirror final : public AvUser {
 public:
  void inserted(fi_addr_t peer, const AvEntry& entry) override {
    EXPECT_TRUE(known.emplace(peer, entry.address).second);
  }
  void removed(fi_addr_t peer, const AvEntry& entry) override {
    EXPECT_TRUE(entry.ah);
    EXPECT_EQ(known.at(peer), entry.address);
    known.erase(peer);
  }
  std::map<fi_addr_t, Address> known;
};

TEST(Av, ItsUsersHearOfEveryPeer) {
  OpenedAv av;
  Mirror mirror;
  av.insert(peer_address(1));
  (*av).attach(mirror);
  EXPECT_EQ(mirror.known.size(), 1u);
  av.insert(peer_address(2));
  av.insert(peer_address(2));
  EXPECT_EQ(mirror.known.size(), 2u);
  fi_addr_t first = 0;
  fi_av_remove(av.av.get(), &first, 1, 0);
  EXPECT_EQ(mirror.known, (std::map<fi_addr_t, Address>{{1, peer_address(2)}}));
  (*av).detach(mirror);
  av.insert(peer_address(3));
  EXPECT_EQ(mirror.known.size(), 1u);
}

TEST(Av, RandomInsertionsAndRemovalsAgreeWithAModel) {
  OpenedAv av;
  std::map<fi_addr_t, Address> model;
  uint32_t state = 1;
  const auto random = [&](uint32_t below) {
    state = state * 1664525 + 1013904223;
    return (state >> 16) % below;
  };
  for (int step = 0; step < 5000; ++step) {
    const Address address =
        peer_address(static_cast<uint8_t>(random(4)), static_cast<uint16_t>(random(4)), random(8));
    if (random(3)) {
      const fi_addr_t peer = av.insert(address);
      const auto [place, fresh] = model.emplace(peer, address);
      EXPECT_EQ(place->second, address);
    } else {
      fi_addr_t peer = (*av).find(address);
      if (peer == FI_ADDR_NOTAVAIL) continue;
      EXPECT_EQ(fi_av_remove(av.av.get(), &peer, 1, 0), 0);
      EXPECT_EQ(model.erase(peer), 1u);
    }
    ASSERT_EQ((*av).count(), model.size());
  }
  for (const auto& [peer, address] : model) {
    EXPECT_EQ((*av).find(address), peer);
    const fi_addr_t sender = (*av).find_sender(address.gid[15], address.qpn);
    ASSERT_NE(sender, FI_ADDR_NOTAVAIL);
    EXPECT_EQ(model.at(sender).qpn, address.qpn);
    EXPECT_EQ(model.at(sender).gid, address.gid);
  }
}

TEST(Av, NamesAndFlagsAreNotOffered) {
  OpenedDomain of;
  fid_av* av = nullptr;
  fi_av_attr attributes{};
  attributes.name = "shared";
  EXPECT_EQ(fi_av_open(of.domain.get(), &attributes, &av, nullptr), -FI_ENOSYS);
  attributes = {};
  attributes.flags = FI_EVENT;
  EXPECT_EQ(fi_av_open(of.domain.get(), &attributes, &av, nullptr), -FI_ENOSYS);
  EXPECT_EQ(take_log().size(), 2u);
}

}  // namespace
