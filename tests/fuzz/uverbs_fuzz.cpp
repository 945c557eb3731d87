// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Verbs ioctls of a program that knows the format and respects nothing else. Whatever it calls, it
/// gets 0 or an errno, only its own buffers are touched, and closing the device leaves nothing
/// behind.
#include <fcntl.h>
#include <fuzzer/FuzzedDataProvider.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_verbs.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/clock.hpp"
#include "efa_uabi.h"
#include "fabric/switch.hpp"
#include "frontend/uverbs/context.hpp"

using namespace efa::emu;

namespace {

void check(bool condition) {
  if (!condition) std::abort();
}

/// The program's memory: one array at a fixed address, so that runs repeat.
class ArenaMemory final : public ClientMemory {
 public:
  static constexpr std::uint64_t kBase = 0x10000;

  bool read(std::uint64_t address, void* out, std::size_t bytes) noexcept override {
    if (!inside(address, bytes)) return false;
    std::memcpy(out, arena_.data() + (address - kBase), bytes);
    return true;
  }
  bool write(std::uint64_t address, const void* in, std::size_t bytes) noexcept override {
    if (!inside(address, bytes)) return false;
    std::memcpy(arena_.data() + (address - kBase), in, bytes);
    return true;
  }

  void clear() {
    used_ = 0;
    std::fill(arena_.begin(), arena_.end(), std::byte{0});
  }
  /// Room for `bytes` bytes; they may begin with `data`.
  std::uint64_t put(const void* data, std::size_t length, std::size_t bytes) {
    bytes = std::max(bytes, length);
    if (bytes > arena_.size() - used_) return 0;
    if (length != 0) std::memcpy(arena_.data() + used_, data, length);
    const std::uint64_t address = kBase + used_;
    used_ += (bytes + 7) & ~std::size_t{7};
    return address;
  }

 private:
  bool inside(std::uint64_t address, std::size_t bytes) const noexcept {
    return address >= kBase && address - kBase <= arena_.size() &&
           bytes <= arena_.size() - (address - kBase);
  }

  std::vector<std::byte> arena_ = std::vector<std::byte>(1 << 18);
  std::size_t used_ = 0;
};

/// The client's descriptor table.
class Descriptors final : public DescriptorExchange {
 public:
  ~Descriptors() override {
    for (const int fd : given_) ::close(fd);
  }
  /// Every third number is a sealed memory file, which does for a DMA buffer.
  int take(int fd) override {
    if (fd % 3 != 0) {
      errno = EBADF;
      return -1;
    }
    const int file = ::memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    check(file >= 0 && ::ftruncate(file, 8192) == 0);
    ::fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK);
    return file;
  }
  int give(int fd) override {
    given_.push_back(::dup(fd));
    return static_cast<int>(given_.size()) - 1;
  }
  ino_t inode_of(int fd) override {
    if (fd < 0 || static_cast<std::size_t>(fd) >= given_.size()) return 0;
    struct stat status;
    return ::fstat(given_[static_cast<std::size_t>(fd)], &status) == 0 ? status.st_ino : 0;
  }

 private:
  std::vector<int> given_;
};

/// Memory that buffers lie in: of a process that does nothing, so that it takes no harm.
alignas(4096) std::byte buffers[4096];

/// The calling program, as far as its memory matters: a copy of this process.
class Idler {
 public:
  Idler() : pid_(::fork()) {
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (;;) ::pause();
    }
    check(pid_ > 0);
  }
  std::shared_ptr<Process> process() const { return *Process::open(pid_); }

 private:
  pid_t pid_;
};

/// One emulated device, used by all runs: each opens and closes it.
struct Emulated {
  Emulated()
      : topology(uniform_topology(1, 1, "efa4")),
        fabric(topology, clock),
        driver(*find_profile("efa4"), {Gid::from_mac({2, 0, 0, 0, 0, 1}), {}}, {}, fabric, 0),
        client(idler.process()) {}

  ManualClock clock;
  Topology topology;
  Switch fabric;
  NativeDriver driver;
  Idler idler;
  std::shared_ptr<Process> client;
};

struct MethodId {
  std::uint16_t object, method;
};

constexpr MethodId kMethods[] = {
    {UVERBS_OBJECT_DEVICE, UVERBS_METHOD_INVOKE_WRITE},
    {UVERBS_OBJECT_DEVICE, UVERBS_METHOD_GET_CONTEXT},
    {UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_PORT},
    {UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_GID_TABLE},
    {UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_GID_ENTRY},
    {UVERBS_OBJECT_ASYNC_EVENT, UVERBS_METHOD_ASYNC_EVENT_ALLOC},
    {UVERBS_OBJECT_PD, UVERBS_METHOD_PD_DESTROY},
    {UVERBS_OBJECT_AH, UVERBS_METHOD_AH_DESTROY},
    {UVERBS_OBJECT_MR, UVERBS_METHOD_MR_DESTROY},
    {UVERBS_OBJECT_MR, UVERBS_METHOD_REG_DMABUF_MR},
    {UVERBS_OBJECT_CQ, UVERBS_METHOD_CQ_CREATE},
    {UVERBS_OBJECT_CQ, UVERBS_METHOD_CQ_DESTROY},
    {UVERBS_OBJECT_QP, UVERBS_METHOD_QP_CREATE},
    {UVERBS_OBJECT_QP, UVERBS_METHOD_QP_DESTROY},
    {UVERBS_OBJECT_QP, kMethodQpAttachCompCntr},
    {UVERBS_OBJECT_DEVICE, kMethodQueryCompCntrCaps},
    {kObjectCompCntr, kMethodCompCntrCreate},
    {kObjectCompCntr, kMethodCompCntrDestroy},
    {kObjectCompCntr, kMethodCompCntrModify},
    {kObjectCompCntr, kMethodCompCntrRead},
};

constexpr std::uint32_t kExtended = IB_USER_VERBS_CMD_FLAG_EXTENDED;
constexpr std::uint32_t kWriteCommands[] = {
    IB_USER_VERBS_CMD_QUERY_DEVICE,
    kExtended | IB_USER_VERBS_EX_CMD_QUERY_DEVICE,
    IB_USER_VERBS_CMD_ALLOC_PD,
    IB_USER_VERBS_CMD_DEALLOC_PD,
    IB_USER_VERBS_CMD_CREATE_AH,
    IB_USER_VERBS_CMD_DESTROY_AH,
    IB_USER_VERBS_CMD_REG_MR,
    IB_USER_VERBS_CMD_DEREG_MR,
    IB_USER_VERBS_CMD_CREATE_COMP_CHANNEL,
    IB_USER_VERBS_CMD_MODIFY_QP,
    kExtended | IB_USER_VERBS_EX_CMD_MODIFY_QP,
    IB_USER_VERBS_CMD_QUERY_QP,
};

class Program {
 public:
  Program(FuzzedDataProvider& input, Emulated& emulated)
      : input_(input),
        emulated_(emulated),
        context_(emulated.driver, *QueueMemory::create(), "fuzz") {}

  void run() {
    if (input_.ConsumeIntegralInRange(0, 15) != 0) open_and_fill();
    for (int calls = 0; calls < 100 && input_.remaining_bytes() != 0; ++calls) {
      arena_.clear();
      call(input_.ConsumeIntegralInRange(0, 7) == 0 ? raw_ioctl() : structured_ioctl());
    }
  }

 private:
  int call(std::uint64_t address) {
    AttributeBundle attributes;
    if (const int error = attributes.load(arena_, address)) {
      check(error > 0);
      return error;
    }
    Call made{attributes, emulated_.client, descriptors_, input_.ConsumeBool()};
    const int error = context_.serve(made);
    check(error >= 0 && error < 4096);
    return error;
  }

  std::uint64_t ioctl(MethodId id, const std::vector<ib_uverbs_attr>& attributes) {
    ib_uverbs_ioctl_hdr header{};
    header.length =
        static_cast<std::uint16_t>(sizeof header + attributes.size() * sizeof(ib_uverbs_attr));
    header.object_id = id.object;
    header.method_id = id.method;
    header.num_attrs = static_cast<std::uint16_t>(attributes.size());
    header.driver_id = RDMA_DRIVER_EFA;
    std::vector<std::byte> bytes(header.length);
    std::memcpy(bytes.data(), &header, sizeof header);
    if (!attributes.empty())
      std::memcpy(bytes.data() + sizeof header, attributes.data(),
                  attributes.size() * sizeof(ib_uverbs_attr));
    return arena_.put(bytes.data(), bytes.size(), bytes.size());
  }

  ib_uverbs_attr attribute(std::uint16_t id, const void* data, std::size_t length,
                           std::size_t room = 0) {
    ib_uverbs_attr made{};
    made.attr_id = id;
    made.len = static_cast<std::uint16_t>(std::max(length, room));
    made.flags = UVERBS_ATTR_F_MANDATORY;
    if (room == 0 && length <= sizeof made.data) {
      std::copy_n(static_cast<const std::byte*>(data), length,
                  reinterpret_cast<std::byte*>(&made.data));
    } else {
      made.data = arena_.put(data, length, room);
    }
    return made;
  }

  /// Returns the first word of the answer: the handle, if the command makes an object.
  std::uint32_t write_command(std::uint32_t number, const void* core, std::size_t length) {
    arena_.clear();
    const ib_uverbs_attr out = attribute(UVERBS_ATTR_CORE_OUT, nullptr, 0, 256);
    call(ioctl({UVERBS_OBJECT_DEVICE, UVERBS_METHOD_INVOKE_WRITE},
               {attribute(UVERBS_ATTR_WRITE_CMD, &number, sizeof number),
                attribute(UVERBS_ATTR_CORE_IN, core, length), out,
                attribute(UVERBS_ATTR_UHW_OUT, nullptr, 0, 64)}));
    std::uint32_t word = 0;
    arena_.read(out.data, &word, sizeof word);
    return word;
  }

  template <class T>
  ib_uverbs_attr value(std::uint16_t id, const T& content) {
    return attribute(id, &content, sizeof content);
  }

  /// Handle of the object that an ioctl with the handle as its first attribute made.
  std::uint32_t create(MethodId id, std::vector<ib_uverbs_attr> attributes) {
    ib_uverbs_attr handle{};
    handle.attr_id = 0;
    attributes.insert(attributes.begin(), handle);
    const std::uint64_t address = ioctl(id, attributes);
    call(address);
    std::uint32_t number = 0;
    arena_.read(address + sizeof(ib_uverbs_ioctl_hdr) + offsetof(ib_uverbs_attr, data), &number,
                sizeof number);
    return number;
  }

  /// An open device with a few objects, so that handles in what follows can hit.
  void open_and_fill() {
    efa_uabi_alloc_ucontext_cmd knows{};
    efa_uabi_alloc_ucontext_cmd_set_tx_batch(&knows, 1);
    efa_uabi_alloc_ucontext_cmd_set_min_sq_wr(&knows, 1);
    arena_.clear();
    call(ioctl({UVERBS_OBJECT_DEVICE, UVERBS_METHOD_GET_CONTEXT},
               {attribute(UVERBS_ATTR_GET_CONTEXT_NUM_COMP_VECTORS, nullptr, 0, 4),
                attribute(UVERBS_ATTR_GET_CONTEXT_CORE_SUPPORT, nullptr, 0, 8),
                value(UVERBS_ATTR_UHW_IN, knows), attribute(UVERBS_ATTR_UHW_OUT, nullptr, 0, 64)}));
    const ib_uverbs_alloc_pd pd{};
    const std::uint32_t pd_handle = write_command(IB_USER_VERBS_CMD_ALLOC_PD, &pd, sizeof pd);
    const ib_uverbs_create_comp_channel channel{};
    const std::uint32_t channel_fd =
        write_command(IB_USER_VERBS_CMD_CREATE_COMP_CHANNEL, &channel, sizeof channel);
    const std::uint32_t cq_handle = open_cq(channel_fd);
    open_qp(pd_handle, cq_handle);
  }

  /// A description of memory: much of it right.
  ib_uverbs_attr buffer(std::uint16_t id) {
    BufferDescriptor descriptor;
    descriptor.type = input_.ConsumeIntegralInRange<std::uint32_t>(0, 3);
    descriptor.fd = input_.ConsumeIntegralInRange(-1, 8);
    descriptor.flags = input_.ConsumeIntegralInRange(0, 15) == 0;
    descriptor.addr = input_.ConsumeIntegralInRange<std::uint64_t>(0, 4096);
    if (descriptor.type == kBufferTypeVa)
      descriptor.addr += reinterpret_cast<std::uint64_t>(buffers);
    descriptor.length = input_.ConsumeIntegralInRange<std::uint64_t>(0, 8192);
    return value(id, descriptor);
  }

  std::uint32_t open_cq(std::uint32_t channel_fd) {
    arena_.clear();
    efa_uabi_create_cq request{};
    request.cq_entry_size = sizeof(efa_rx_cdesc_ex);
    request.num_sub_cqs = 1;
    efa_uabi_create_cq_set_completion_channel(&request, 1);
    return create(
        {UVERBS_OBJECT_CQ, UVERBS_METHOD_CQ_CREATE},
        {value(UVERBS_ATTR_CREATE_CQ_CQE, std::uint32_t{64}),
         value(UVERBS_ATTR_CREATE_CQ_USER_HANDLE, std::uint64_t{1}),
         value(UVERBS_ATTR_CREATE_CQ_COMP_CHANNEL, std::uint64_t{channel_fd}),
         value(UVERBS_ATTR_CREATE_CQ_COMP_VECTOR, std::uint32_t{0}),
         attribute(UVERBS_ATTR_CREATE_CQ_RESP_CQE, nullptr, 0, 4),
         value(UVERBS_ATTR_UHW_IN, request), attribute(UVERBS_ATTR_UHW_OUT, nullptr, 0, 64)});
  }

  void open_qp(std::uint32_t pd, std::uint32_t cq) {
    arena_.clear();
    efa_uabi_create_qp request{};
    request.sq_ring_size = 32 * sizeof(efa_tx_wqe);
    request.rq_ring_size = 32 * sizeof(efa_rx_desc);
    const ib_uverbs_qp_cap cap{32, 32, 1, 1, 32};
    create({UVERBS_OBJECT_QP, UVERBS_METHOD_QP_CREATE},
           {value(UVERBS_ATTR_CREATE_QP_PD_HANDLE, std::uint64_t{pd}),
            value(UVERBS_ATTR_CREATE_QP_SEND_CQ_HANDLE, std::uint64_t{cq}),
            value(UVERBS_ATTR_CREATE_QP_RECV_CQ_HANDLE, std::uint64_t{cq}),
            value(UVERBS_ATTR_CREATE_QP_USER_HANDLE, std::uint64_t{1}),
            value(UVERBS_ATTR_CREATE_QP_CAP, cap),
            value(UVERBS_ATTR_CREATE_QP_TYPE, std::uint64_t{IB_UVERBS_QPT_UD}),
            attribute(UVERBS_ATTR_CREATE_QP_RESP_CAP, nullptr, 0, sizeof cap),
            attribute(UVERBS_ATTR_CREATE_QP_RESP_QP_NUM, nullptr, 0, 4),
            value(UVERBS_ATTR_UHW_IN, request), attribute(UVERBS_ATTR_UHW_OUT, nullptr, 0, 64)});
    opened_qps_ = 0;
    emulated_.driver.device().for_each_qp([this](const QueuePair&) { ++opened_qps_; });
    check(opened_qps_ == 1);
  }

  std::uint64_t raw_ioctl() {
    const auto bytes = input_.ConsumeBytes<std::uint8_t>(400);
    const std::uint64_t address = arena_.put(bytes.data(), bytes.size(), bytes.size());
    return input_.ConsumeIntegralInRange(0, 7) == 0 ? input_.ConsumeIntegral<std::uint64_t>()
                                                    : address;
  }

  std::uint64_t structured_ioctl() {
    const MethodId id =
        kMethods[input_.ConsumeIntegralInRange<std::size_t>(0, std::size(kMethods) - 1)];
    std::vector<ib_uverbs_attr> attributes;
    if (id.object == UVERBS_OBJECT_DEVICE && id.method == UVERBS_METHOD_INVOKE_WRITE) {
      const std::uint32_t number = kWriteCommands[input_.ConsumeIntegralInRange<std::size_t>(
          0, std::size(kWriteCommands) - 1)];
      attributes.push_back(attribute(UVERBS_ATTR_WRITE_CMD, &number, sizeof number));
      attributes.push_back(filled(UVERBS_ATTR_CORE_IN));
      attributes.push_back(attribute(UVERBS_ATTR_CORE_OUT, nullptr, 0, 256));
    }
    if (id.object == kObjectCompCntr && id.method == kMethodCompCntrCreate) {
      attributes.push_back(filled(kAttrCompCntrHandle));
      attributes.push_back(buffer(EFA_UABI_IDS_ATTR_CREATE_COMP_CNTR_COMP_BUFFER));
      attributes.push_back(buffer(EFA_UABI_IDS_ATTR_CREATE_COMP_CNTR_ERR_BUFFER));
    }
    if (id.object == UVERBS_OBJECT_CQ && input_.ConsumeIntegralInRange(0, 3) == 0)
      attributes.push_back(buffer(kAttrCqBufferUmem));
    for (int i = input_.ConsumeIntegralInRange(0, 14); i > 0; --i) attributes.push_back(any());
    return ioctl(id, attributes);
  }

  /// Small words, as handles and enumerations are, or bytes as they come.
  ib_uverbs_attr filled(std::uint16_t id) {
    std::vector<std::uint8_t> bytes(input_.ConsumeIntegralInRange<std::size_t>(0, 160));
    if (input_.ConsumeBool()) {
      for (std::size_t i = 0; i + 4 <= bytes.size(); i += 4)
        bytes[i] = input_.ConsumeIntegralInRange<std::uint8_t>(0, 15);
    } else {
      const auto taken = input_.ConsumeBytes<std::uint8_t>(bytes.size());
      std::copy(taken.begin(), taken.end(), bytes.begin());
    }
    return attribute(id, bytes.data(), bytes.size(),
                     input_.ConsumeIntegralInRange(0, 3) == 0 ? bytes.size() + 64 : 0);
  }

  ib_uverbs_attr any() {
    auto id = input_.ConsumeIntegralInRange<std::uint16_t>(0, 20);
    if (id == 19) id = UVERBS_ATTR_UHW_IN;
    if (id == 20) id = UVERBS_ATTR_UHW_OUT;
    ib_uverbs_attr made = filled(id);
    switch (input_.ConsumeIntegralInRange(0, 9)) {
      case 0:
        made.flags = input_.ConsumeIntegral<std::uint16_t>();
        break;
      case 1:
        made.len = input_.ConsumeIntegral<std::uint16_t>();
        break;
      case 2:
        made.data = input_.ConsumeIntegral<std::uint64_t>();
        break;
      case 3:
        // Memory of a process that may be registered: this one's.
        made.data = reinterpret_cast<std::uint64_t>(this) & ~std::uint64_t{4095};
        break;
      default:
        break;
    }
    return made;
  }

  FuzzedDataProvider& input_;
  Emulated& emulated_;
  ArenaMemory arena_;
  Descriptors descriptors_;
  Context context_;
  int opened_qps_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Emulated emulated;
  FuzzedDataProvider input(data, size);
  Program(input, emulated).run();
  Device& device = emulated.driver.device();
  device.for_each_qp([](const QueuePair&) { std::abort(); });
  check(device.address_handles().size() == 0);
  check(!emulated.driver.data_path().watching());
  return 0;
}
