// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The data path of one device: takes WQEs from the send queues, moves payload, writes CQEs.
///
/// Requester and responder are two halves of one object; the requester of one device calls the
/// responder of another directly while nothing impairs the path between them, and through events of
/// the switch otherwise. Not thread-safe: engine thread only.
#pragma once

#include <cstdint>

#include <memory>
#include <unordered_map>
#include <vector>

#include "datapath/message.hpp"
#include "datapath/transfer.hpp"
#include "datapath/wqe.hpp"
#include "device/device.hpp"
#include "fabric/switch.hpp"

namespace efa::emu {

class DataPath;

/// A requester's knowledge of one destination device.
struct Peer {
  DataPath* responder = nullptr;
  Route route;
  bool heard = false;  ///< it answered at least once (I8: status 13 or 15)
};

/// A message of some requester that waits for a receive to be posted.
struct Waiter {
  DataPath* requester = nullptr;
  MessageRef message;
};

/// The data path's part of a queue pair.
struct QpContext {
  explicit QpContext(QueuePair& queue_pair) : qp(queue_pair) {}
  QueuePair& qp;
  Message* oldest = nullptr;  ///< outstanding messages, in posting order
  Message* newest = nullptr;
  std::vector<Waiter> waiters;     ///< as responder: senders that found no receive
  std::uint16_t receive_mark = 0;  ///< RQ doorbell value when the waiters last looked
};

/// Traffic of a queue pair, kept after it is destroyed.
struct QpRecord {
  std::uint16_t number = 0;
  efa_qp_type type = EFA_QP_TYPE_UD;
  QueuePairStats stats;
};

/// Why packets and messages were not delivered; for `--stats`.
struct DropCounters {
  std::uint64_t no_receive = 0;  ///< UD: nothing posted
  std::uint64_t receive_too_small = 0;
  std::uint64_t bad_qkey = 0;
  std::uint64_t no_queue_pair = 0;
  std::uint64_t bad_receive_buffer = 0;
  std::uint64_t duplicates = 0;   ///< SRD: recognised and not delivered again
  std::uint64_t unreachable = 0;  ///< UD: nobody has the GID, or it may not be reached
};

/// A packet as the responder sees it.
struct Packet {
  const SendRequest& request;
  const Endpoint& source;
  efa_qp_type transport;
  std::uint16_t source_qp;
  std::uint32_t offset;  ///< of the part that this packet carries
  std::uint32_t length;
  bool last;
  Buffer local;  ///< requester's memory for this part: source, or target of a read
};

/// How doorbell stores of the host arrive.
enum class Doorbells {
  kShared,   ///< words of shared memory: poll() looks at them, the last value wins
  kTrapped,  ///< each by a call of doorbell(), in order
};

class DataPath final : public DataPathHooks, public Endpoint {
 public:
  /// Attaches the device to `fabric` as part of host `host`.
  DataPath(Device& device, Switch& fabric, unsigned host, Doorbells doorbells = Doorbells::kShared);
  ~DataPath() override;

  /// Lets `helper` take part in long copies (Transfer::share_with).
  void share_copies_with(CopyHelper* helper) noexcept { transfer_.share_with(helper); }

  /// One pass over all doorbells and unfinished transfers. True if anything was done.
  bool poll();

  /// One trapped store to the doorbell word at `offset` of the BAR, which any guest may name: takes
  /// effect on a completion queue at once, on send and receive queues in the next poll().
  void doorbell(std::uint32_t offset, std::uint32_t value);

  /// Whether a pass can find work without an event of the switch: there are queues to watch.
  bool watching() const noexcept {
    return doorbells_ == Doorbells::kShared && (!watched_.empty() || !armed_cqs_.empty());
  }

  Device& device() noexcept { return device_; }
  const DropCounters& drops() const noexcept { return drops_; }
  /// Messages that wait for a receive of queue pair `qp`, whoever sent them.
  std::size_t waiting(std::uint16_t qp) const noexcept;
  /// Queue pairs past and present, oldest first.
  std::vector<QpRecord> queue_pairs() const;

  // DataPathHooks
  void qp_created(QueuePair& qp) override;
  void qp_modified(QueuePair& qp, efa_qp_state from) override;
  void qp_destroyed(QueuePair& qp) override;
  void cq_created(CompletionQueue& cq) override;
  void cq_destroyed(CompletionQueue& cq) override;
  void ah_destroyed(std::uint16_t ah, std::uint16_t pd) override;
  void device_reset() override;

  // Endpoint
  void on_event(const Event& event) override;

 private:
  struct SqWatch {
    const std::uint32_t* word;
    QpContext* context;
    std::uint16_t last;
  };
  struct CqWatch {
    const std::uint32_t* word;
    CompletionQueue* cq;
  };

  // data_path.cpp
  QpContext* find_context(std::uint16_t qp) noexcept;
  void start_over(QpContext& context);
  void fail_queue_pair(QpContext& context);
  void forget_messages(QpContext& context);
  void unwatch(QpContext& context);
  void wake_waiters(std::vector<Waiter> waiters);
  void watch_receives(QpContext& context);
  bool poll_send_doorbells();
  bool poll_receive_doorbells();
  bool continue_transfers();

  // requester.cpp
  bool take_send_queue(QpContext& context, std::uint16_t value);
  bool fetch(QpContext& context, std::uint16_t value);
  void post(QpContext& context, const std::byte* wqe);
  efa_comp_status fast_registration(QpContext& context, const std::byte* wqe,
                                    const SendRequest& request);
  Peer* peer_of(const AddressHandle& ah);
  void begin(Message& message);
  void begin_datagram(Message& message);
  efa_comp_status deliver(Message& message, std::uint32_t offset, std::uint32_t length, bool last);
  void run_direct(Message& message);
  void count_direct(const Message& message, std::uint32_t length, efa_comp_status status);
  void not_ready(Message& message);
  void retry_not_ready(const Event& event);
  void line_up(Message& message);
  void leave_line(const Message& message);
  void flush(QpContext& context);
  void finish(Message& message, efa_comp_status status);
  void retire(Message& message);
  efa_comp_status resolve_local(const Message& message, std::uint32_t offset, std::uint32_t length,
                                Buffer& out);
  bool usable_directly(const Message& message) const noexcept;

  // retransmission.cpp
  void begin_parts(Message& message);
  void pump(Message& message);
  void send_part(Message& message, std::uint32_t part);
  void request_arrived(const Event& event);
  void datagram_arrived(DataPath& requester, Message& message);
  efa_comp_status deliver_part(Message& message, std::uint32_t index);
  void reply(const Event& request, efa_comp_status status, std::uint32_t bytes);
  void reply_arrived(const Event& event);
  void not_ready_reply(Message& message, const Event& event);
  void retransmit(const Event& event);

  // responder.cpp
  efa_comp_status accept(const Packet& packet);
  efa_comp_status accept_send(QpContext& context, const Packet& packet);
  efa_comp_status accept_rdma(QpContext& context, const Packet& packet);
  void accept_immediate(QpContext& context, const Packet& packet);
  bool take_receive(QpContext& context);
  efa_comp_status claim_receive(QpContext& context);
  bool receive_segments(const QueuePair& qp, std::uint64_t length);
  efa_comp_status place(QpContext& context, const Packet& packet, const Buffer& payload);
  bool injected_not_ready();
  void flush_receives(QpContext& context);

  // completion.cpp
  void complete_send(QueuePair& qp, const SendRequest& request, efa_comp_status status);
  void complete_receive(QueuePair& qp, const Packet& packet, efa_comp_status status,
                        std::uint16_t req_id, std::uint32_t length, bool unsolicited);
  void complete_flushed_receive(QueuePair& qp, std::uint16_t req_id);
  void count_event(QueuePair& qp, unsigned event);
  std::uint32_t packets_of(std::uint32_t bytes) const noexcept;
  std::uint32_t packets_in(std::uint32_t offset, std::uint32_t length) const noexcept;

  Device& device_;
  Switch& fabric_;
  Doorbells doorbells_;
  MessagePool messages_;
  Transfer transfer_;
  DropCounters drops_;

  std::unordered_map<std::uint16_t, std::unique_ptr<QpContext>> contexts_;
  std::vector<QpRecord> finished_;
  std::vector<SqWatch> watched_;
  std::vector<CqWatch> armed_cqs_;
  std::vector<QpContext*>
      receive_watch_;                   ///< QPs with waiters or in ERR: their RQ doorbell matters
  bool polling_receives_ = false;       ///< woken messages do not look again
  std::vector<MessageRef> continuing_;  ///< long transfers that go on in the next pass
  std::vector<MessageRef> continuing_now_;

  std::vector<std::unique_ptr<Peer>> peers_;  ///< by port of the switch
  std::uint32_t life_ = 0;                    ///< resets of the device so far
  std::uint64_t deliveries_ = 0;              ///< as responder: times that a receive was asked for
  std::uint64_t moved_ = 0;                   ///< direct path: bytes, ever
  RecvRequest receive_;                       ///< scratch of the responder
  std::vector<DmaSegment> local_segments_;    ///< scratch of the requester
  std::vector<DmaSegment> remote_segments_;   ///< scratch of the responder
  std::vector<std::byte> datagram_;           ///< scratch: UD header and payload
};

}  // namespace efa::emu
