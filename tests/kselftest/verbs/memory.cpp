// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Memory registration (verbs A5, A8.6).
#include "memory.hpp"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.hpp"

namespace efa::test {
namespace {

constexpr std::uint32_t kAtomic = 1 << 3, kWindow = 1 << 4, kZeroBased = 1 << 5, kOnDemand = 1 << 6,
                        kHuge = 1 << 7, kRelaxed = 1 << 20, kOptionalUnknown = 1 << 29;
constexpr std::size_t kBytes = 16 * 4096;

struct Registration {
  std::vector<std::uint8_t> input;
  ib_uverbs_reg_mr core{};  // last: it ends in a flexible array

  Registration(const Bench& bench, const Pages& pages) {
    core.start = core.hca_va = reinterpret_cast<std::uint64_t>(pages.data());
    core.length = pages.size();
    core.pd_handle = bench.pd.handle;
    core.access_flags = kLocalWrite;
  }
  /// The region stays.
  int on(Session& session, Mr& out) const {
    ib_uverbs_reg_mr_resp response{};
    const int error = session.write_command(
        IB_USER_VERBS_CMD_REG_MR, core,
        Attributes().out(UVERBS_ATTR_CORE_OUT, response).in(UVERBS_ATTR_UHW_IN, input));
    out = {response.mr_handle, response.lkey, response.rkey};
    return error;
  }
  /// The region is gone again.
  int on(Session& session) const {
    Mr mr;
    const int error = on(session, mr);
    return error != 0 ? error : session.destroy(UVERBS_OBJECT_MR, mr.handle);
  }
};

struct Row {
  const char* what;
  std::initializer_list<int> allowed;
  std::function<void(Registration&, const Session&)> change;
};

std::initializer_list<int> if_write(const Session& session) {
  return session.has(EFA_UABI_QUERY_DEVICE_RESP_RDMA_WRITE_MASK) ? kSuccess : kUnsupported;
}

const Row rows[] = {
    {"local write", kSuccess, [](Registration&, const Session&) {}},
    {"no access", kSuccess, [](Registration& r, const Session&) { r.core.access_flags = 0; }},
    {"remote read", kSuccess,
     [](Registration& r, const Session&) { r.core.access_flags = kRemoteRead; }},
    {"relaxed ordering", kSuccess,
     [](Registration& r, const Session&) { r.core.access_flags |= kRelaxed; }},
    {"an optional flag that nobody knows", kSuccess,
     [](Registration& r, const Session&) { r.core.access_flags |= kOptionalUnknown; }},
    {"remote write alone", kInvalid,
     [](Registration& r, const Session&) { r.core.access_flags = kRemoteWrite; }},
    {"remote atomics alone", kInvalid,
     [](Registration& r, const Session&) { r.core.access_flags = kAtomic; }},
    {"remote atomics", kUnsupported,
     [](Registration& r, const Session&) { r.core.access_flags |= kAtomic; }},
    {"binding windows", kUnsupported,
     [](Registration& r, const Session&) { r.core.access_flags |= kWindow; }},
    {"zero based", kUnsupported,
     [](Registration& r, const Session&) { r.core.access_flags |= kZeroBased; }},
    {"paging on demand", kUnknownInput,
     [](Registration& r, const Session&) { r.core.access_flags |= kOnDemand; }},
    {"huge pages", kUnsupported,
     [](Registration& r, const Session&) { r.core.access_flags |= kHuge; }},
    {"length 0", kInvalid, [](Registration& r, const Session&) { r.core.length = 0; }},
    {"one byte", kSuccess, [](Registration& r, const Session&) { r.core.length = 1; }},
    {"an odd start and length", kSuccess,
     [](Registration& r, const Session&) {
       r.core.start = r.core.hca_va = r.core.start + 123;
       r.core.length = 4321;
     }},
    {"a length that wraps", kInvalid,
     [](Registration& r, const Session&) { r.core.length = ~std::uint64_t{0}; }},
    {"an I/O address with another offset in its page", kInvalid,
     [](Registration& r, const Session&) { r.core.hca_va += 8; }},
    {"an I/O address elsewhere", kSuccess,
     [](Registration& r, const Session&) { r.core.hca_va += std::uint64_t{1} << 40; }},
    {"I/O address 0", kSuccess, [](Registration& r, const Session&) { r.core.hca_va = 0; }},
    {"memory that is not there",
     {EFAULT},
     [](Registration& r, const Session&) { r.core.start = r.core.hca_va = 0x10000; }},
    {"memory of the kernel",
     {EFAULT, EINVAL},
     [](Registration& r, const Session&) { r.core.start = r.core.hca_va = 0xffff888000000000; }},
    {"a domain that is not there", kNoSuchHandle,
     [](Registration& r, const Session&) { r.core.pd_handle = 4711; }},
    {"private input of zeros", kSuccess,
     [](Registration& r, const Session&) { r.input.assign(40, 0); }},
    {"private input", kUnknownInput, [](Registration& r, const Session&) { r.input.assign(8, 1); }},
    {"private input after 8 zeros", kUnknownInput,
     [](Registration& r, const Session&) {
       r.input.assign(40, 0);
       r.input.back() = 1;
     }},
};

// One test for each row.
const bool added = [] {
  for (const Row& row : rows)
    tap::add(std::string("REG_MR with ") + row.what + outcome(row.allowed), [&row] {
      Bench bench;
      const Pages pages(kBytes);
      Registration registration(bench, pages);
      row.change(registration, bench.session);
      expect_errno(registration.on(bench.session), row.allowed, "REG_MR");
    });
  return true;
}();

TAP_TEST("REG_MR with remote write works if the device can write") {
  Bench bench;
  const Pages pages(kBytes);
  Registration registration(bench, pages);
  registration.core.access_flags = kLocalWrite | kRemoteWrite;
  expect_errno(registration.on(bench.session), if_write(bench.session), "REG_MR");
}

TAP_TEST("Memory that may not be written is not registered for writing") {
  Bench bench;
  const Pages pages(kBytes, PROT_READ);
  Registration registration(bench, pages);
  expect_errno(registration.on(bench.session), EFAULT, "local write");
  registration.core.access_flags = 0;
  expect_errno(registration.on(bench.session), 0, "no access");
  registration.core.access_flags = kRemoteRead;
  expect_errno(registration.on(bench.session), 0, "remote read");
}

TAP_TEST("A hole in the memory is found") {
  Bench bench;
  const Pages pages(kBytes);
  require(::munmap(pages.data() + 4096, 4096) == 0, "unmap the second page");
  expect_errno(Registration(bench, pages).on(bench.session), EFAULT, "REG_MR");
  Mr mr;
  expect_errno(bench.session.reg_mr(bench.pd, pages.data(), 4096, kLocalWrite, mr), 0, "page 1");
}

TAP_TEST("Regions of every page list form are registered") {
  Bench bench;
  // Inline list, one list page, and a chain of list pages (device-admin A10).
  for (const std::size_t pages : {1u, 2u, 14u, 15u, 512u, 513u, 1024u, 8192u}) {
    const Pages memory(pages * 4096);
    for (std::size_t i = 0; i < memory.size(); i += 4096) memory.data()[i] = 1;
    expect_errno(Registration(bench, memory).on(bench.session), 0,
                 std::to_string(pages) + " pages");
  }
}

TAP_TEST("One page may be registered many times") {
  Bench bench;
  const Pages pages(4096);
  std::vector<Mr> mrs(300);
  for (Mr& mr : mrs)
    require_success(bench.session.reg_mr(bench.pd, pages.data(), 4096, kLocalWrite, mr), "REG_MR");
  for (std::size_t i = 1; i < mrs.size(); ++i)
    expect(mrs[i].lkey != mrs[i - 1].lkey, "keys differ");
  for (const Mr& mr : mrs)
    require_success(bench.session.destroy(UVERBS_OBJECT_MR, mr.handle), "DEREG_MR");
}

TAP_TEST("Memory may be unmapped while it is registered") {
  Bench bench;
  Mr mr;
  {
    const Pages pages(kBytes);
    require_success(bench.session.reg_mr(bench.pd, pages.data(), kBytes, kLocalWrite, mr),
                    "REG_MR");
  }
  expect_errno(bench.session.destroy(UVERBS_OBJECT_MR, mr.handle), 0, "DEREG_MR");
}

TAP_TEST("Without the right to lock memory registration is refused with ENOMEM") {
  if (native_mode()) return tap::note("native mode pins nothing, hence no limit");
  Bench bench;
  const Pages pages(kBytes);
  rlimit before{};
  require(::getrlimit(RLIMIT_MEMLOCK, &before) == 0, "limit is known");
  // Root may lock what it wants: be somebody else for as long as this takes.
  const rlimit little{4096, before.rlim_max};
  require(::setrlimit(RLIMIT_MEMLOCK, &little) == 0, "limit is lowered");
  require(::seteuid(65534) == 0, "we are nobody");
  const int error = Registration(bench, pages).on(bench.session);
  require(::seteuid(0) == 0, "we are root again");
  require(::setrlimit(RLIMIT_MEMLOCK, &before) == 0, "limit is restored");
  expect_errno(error, ENOMEM, "REG_MR");
  expect_errno(Registration(bench, pages).on(bench.session), 0, "as root");
}

TAP_TEST("The driver's MR query tells which interconnect ids are valid") {
  Bench bench;
  const Pages pages(kBytes);
  Mr mr;
  InterconnectIds ids;
  require_success(bench.session.reg_mr(bench.pd, pages.data(), kBytes, kLocalWrite, mr), "REG_MR");
  const int error = query_mr(bench.session, mr.handle, ids);
  // A driver of kernel 6.1 may lack the method.
  if (!expect_errno(error, {0, EPROTONOSUPPORT}, "MR_QUERY") || error != 0) return;
  expect_equal(ids.validity & ~7, 0, "only three ids exist");
  expect_errno(query_mr(bench.session, mr.handle + 1000, ids), kNoSuchHandle, "nobody's region");
  expect_errno(query_mr(bench.session, bench.pd.handle, ids), kNoSuchHandle, "a domain as region");
}

TAP_TEST("REG_DMABUF_MR without a DMA buffer is refused") {
  Bench bench;
  Mr mr;
  DmabufRequest request;
  request.fd = STDIN_FILENO;
  // EOPNOTSUPP: kernels without DMA buffers, and native mode.
  expect_errno(reg_dmabuf_mr(bench.session, bench.pd, request, mr), {EINVAL, EBADF, EOPNOTSUPP},
               "stdin as buffer");
  request.fd = 9999;
  expect_errno(reg_dmabuf_mr(bench.session, bench.pd, request, mr), {EBADF, EINVAL, EOPNOTSUPP},
               "no descriptor");
}

TAP_TEST("A DMA buffer is registered, and outlives its descriptor") {
  Bench bench;
  auto buffer = DmaBuffer::make(kBytes);
  if (!buffer) return tap::note("this kernel has no /dev/udmabuf; it is tested from 6.12 on");
  Mr mr;
  DmabufRequest request;
  request.fd = buffer->fd();
  request.length = kBytes;
  require_success(reg_dmabuf_mr(bench.session, bench.pd, request, mr), "REG_DMABUF_MR");
  buffer->close_fd();
  expect_errno(bench.session.destroy(UVERBS_OBJECT_MR, mr.handle), 0, "DEREG_MR");
}

TAP_TEST("REG_DMABUF_MR checks access and range") {
  Bench bench;
  const auto buffer = DmaBuffer::make(kBytes);
  if (!buffer) return tap::note("this kernel has no /dev/udmabuf; it is tested from 6.12 on");
  const auto with = [&](auto change) {
    DmabufRequest request;
    request.fd = buffer->fd();
    change(request);
    Mr mr;
    const int error = reg_dmabuf_mr(bench.session, bench.pd, request, mr);
    return error != 0 ? error : bench.session.destroy(UVERBS_OBJECT_MR, mr.handle);
  };
  expect_errno(with([](DmabufRequest& r) { r.offset = r.iova = 4096; }), 0, "the second page");
  expect_errno(with([](DmabufRequest& r) { r.iova = 0x7000000000; }), 0, "a free I/O address");
  expect_errno(with([](DmabufRequest& r) { r.access = kLocalWrite | kAtomic; }),
               {EOPNOTSUPP, EINVAL}, "atomics");
  expect_errno(with([](DmabufRequest& r) { r.length = kBytes + 4096; }), EINVAL, "beyond its end");
  expect_errno(with([](DmabufRequest& r) { r.length = 0; }), EINVAL, "length 0");
}

}  // namespace
}  // namespace efa::test
