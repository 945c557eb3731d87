// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// One opened device: its objects, its shared pages, its event descriptors. The native counterpart
/// of a uverbs file; validates as efa.ko does (verbs A8) and issues the same admin commands.
#pragma once

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "frontend/uverbs/attributes.hpp"
#include "frontend/uverbs/native_driver.hpp"
#include "frontend/uverbs/objects.hpp"
#include "frontend/uverbs/queue_memory.hpp"
#include "frontend/uverbs/uverbs_ids.hpp"

namespace efa::emu {

/// Descriptors that pass between this process and the client that waits for its ioctl.
class DescriptorExchange {
 public:
  virtual ~DescriptorExchange() = default;
  /// Number of the duplicate in the client (close-on-exec), or -1.
  virtual int give(int fd) = 0;
  /// Inode of descriptor `fd` of the client; 0 if there is none.
  virtual ino_t inode_of(int fd) = 0;
  /// A duplicate in this process of descriptor `fd` of the client; -1 and errno if there is none.
  virtual int take(int fd) = 0;
};

/// One ioctl while it is served.
struct Call {
  AttributeBundle& attributes;
  const std::shared_ptr<Process>& caller;
  DescriptorExchange& descriptors;
  bool net_raw = false;  ///< caller has CAP_NET_RAW
  /// Where a failure counts; set where the core's checks end and the driver's begin (verbs A8).
  std::uint64_t* failures = nullptr;

  // INVOKE_WRITE: the legacy command's structures are attributes too.
  int core_in(Input& in) { return attributes.input(UVERBS_ATTR_CORE_IN, in); }
  int uhw_in(Input& in) { return attributes.input(UVERBS_ATTR_UHW_IN, in); }
  template <class T>
  int core_out(const T& value) {
    return attributes.put(UVERBS_ATTR_CORE_OUT, value);
  }
  template <class T>
  int uhw_out(const T& value) {
    return attributes.put(UVERBS_ATTR_UHW_OUT, value);
  }
};

class Context {
 public:
  /// `name` is for messages ("host0 efa_0, process 123"); `opener` the process that opened the
  /// node, 0 if none did.
  Context(NativeDriver& driver, std::unique_ptr<QueueMemory> memory, std::string name,
          pid_t opener = 0);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const QueueMemory& memory() const noexcept { return *memory_; }
  const std::string& name() const noexcept { return name_; }
  NativeDriver& driver() noexcept { return driver_; }

  /// Serves one ioctl. Returns 0 or a positive errno.
  int serve(Call& call);

  /// Write end of the async event pipe, -1 before the client asked for one: it reports POLLERR once
  /// every copy of the read end is closed, hence when the last user of the context is gone.
  int async_write_end() const noexcept { return async_write_end_; }

  /// Processes that opened it or registered memory in it.
  bool used_by(pid_t pid) const noexcept { return process_spaces_.contains(pid); }
  /// Process `pid` ended: its memory is gone.
  void process_ended(pid_t pid);
  /// True when no live process can use the context any more, as far as known.
  bool abandoned() const noexcept {
    return opener_ == 0 && async_write_end_ < 0 && process_spaces_.empty();
  }

 private:
  using Handler = int (Context::*)(Call&);
  struct Method {
    std::uint16_t object, method;
    Handler handler;
    std::uint16_t attributes;   ///< known ones, numbered from `first_attribute`
    bool private_data = false;  ///< also UHW_IN and UHW_OUT
    std::uint16_t first_attribute = 0;

    bool knows(std::uint16_t attribute) const noexcept;
  };
  struct WriteCommand {
    std::uint32_t command;
    std::uint16_t request_bytes, response_bytes;  ///< least core sizes; shorter: ENOSPC
    Handler handler;
  };
  static const Method* find_method(std::uint16_t object, std::uint16_t method);
  static const WriteCommand* find_write_command(std::uint32_t command);

  // device_commands.cpp
  int invoke_write(Call& call);
  int get_context(Call& call);
  int query_device(Call& call);
  int query_device_ex(Call& call);
  int query_port(Call& call);
  int query_port_speed(Call& call);
  int query_gid_table(Call& call);
  int query_gid_entry(Call& call);
  int alloc_async_event(Call& call);
  void fill_device(ib_uverbs_query_device_resp& out) const;
  ib_uverbs_gid_entry gid_entry() const;

  // memory_commands.cpp
  int alloc_pd(Call& call);
  int dealloc_pd(Call& call);
  int destroy_pd(Call& call);
  int create_ah(Call& call);
  int dealloc_ah(Call& call);
  int destroy_ah(Call& call);
  int reg_mr(Call& call);
  int reg_dmabuf_mr(Call& call);
  int dereg_mr(Call& call);
  int destroy_mr(Call& call);
  int query_mr(Call& call);
  int check_mr(Call& call, std::uint32_t access);
  int add_mr(CallerMemory memory, std::uint64_t iova, std::uint32_t access, PdObject& pd,
             std::uint32_t& handle);
  int register_pages(std::uint64_t iova, std::uint32_t access, const PdObject& pd, MrObject& mr);
  int remove_pd(std::uint32_t handle);
  int remove_ah(std::uint32_t handle);
  int remove_mr(std::uint32_t handle);

  // caller_memory.cpp
  int pin_range(Call& call, std::uint64_t address, std::uint64_t length, bool writable,
                CallerMemory& out);
  int import_dma_buffer(Call& call, int fd, std::uint64_t offset, std::uint64_t length,
                        CallerMemory& out);
  int pin(Call& call, const BufferDescriptor& descriptor, CallerMemory& out);
  int pin_cq_ring(Call& call, CallerMemory& out);
  void open_window(const Process& process, std::uint64_t address, CallerMemory& memory);
  void unpin(CallerMemory& memory);

  // counter_commands.cpp
  int query_counter_caps(Call& call);
  int create_counter(Call& call);
  int destroy_counter(Call& call);
  int modify_counter(Call& call);
  int read_counter(Call& call);
  int attach_counter(Call& call);
  int pin_counter(Call& call, std::uint16_t attribute, CallerMemory& out);
  int create_device_counters(CounterObject& counter);
  void destroy_device_counter(std::uint32_t handle);
  int remove_counter(std::uint32_t handle);

  // queue_commands.cpp
  int create_comp_channel(Call& call);
  void forget_closed_channels();
  int create_cq(Call& call);
  int find_cq_ring(Call& call, std::uint64_t bytes, CqObject& cq);
  int destroy_cq(Call& call);
  int remove_cq(std::uint32_t handle, ib_uverbs_destroy_cq_resp& response);
  int create_qp(Call& call);
  int modify_qp(Call& call);
  int query_qp(Call& call);
  int destroy_qp(Call& call);
  int remove_qp(std::uint32_t handle);
  int missing_of_qp(Call& call) const;
  void post_event(CqObject& cq);
  std::uint32_t purge_events(CqObject& cq);
  std::optional<std::uint64_t> doorbell_key(std::uint32_t offset);

  int destroy_by_handle(Call& call, int (Context::*remove)(std::uint32_t));

  /// Object of type T behind `handle`; nullptr if there is none of that type.
  template <class T>
  T* find(std::uint32_t handle) const noexcept {
    const auto found = objects_.find(handle);
    return found == objects_.end() ? nullptr : dynamic_cast<T*>(found->second.get());
  }
  template <class T>
  T* find(std::optional<std::uint32_t> handle) const noexcept {
    return handle ? find<T>(*handle) : nullptr;
  }
  /// errno for a handle behind which there is no object, or one of another type.
  int not_found(std::uint32_t handle) const noexcept {
    return objects_.contains(handle) ? EINVAL : ENOENT;
  }
  int not_found(std::optional<std::uint32_t> handle) const noexcept {
    return handle ? not_found(*handle) : EINVAL;
  }
  std::uint32_t insert(std::unique_ptr<UverbsObject> object);
  /// Tagged address of the caller's address 0; 0 when there is no room for another process.
  DmaAddr space_of(const std::shared_ptr<Process>& process);
  /// Gives up the spaces of ended processes to which no region refers any more.
  void release_ended_spaces();

  NativeDriver& driver_;
  std::unique_ptr<QueueMemory> memory_;
  std::string name_;
  pid_t opener_;  ///< 0 once it ended, or is one of `process_spaces_`
  DmaAddr queue_space_ = 0;
  bool opened_ = false;
  std::uint16_t uar_ = 0;
  int async_write_end_ = -1;
  std::uint32_t next_handle_ = 0;
  std::map<std::uint32_t, std::unique_ptr<UverbsObject>> objects_;
  std::map<ino_t, std::unique_ptr<Channel>> channels_;
  std::unordered_map<pid_t, DmaAddr> process_spaces_;
  std::vector<DmaAddr> ended_spaces_;  ///< of processes that ended, but regions refer to them
  std::map<std::uint32_t, QueueMemory::Range> doorbell_pages_;  ///< by page offset in the BAR
};

}  // namespace efa::emu
