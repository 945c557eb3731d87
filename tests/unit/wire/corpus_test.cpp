// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The fuzzer starts from what this holds: every test vector, and a valid packet of every type.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "wire/random_packet.hpp"
#include "wire/vectors.hpp"

namespace efa::rdm::test {
namespace {

Bytes contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  Bytes made;
  for (std::istreambuf_iterator<char> at(file), end; at != end; ++at)
    made.push_back(static_cast<std::byte>(*at));
  return made;
}

TEST(FuzzCorpus, HoldsTheTestVectors) {
  for (const Vector& vector : kVectors)
    EXPECT_EQ(contents(std::filesystem::path(EFA_CORPUS) / vector.name), vector_bytes(vector.name))
        << vector.name;
}

TEST(FuzzCorpus, HoldsAValidPacketOfEveryType) {
  std::set<PacketType> found;
  for (const auto& entry : std::filesystem::directory_iterator(EFA_CORPUS)) {
    const Bytes bytes = contents(entry.path());
    const Parsed parsed = parse(bytes);
    if (parsed) found.insert(parsed->type());
  }
  for (const PacketType type : accepted_types())
    EXPECT_TRUE(found.contains(type)) << "type " << static_cast<int>(type);
}

}  // namespace
}  // namespace efa::rdm::test
