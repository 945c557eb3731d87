// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "environment.hpp"

#include <algorithm>
#include <cctype>
#include <numeric>

namespace efa::fi {
namespace {

constexpr Variable kVariables[] = {
    {"iface", FI_PARAM_STRING,
     "Devices to use: names as ibv_devinfo shows them, separated by commas, or all (default: all)"},
    {"tx_size", FI_PARAM_SIZE_T, "Depth of send queues in work requests (default: the device's)"},
    {"rx_size", FI_PARAM_SIZE_T, "Depth of receive queues in receives (default: the device's)"},
    {"tx_queue_size", FI_PARAM_INT,
     "Work requests that an RDM endpoint has on the device at a time (default: the queue's depth)"},
    {"cq_size", FI_PARAM_INT,
     "Smallest depth of completion queues of RDM endpoints (default: 8192)"},
    {"tx_min_credits", FI_PARAM_INT,
     "Packets that a receiver grants a sender of a long message at a time (default: 32)"},
    {"recvwin_size", FI_PARAM_INT,
     "Messages that may arrive before an earlier one of the same peer (default: 16)",
     "any number of messages may arrive early"},
    {"readcopy_pool_size", FI_PARAM_INT,
     "Buffers for copies from the host to device memory (default: 256)",
     "there is no device memory to copy to"},
    {"max_memcpy_size", FI_PARAM_SIZE_T,
     "Bytes up to which data is copied rather than registered (default: 4096)",
     "the protocol of a message decides whether it is copied"},
    {"mr_cache_enable", FI_PARAM_BOOL,
     "Keep registrations of buffers that the application did not register (default: yes)"},
    {"mr_max_cached_count", FI_PARAM_SIZE_T,
     "Registrations kept at most (default: nine tenths of what the device has)"},
    {"mr_max_cached_size", FI_PARAM_SIZE_T,
     "Bytes kept registered at most (default: nine tenths of what the device can)"},
    {"enable_shm_transfer", FI_PARAM_INT,
     "Reach peers on the same host through shared memory, which upstream's provider then expects, "
     "too (default: 1)"},
    {"shm_av_size", FI_PARAM_INT, "Peers on the same host for each address vector (default: 256)",
     "peers on the same host are reached through the device"},
    {"shm_cq_read_size", FI_PARAM_SIZE_T,
     "Completions of shared memory taken at a time (default: 50)",
     "peers on the same host are reached through the device"},
    {"efa_cq_read_size", FI_PARAM_SIZE_T,
     "Completions of the device taken at a time (default: 50)"},
    {"use_zcpy_rx", FI_PARAM_INT,
     "Let the device write into the application's receive buffers where it may (default: 1)",
     "no peer of this protocol sends what it is for"},
    {"rx_copy_unexp", FI_PARAM_BOOL,
     "Copy messages that nobody waits for out of the device's buffers (default: yes)",
     "what nobody waits for is always copied"},
    {"rx_copy_ooo", FI_PARAM_BOOL,
     "Copy packets that came too early out of the device's buffers (default: yes)",
     "what came too early is always copied"},
    {"max_timeout", FI_PARAM_INT,
     "Longest pause in microseconds before a receiver that was not ready is tried again "
     "(default: 1000000)"},
    {"timeout_interval", FI_PARAM_INT,
     "First such pause in microseconds; it doubles (default: 0, which is random)"},
    {"inter_max_medium_message_size", FI_PARAM_INT,
     "Bytes up to which messages go without asking the receiver (default: 65536)"},
    {"inter_min_read_message_size", FI_PARAM_INT,
     "Bytes from which receivers fetch messages by RDMA read (default: 1048576)"},
    {"inter_max_gdrcopy_message_size", FI_PARAM_INT,
     "Bytes up to which GPU memory is copied by the CPU (default: 32768)",
     "there is no GPU memory"},
    {"inter_min_read_write_size", FI_PARAM_INT,
     "Bytes from which emulated writes are fetched by RDMA read (default: 65536)"},
    {"inter_read_segment_size", FI_PARAM_INT, "Bytes of one RDMA read (default: 1073741824)"},
    {"runt_size", FI_PARAM_INT,
     "Bytes that go ahead while the receiver begins to read (default: 0, device memory 307200)"},
    {"fork_safe", FI_PARAM_BOOL, "Make fork() safe on kernels before 5.12 (default: no)"},
    {"use_huge_page", FI_PARAM_BOOL,
     "Huge pages for packet buffers (default: yes, no where fork() needs help)"},
    {"use_device_rdma", FI_PARAM_BOOL,
     "RDMA by the device rather than by protocol (default: if the device can; with API versions "
     "before 1.18 not on the first two generations)"},
    {"use_unsolicited_write_recv", FI_PARAM_BOOL,
     "Writes with data take no posted receive, if the device can (default: yes)"},
    {"internal_rx_refill_threshold", FI_PARAM_SIZE_T,
     "Receives that are missing before they are posted again (default: 8)"},
    {"use_data_path_direct", FI_PARAM_BOOL,
     "Write and read the device's queues without libibverbs, if they are known (default: yes)",
     "the queues are libefa's"},
    {"implicit_av_size", FI_PARAM_SIZE_T,
     "Peers remembered that are in no address vector (default: 0, any number)"},
    {"track_mr", FI_PARAM_BOOL, "Warn when a registration in use is closed (default: no)",
     "uses of registrations are not counted"},
    {"use_sm2", FI_PARAM_BOOL, "Shared memory by provider sm2 rather than shm (default: no)",
     "peers on the same host are reached through the device"},
    {"use_hw_cntr", FI_PARAM_BOOL,
     "Counters that the device increments, if it can; fabric efa-direct (default: yes)",
     "counters are the provider's"},
    {"use_sq_req_id_64_bit", FI_PARAM_BOOL,
     "Request identifiers of 64 bits in send queues, if the device can (default: yes)",
     "the queues are libefa's"},
    {"dump_signal", FI_PARAM_INT,
     "Number of a signal on which RDM endpoints write stuck operations into the log (default: 0, "
     "none)"},
};

/// Names from recipes and older releases that have no effect here.
struct Retired {
  std::string_view name;
  std::string_view why;
};

constexpr Retired kRetired[] = {
    {"MTU_SIZE", "the device decides, and libfabric 2 ends the program when it is set"},
    {"TX_IOV_LIMIT", "it has no effect, and libfabric 2 ends the program when it is set"},
    {"RX_IOV_LIMIT", "it has no effect, and libfabric 2 ends the program when it is set"},
    {"ZCPY_RX_SEED", "libfabric has dropped it; it has no effect"},
    {"SHM_MAX_MEDIUM_SIZE", "libfabric has dropped it; it has no effect"},
    {"SET_CUDA_SYNC_MEMOPS", "libfabric has dropped it; it has no effect"},
    {"RX_WINDOW_SIZE", "only old manuals have it; use FI_EFA_RECVWIN_SIZE"},
};

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& letter : result) letter = static_cast<char>(std::toupper(letter));
  return result;
}

/// Letters to insert, delete or replace to get from one text to the other.
size_t distance(std::string_view from, std::string_view to) {
  std::vector<size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < from.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 0; j < to.size(); ++j) {
      const size_t replaced = diagonal + (from[i] != to[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

/// The same for people, who also leave out the end of a long name.
size_t strangeness(std::string_view name, std::string_view candidate) {
  return std::min(distance(name, candidate), distance(name, candidate.substr(0, name.size())) + 1);
}

std::string nearest(std::string_view name) {
  std::string best;
  size_t fewest = SIZE_MAX;
  for (const Variable& variable : kVariables) {
    const std::string candidate = upper(variable.name);
    const size_t letters = strangeness(name, candidate);
    if (letters >= fewest) continue;
    fewest = letters;
    best = candidate;
  }
  return best;
}

/// Empty: nothing is wrong with this name (without FI_EFA_).
std::string complaint(std::string_view name, std::string_view value) {
  const std::string shown = std::string(kPrefix) + std::string(name) + "=" + std::string(value);
  for (const Retired& retired : kRetired)
    if (retired.name == name) return shown + " is ignored: " + std::string(retired.why);
  for (const Variable& variable : kVariables)
    if (upper(variable.name) == name) return {};
  return shown + " is ignored: there is no such variable; the nearest is " + std::string(kPrefix) +
         nearest(name) + ", `fi_info -g FI_EFA` lists all";
}

/// Empty: it has an effect, or does not exist.
std::string remark(std::string_view name, std::string_view value) {
  for (const Variable& variable : kVariables)
    if (variable.idle && upper(variable.name) == name)
      return std::string(kPrefix) + std::string(name) + "=" + std::string(value) +
             " has no effect in this provider: " + variable.idle;
  return {};
}

/// What `say` has to say about each variable of ours.
std::vector<std::string> lines_about(const char* const* environment,
                                     std::string (*say)(std::string_view, std::string_view)) {
  std::vector<std::string> lines;
  for (; environment && *environment; ++environment) {
    std::string_view entry = *environment;
    if (!entry.starts_with(kPrefix)) continue;
    entry.remove_prefix(kPrefix.size());
    const size_t equals = std::min(entry.find('='), entry.size());
    const std::string_view value = entry.substr(std::min(equals + 1, entry.size()));
    if (std::string line = say(entry.substr(0, equals), value); !line.empty())
      lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace

std::span<const Variable> variables() {
  return kVariables;
}

std::vector<std::string> complaints(const char* const* environment) {
  return lines_about(environment, complaint);
}

std::vector<std::string> remarks(const char* const* environment) {
  return lines_about(environment, remark);
}

}  // namespace efa::fi
