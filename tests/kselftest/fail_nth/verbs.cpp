// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Every allocation and every copy fails once, in every verb that makes or ends an object. What
/// fails must leave nothing behind: the same verb works afterwards, the kernel's own checkers keep
/// quiet.
#include <sys/mman.h>
#include <unistd.h>

#include <optional>

#include "channel.hpp"
#include "faults.hpp"
#include "memory.hpp"
#include "tap.hpp"

namespace efa::test {
namespace {

using namespace efa::raw;
using tap::require_success;

constexpr std::size_t kSmall = 4096, kDirect = 16 * 4096, kIndirect = 5000 * 4096;

/// A context with all that a verb may need.
struct Place {
  Session session;
  AsyncEvents events{session};
  CompletionChannel channel{session};
  Pages pages{kIndirect};
  std::optional<DmaBuffer> dmabuf = DmaBuffer::make(kDirect);
  Pd pd;
  CqAnswer cq;

  Place() {
    require_success(session.alloc_pd(pd), "ALLOC_PD");
    require_success(session.create_cq(cq_request(), cq), "CREATE_CQ");
  }
  CqRequest cq_request() const {
    CqRequest request;
    request.device.num_sub_cqs = session.limits().sub_cqs_per_cq;
    return request;
  }
  void destroy(std::uint16_t object, std::uint32_t handle) {
    require_success(session.destroy(object, handle), "destruction without a fault");
  }
};

/// A verb that makes an object, and how the object ends.
struct Verb {
  const char* name;
  std::uint16_t object;
  std::function<int(Place&, std::uint32_t& handle)> create;
};

int reg_mr(Place& place, std::size_t bytes, std::uint32_t& handle) {
  Mr mr;
  const int error = place.session.reg_mr(place.pd, place.pages.data(), bytes, kLocalWrite, mr);
  handle = mr.handle;
  return error;
}

int create_qp(Place& place, std::uint32_t type, std::uint32_t& handle) {
  QpRequest request;
  request.type = type;
  QpAnswer answer;
  const int error = place.session.create_qp(request, place.pd, place.cq, place.cq, answer);
  handle = answer.handle;
  return error;
}

int create_cq(Place& place, const CqRequest& request, std::uint32_t& handle) {
  CqAnswer answer;
  const int error = place.session.create_cq(request, answer);
  handle = answer.handle;
  return error;
}

const Verb verbs[] = {
    {"ALLOC_PD", UVERBS_OBJECT_PD,
     [](Place& place, std::uint32_t& handle) {
       Pd pd;
       const int error = place.session.alloc_pd(pd);
       handle = pd.handle;
       return error;
     }},
    {"REG_MR of one page", UVERBS_OBJECT_MR,
     [](Place& place, std::uint32_t& handle) { return reg_mr(place, kSmall, handle); }},
    {"REG_MR with a direct page list", UVERBS_OBJECT_MR,
     [](Place& place, std::uint32_t& handle) { return reg_mr(place, kDirect, handle); }},
    {"REG_MR with an indirect page list", UVERBS_OBJECT_MR,
     [](Place& place, std::uint32_t& handle) { return reg_mr(place, kIndirect, handle); }},
    {"REG_DMABUF_MR", UVERBS_OBJECT_MR,
     [](Place& place, std::uint32_t& handle) {
       tap::require(place.dmabuf.has_value(), "this kernel makes DMA buffers (udmabuf)");
       DmabufRequest request;
       request.length = kDirect;
       request.fd = place.dmabuf->fd();
       Mr mr;
       const int error = reg_dmabuf_mr(place.session, place.pd, request, mr);
       handle = mr.handle;
       return error;
     }},
    {"CREATE_AH", UVERBS_OBJECT_AH,
     [](Place& place, std::uint32_t& handle) {
       AddressHandle ah;
       const int error = place.session.create_ah(place.pd, place.session.gid(), ah);
       handle = ah.handle;
       return error;
     }},
    {"CREATE_CQ", UVERBS_OBJECT_CQ,
     [](Place& place, std::uint32_t& handle) {
       return create_cq(place, place.cq_request(), handle);
     }},
    {"CREATE_CQ with events", UVERBS_OBJECT_CQ,
     [](Place& place, std::uint32_t& handle) {
       CqRequest request = place.cq_request();
       request.channel = place.channel.fd();
       efa_uabi_create_cq_set_completion_channel(&request.device, 1);
       return create_cq(place, request, handle);
     }},
    {"CREATE_QP of SRD", UVERBS_OBJECT_QP,
     [](Place& place, std::uint32_t& handle) {
       return create_qp(place, IB_UVERBS_QPT_DRIVER, handle);
     }},
    {"CREATE_QP of UD", UVERBS_OBJECT_QP,
     [](Place& place, std::uint32_t& handle) {
       return create_qp(place, IB_UVERBS_QPT_UD, handle);
     }},
};

void creation_survives(const Verb& verb) {
  Place place;
  std::uint32_t handle = 0;
  const auto result = faults::sweep([&] { return verb.create(place, handle); },
                                    [&] { place.destroy(verb.object, handle); });
  tap::note(std::string(verb.name) + ": " + result.text());
  tap::expect(result.hit > 0, "there was something to fail");
}

/// A destruction that failed can be repeated; unless only telling of its success had failed.
void destruction_survives(const Verb& verb) {
  Place place;
  std::uint32_t handle = 0;
  require_success(verb.create(place, handle), verb.name);
  const auto create = [&] { require_success(verb.create(place, handle), "creation after that"); };
  const auto destroy = [&] { return place.session.destroy(verb.object, handle); };
  const auto result = faults::sweep(destroy, create, [&] {
    tap::expect_errno(destroy(), {0, ENOENT}, "destruction once more, without a fault");
    create();
  });
  place.destroy(verb.object, handle);
  tap::note(std::string(verb.name) + ", undone: " + result.text());
}

struct AllVerbs {
  AllVerbs() {
    for (const Verb& verb : verbs) {
      tap::add(std::string("faults in ") + verb.name, [&verb] { creation_survives(verb); });
      tap::add(std::string("faults while ending what ") + verb.name + " made",
               [&verb] { destruction_survives(verb); });
    }
  }
};
const AllVerbs all_verbs;

/// GET_CONTEXT, which allocates the user access region; without the questions that Session asks.
class Context {
 public:
  int open() {
    device_.emplace();
    const efa_uabi_alloc_ucontext_cmd request{kBothCaps, 0};
    efa_uabi_alloc_ucontext_resp limits{};
    std::uint32_t vectors = 0;
    std::uint64_t support = 0;
    Attributes attributes;
    attributes.out(UVERBS_ATTR_GET_CONTEXT_NUM_COMP_VECTORS, vectors)
        .out(UVERBS_ATTR_GET_CONTEXT_CORE_SUPPORT, support)
        .in(UVERBS_ATTR_UHW_IN, request)
        .out(UVERBS_ATTR_UHW_OUT, limits);
    const int error = device_->call(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_GET_CONTEXT, attributes);
    if (error != 0) close();
    return error;
  }
  void close() { device_.reset(); }

 private:
  std::optional<Uverbs> device_;
};

TAP_TEST("faults while opening a context") {
  Context context;
  const auto result = faults::sweep(
      [&] {
        try {
          return context.open();
        } catch (const std::runtime_error&) {
          return ENOMEM;  // the device file did not open
        }
      },
      [&] { context.close(); });
  tap::note("GET_CONTEXT: " + result.text());
  tap::expect(result.hit > 0, "there was something to fail");
}

TAP_TEST("faults on the way of a queue pair from RESET to RTS") {
  Place place;
  QpAnswer qp;
  const QpRequest request;
  require_success(place.session.create_qp(request, place.pd, place.cq, place.cq, qp), "CREATE_QP");
  const auto to_reset = [&] {
    ib_uverbs_modify_qp reset{};
    reset.qp_handle = qp.handle;
    reset.attr_mask = 1;  // state
    require_success(place.session.modify_qp(reset), "MODIFY_QP to RESET");
  };
  const auto result =
      faults::sweep([&] { return place.session.ready(qp, 0x1234); }, to_reset, to_reset);
  tap::note("MODIFY_QP: " + result.text());
  place.destroy(UVERBS_OBJECT_QP, qp.handle);
}

TAP_TEST("faults while mapping a queue") {
  Place place;
  QpAnswer qp;
  const QpRequest request;
  require_success(place.session.create_qp(request, place.pd, place.cq, place.cq, qp), "CREATE_QP");
  void* mapping = MAP_FAILED;
  const std::pair<const char*, std::uint64_t> keys[] = {
      {"SQ", qp.device.llq_desc_mmap_key},
      {"RQ", qp.device.rq_mmap_key},
      {"doorbell", qp.device.sq_db_mmap_key},
      {"CQ", place.cq.device.q_mmap_key},
  };
  for (const auto& [name, key] : keys) {
    const auto result = faults::sweep(
        [&, key = key] {
          mapping = ::mmap(nullptr, 4096, PROT_WRITE, MAP_SHARED, place.session.fd(),
                           static_cast<off_t>(key));
          return mapping == MAP_FAILED ? errno : 0;
        },
        [&] { ::munmap(mapping, 4096); });
    tap::note(std::string("mmap of ") + name + ": " + result.text());
  }
  place.destroy(UVERBS_OBJECT_QP, qp.handle);
}

}  // namespace
}  // namespace efa::test
