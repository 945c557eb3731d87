// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What the user set by FI_EFA_* (spec libfabric-api 4.1), read once when the provider starts;
/// environment.hpp has the names. Values that cannot be used are replaced by the default, with a
/// warning that says so.
#pragma once

#include <rdma/fabric.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace efa::fi {

struct Settings {
  size_t tx_size = 0;        ///< depth of send queues; 0: the device's
  size_t rx_size = 0;        ///< depth of receive queues; 0: the device's
  size_t tx_queue_size = 0;  ///< work requests of an RDM endpoint at a time; 0: the queue's depth
  size_t cq_size = 8192;
  uint32_t tx_min_credits = 32;
  uint32_t recvwin_size = 16;
  size_t max_memcpy_size = 4096;
  bool mr_cache_enable = true;
  size_t mr_max_cached_count = 0;  ///< 0: nine tenths of what the device has
  size_t mr_max_cached_size = 0;   ///< 0: the same, in bytes
  bool enable_shm_transfer = true;
  size_t cq_read_size = 50;
  bool rx_copy_unexp = true;
  bool rx_copy_ooo = true;
  uint64_t max_timeout = 1000000;  ///< microseconds
  uint64_t timeout_interval = 0;   ///< microseconds; 0: random
  uint64_t inter_max_medium_message_size = 65536;
  uint64_t inter_min_read_message_size = 1048576;
  uint64_t inter_min_read_write_size = 65536;
  uint64_t inter_read_segment_size = 1 << 30;
  uint64_t runt_size = 0;  ///< for host memory
  bool fork_safe = false;
  std::optional<bool> use_huge_page;
  std::optional<bool> use_device_rdma;  ///< unset: by API version and device (spec 6.2)
  bool use_unsolicited_write_recv = true;
  size_t internal_rx_refill_threshold = 8;
  size_t implicit_av_size = 0;  ///< 0: any number
  bool track_mr = false;
  bool use_hw_cntr = true;
  int dump_signal = 0;  ///< number; 0: none
};

/// A variable as libfabric read it, and as the user wrote it.
struct Parameter {
  std::string text;
  int64_t value = 0;  ///< bools: 0 or 1
};

/// Where values come from: libfabric, or a test.
class Parameters {
 public:
  /// name: as in environment.hpp. Empty: not set. An error of libfabric's, which cannot read the
  /// text: a parameter whose text is not what `type` says.
  virtual std::optional<Parameter> find(const char* name, fi_param_type type) const = 0;

 protected:
  ~Parameters() = default;
};

/// complaints: one line for each value that cannot be used.
Settings read_settings(const Parameters& parameters, std::vector<std::string>& complaints);

/// Of this process; valid from fi_prov_ini() on.
const Settings& settings();

}  // namespace efa::fi
