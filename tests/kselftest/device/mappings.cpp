// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// mmap of the keys: lengths, offsets, flags, protections, lifetimes (verbs A4).
#include <sys/wait.h>
#include <unistd.h>

#include "user.hpp"

namespace efa::test {
namespace {

constexpr std::size_t kPage = 4096;

/// Objects with queues of more than a page.
struct Keys {
  Session session;
  Pd pd;
  CqAnswer cq;
  QpAnswer qp;
  std::size_t ring_bytes, llq_bytes;

  Keys() {
    CqRequest cq_request;
    cq_request.cqe = 512;
    cq_request.device.num_sub_cqs = session.limits().sub_cqs_per_cq;
    efa_uabi_create_cq_set_completion_channel(&cq_request.device, 1);
    QpRequest qp_request;
    qp_request.cap = {256, 1024, 2, 1, 0};
    qp_request.device.sq_ring_size = 256 * 64;
    qp_request.device.rq_ring_size = 1024 * 16;
    require_success(session.alloc_pd(pd), "ALLOC_PD");
    require_success(session.create_cq(cq_request, cq), "CREATE_CQ");
    require_success(session.create_qp(qp_request, pd, cq, cq, qp), "CREATE_QP");
    ring_bytes = cq.device.q_mmap_size;
    llq_bytes = (qp.device.llq_desc_offset + 256 * 64 + kPage - 1) / kPage * kPage;
  }
};

/// errno of a mapping that is undone at once.
int map_error(const Session& session, std::uint64_t key, std::size_t length, int protection,
              int flags = MAP_SHARED) {
  void* start = ::mmap(nullptr, length, protection, flags, session.fd(), static_cast<off_t>(key));
  if (start == MAP_FAILED) return errno;
  ::munmap(start, length);
  return 0;
}

struct Entry {
  const char* name;
  std::uint64_t key;
  std::size_t length;
};

std::vector<Entry> entries(const Keys& keys) {
  return {{"CQ ring", keys.cq.device.q_mmap_key, keys.ring_bytes},
          {"CQ doorbell", keys.cq.device.db_mmap_key, kPage},
          {"SQ ring", keys.qp.device.llq_desc_mmap_key, keys.llq_bytes},
          {"SQ doorbell", keys.qp.device.sq_db_mmap_key, kPage},
          {"RQ ring", keys.qp.device.rq_mmap_key, keys.qp.device.rq_mmap_size},
          {"RQ doorbell", keys.qp.device.rq_db_mmap_key, kPage}};
}

TAP_TEST("Every key maps with exactly its length") {
  const Keys keys;
  for (const Entry& entry : entries(keys)) {
    const std::string name = entry.name;
    expect_errno(map_error(keys.session, entry.key, entry.length, PROT_READ | PROT_WRITE), 0, name);
    expect_errno(map_error(keys.session, entry.key, entry.length + kPage, PROT_READ), EINVAL,
                 name + ", a page too many");
    if (entry.length > kPage)
      expect_errno(map_error(keys.session, entry.key, entry.length - kPage, PROT_READ), EINVAL,
                   name + ", a page too few");
  }
}

TAP_TEST("No key maps from its middle") {
  const Keys keys;
  for (const Entry& entry : entries(keys))
    if (entry.length > kPage)
      expect_errno(map_error(keys.session, entry.key + kPage, entry.length - kPage, PROT_READ),
                   EINVAL, entry.name);
}

TAP_TEST("No key maps privately") {
  const Keys keys;
  for (const Entry& entry : entries(keys))
    expect_errno(
        map_error(keys.session, entry.key, entry.length, PROT_READ | PROT_WRITE, MAP_PRIVATE),
        EINVAL, entry.name);
}

TAP_TEST("Every protection is accepted, that of programs with executable data, too") {
  const Keys keys;
  for (const Entry& entry : entries(keys))
    for (const int protection : {PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE | PROT_EXEC})
      expect_errno(map_error(keys.session, entry.key, entry.length, protection), 0, entry.name);
}

TAP_TEST("A key that is nobody's does not map") {
  const Keys keys;
  for (const std::uint64_t key : {std::uint64_t{1} << 30, std::uint64_t{1} << 40})
    expect_errno(map_error(keys.session, key, kPage, PROT_READ), EINVAL, "key");
}

TAP_TEST("A key is good in its own context only") {
  const Keys keys;
  const Session other;
  for (const Entry& entry : entries(keys))
    expect_errno(map_error(other, entry.key, entry.length, PROT_READ), EINVAL, entry.name);
}

TAP_TEST("Nothing maps before the device is opened") {
  const Uverbs closed;
  void* start = ::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, closed.fd(), 0);
  expect_errno(start == MAP_FAILED ? errno : 0, EINVAL, "key 0");
}

TAP_TEST("Rings are zeroed") {
  const Keys keys;
  for (const Entry& entry : {entries(keys)[0], entries(keys)[4]}) {
    const Mapping mapping(keys.session, entry.key, entry.length, PROT_READ | PROT_WRITE);
    bool zero = true;
    for (std::size_t i = 0; i < entry.length; i += 4) zero = zero && *mapping.word(i) == 0;
    expect(zero, entry.name);
  }
}

TAP_TEST("A ring stays mapped when its object is gone, but maps no more") {
  Keys keys;
  const std::vector<Entry> all = entries(keys);
  std::vector<Mapping> mappings;
  for (const Entry& entry : all)
    mappings.emplace_back(keys.session, entry.key, entry.length, PROT_READ | PROT_WRITE);
  require_success(keys.session.destroy(UVERBS_OBJECT_QP, keys.qp.handle), "DESTROY_QP");
  require_success(keys.session.destroy(UVERBS_OBJECT_CQ, keys.cq.handle), "DESTROY_CQ");
  for (const std::size_t ring : {0u, 4u}) *mappings[ring].word(64) = 0x1234;
  for (const std::size_t ring : {0u, 4u}) expect_equal(*mappings[ring].word(64), 0x1234u, "word");
  for (const Entry& entry : all)
    expect_errno(map_error(keys.session, entry.key, entry.length, PROT_READ), EINVAL, entry.name);
}

TAP_TEST("A mapping outlives its context") {
  auto keys = std::make_unique<Keys>();
  const Entry ring = entries(*keys)[0];
  const Mapping mapping(keys->session, ring.key, ring.length, PROT_READ | PROT_WRITE);
  keys.reset();
  *mapping.word(128) = 7;
  expect_equal(*mapping.word(128), 7u, "word");
}

TAP_TEST("A child inherits rings, not doorbells that would be somebody else's") {
  const Keys keys;
  const Entry ring = entries(keys)[0];
  const Mapping mapping(keys.session, ring.key, ring.length, PROT_READ | PROT_WRITE);
  *mapping.word(0) = 42;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(*mapping.word(0) == 42 ? 0 : 1);
  int status = 1;
  ::waitpid(child, &status, 0);
  expect_equal(status, 0, "child's status");
}

TAP_TEST("A thousand mappings come and go") {
  const Keys keys;
  for (int i = 0; i < 1000; ++i) {
    const Entry entry = entries(keys)[static_cast<std::size_t>(i) % 6];
    if (!expect_errno(map_error(keys.session, entry.key, entry.length, PROT_READ | PROT_WRITE), 0,
                      entry.name))
      return;
  }
}

}  // namespace
}  // namespace efa::test
