// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The engine of an RDM endpoint: the protocol of efa-rdm-protocol over an SRD queue pair. It knows
// verbs, libfabric's numbers and its Host; no libfabric objects.
//
// All calls are serialized by the caller (the domain's lock). Errors are negative libfabric error
// numbers. Nothing here throws, or aborts; a peer can send anything.
#ifndef EFA_PROVIDER_RDM_ENGINE_HPP
#define EFA_PROVIDER_RDM_ENGINE_HPP

#include <infiniband/verbs.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "rdm/atomics.hpp"
#include "rdm/config.hpp"
#include "rdm/errors.hpp"
#include "rdm/host.hpp"
#include "rdm/matcher.hpp"
#include "rdm/op_pool.hpp"
#include "rdm/operation.hpp"
#include "rdm/packet_pool.hpp"
#include "rdm/peer.hpp"
#include "rdm/peers.hpp"
#include "rdm/work.hpp"
#include "wire/build_message.hpp"
#include "wire/packet.hpp"
#include "wire/req_options.hpp"

namespace efa::rdm {

// What all requests of the application that go to a peer have.
struct Call {
  Source peer = 0;
  void* context = nullptr;
  std::uint64_t cq_data = 0;
  bool has_cq_data = false;
  bool inject = false;             // the memory is the application's again when the call returns
  bool delivery_complete = false;  // ignored for inject
  bool reports = true;             // a success is written to the CQ
  bool more = false;               // another one follows at once (FI_MORE); not of atomics
};

// A message to send.
struct Message : Call {
  Buffers source;
  std::uint64_t tag = 0;
  bool tagged = false;
};

// A receive to post.
struct ReceiveRequest {
  Source source = kAnySource;
  Buffers destination;
  void* context = nullptr;
  std::uint64_t tag = 0;
  std::uint64_t ignore = 0;
  std::uint64_t flags = 0;  // FI_MULTI_RECV, FI_PEEK, FI_CLAIM, FI_DISCARD
  bool tagged = false;
  bool reports = true;
};

// A write or a read of the peer's memory.
struct Rma : Call {
  Buffers local;
  RmaIovs remote;
};

// An atomic operation on the peer's memory; `operand` may be empty for FI_ATOMIC_READ.
struct AtomicRequest : Call {
  AtomicForm form = AtomicForm::kWrite;
  Buffers operand;
  Buffers compare;
  Buffers result;
  RmaIovs remote;
  std::uint32_t datatype = 0;
  std::uint32_t op = 0;
};

// What one RDMA request moves.
struct RdmaPiece {
  std::size_t local_index = 0;  // of the piece of local memory
  std::uintptr_t local = 0;
  std::uint64_t remote = 0;
  std::uint64_t key = 0;
  std::uint64_t length = 0;
};

// What is alive in an engine: nothing of it when all operations have ended.
struct Usage {
  std::size_t outgoing = 0;
  std::size_t incoming = 0;
  std::size_t posted = 0;    // receives
  std::size_t deferred = 0;  // operations that wait for a handshake
  std::size_t owed = 0;      // answers that peers wait for
  std::size_t requests = 0;  // on the device
  std::size_t packets = 0;   // of sends
};

// An address as users write it: [GID]:QPN:QKEY.
std::string name_of(const RawAddress& address);

class Engine {
 public:
  Engine(Host& host, const Config& config, const Queues& queues);
  // Frees everything; the QP is in no state to complete work any more.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Before anything else: takes the memory without which nothing moves, so that the endpoint works
  // whatever others register later, and posts receives. @returns false if there is not enough
  bool prepare();

  // -FI_EAGAIN: progress, then try again. -FI_EINVAL: the peer is in no address vector.
  int send(const Message& message);
  int receive(const ReceiveRequest& request);
  int write(const Rma& request);
  int read(const Rma& request);
  int atomic(const AtomicRequest& request);
  // The receive with this context, tagged or not, gets an error completion FI_ECANCELED.
  // -FI_ENOENT: there is none that is not matched yet
  int cancel(void* context);

  // Takes completions of the device, goes on with everything that waits.
  void progress();
  // Sends what peers are owed before the QP goes (EOR, RECEIPT): at most so many microseconds.
  void flush(std::uint64_t limit);

  // The address vector changed.
  void insert_peer(Source source, const RawAddress& address, ibv_ah* ah, std::uint16_t ahn);
  void remove_peer(Source source);
  // The application closes a registration that find_region() gave.
  void close_region(const Region& region);

  void set_min_multi_recv(std::size_t bytes) { config_.min_multi_recv = bytes; }
  const Config& config() const { return config_; }

  // Whether something can come without a call of the application other than progress(): then a
  // thread that sleeps for completions must wake up by itself.
  bool has_pending() const;

  // For a user whose job hangs: the oldest operation of each peer, what it waits for.
  std::string dump() const;

  Usage usage() const;

  // Takes the QP's last completions without a word, before it is freed; the QP is gone already.
  void drain();

 private:
  // Operations that wait for handshakes at a time (7.4).
  static constexpr std::size_t kMostDeferred = 16;

  // ---- Completions of the device (engine.cpp, post.cpp, arrive.cpp)
  void sent(Work& work);
  void not_sent(Work& work, ibv_wc_status status, std::uint32_t vendor_error);
  void arrived(RxPacket& packet, ibv_cq_ex& cq, bool immediate);
  void received_nothing(RxPacket& packet, ibv_wc_status status);
  void arrived_immediate(ibv_cq_ex& cq);

  // ---- Posting (post.cpp)
  std::uint32_t room() const { return config_.tx_depth - outstanding_; }
  void open_batch();
  void close_batch() {
    if (batch_open_) ring_doorbell();
  }
  void ring_doorbell();
  void start(Work& work);
  void start_bare(const TxPacket& packet);
  void put(TxPacket& packet);
  void put(RdmaWork& work);
  void submit(Work& work);
  TxPacket* take_packet(std::size_t data);
  void give(TxPacket& packet);
  static Room room_of(TxPacket& packet) { return Room(packet.buffer, kBuildRoom); }
  void fill(TxPacket& packet, std::size_t header, const Buffers& source, std::uint64_t offset,
            std::uint64_t length, bool copy);
  bool fits_zero_copy(const Span& piece, std::uint64_t length) const;
  RdmaWork* take_rdma();
  void give(RdmaWork& work);
  std::uintptr_t any_memory();
  std::uint32_t any_lkey();
  static bool has_failed(const Work& work);
  bool retry(Work& work, std::uint32_t status);
  void peer_is_away(const Work& work, int code);
  void packet_done(TxPacket& packet);
  static void runt_done(const TxPacket& packet);
  void eager_done(TxPacket& packet);
  void eager_failed(TxPacket& packet, int error, int code);

  // ---- Messages (send.cpp)
  int send_eager(const Message& message, Peer& peer);
  int send_chosen(const Message& message, Peer& peer);
  OutgoingOp* new_outgoing(OutKind kind, Peer& peer);
  OutgoingOp* new_outgoing(OutKind kind, Peer& peer, const Call& call, const Buffers& source);
  OutgoingOp* make_outgoing(const Message& message, Peer& peer);
  Question question(const Peer& peer, std::uint64_t length) const;
  int launch(OutgoingOp& op);
  int launch_message(OutgoingOp& op);
  int launch_eager(OutgoingOp& op);
  int launch_medium(OutgoingOp& op);
  int launch_longcts(OutgoingOp& op, bool after_nack);
  int launch_longread(OutgoingOp& op);
  int launch_runtread(OutgoingOp& op);
  int launch_bare(OutgoingOp& op);
  int defer(OutgoingOp& op);
  static Envelope envelope(const OutgoingOp& op);
  static ReqOptions options_of(const OutgoingOp& op);
  TxPacket* request_packet(OutgoingOp& op, std::uint64_t offset, std::uint64_t length);
  bool must_copy(const OutgoingOp& op, std::uint64_t offset, std::uint64_t length) const;
  void send_request(TxPacket& packet, std::size_t header, std::uint64_t offset,
                    std::uint64_t length);
  bool take_segments(OutgoingOp& op, const MediumPlan& plan);
  bool register_source(OutgoingOp& op, int access);
  void pin_source(OutgoingOp& op);
  void unregister(Temporary& registrations) {
    if (registrations.any) unregister_all(registrations);
  }
  void unregister_all(Temporary& registrations);
  std::size_t read_iovs(const OutgoingOp& op, std::array<Iov, kMaxIovs>& iovs) const;
  void advance(OutgoingOp& op);
  void complete(OutgoingOp& op);
  void fail(OutgoingOp& op, int error, int provider_errno);
  void release(OutgoingOp& op);

  // ---- Windows and control packets (transfer.cpp)
  void pump(OutgoingOp& op);
  void relaunch(OutgoingOp& op);
  void on_cts(Peer& peer, const Packet& packet);
  void on_data(Peer& peer, const Packet& packet);
  void on_receipt(Peer& peer, const Packet& packet);
  void on_eor(Peer& peer, const Packet& packet);
  void on_read_nack(Peer& peer, const Packet& packet);
  void grant(IncomingOp& op);
  void place(IncomingOp& op, std::uint64_t offset, std::span<const std::byte> data);
  TxPacket* control_packet(Peer& peer, WorkKind kind);
  void send_control(TxPacket& packet, std::size_t length);
  void send_receipt(Peer& peer, std::uint32_t send_id, std::uint32_t msg_id);
  void send_eor(IncomingOp& op);
  void send_nack(IncomingOp& op);

  // ---- The life of what comes in (incoming.cpp)
  IncomingOp* new_incoming(InKind kind, Peer& peer);
  static bool all_here(const IncomingOp& op);
  static std::uint64_t readable(const IncomingOp& op);
  void start_read(IncomingOp& op);
  void ask_reads(IncomingOp& op);
  bool register_destination(IncomingOp& op);
  void nack(IncomingOp& op);
  void advance(IncomingOp& op);
  void complete(IncomingOp& op);
  void fail(IncomingOp& op, int error, int provider_errno);
  void release(IncomingOp& op);

  // ---- Receives (receive.cpp)
  int post_receive(const ReceiveRequest& request);
  int peek(const ReceiveRequest& request);
  int claim(const ReceiveRequest& request);
  Matcher& matcher(bool tagged) { return tagged ? tagged_ : untagged_; }
  void bind(IncomingOp& op, PostedOp& posted);
  Buffers take_space(PostedOp& posted, std::uint64_t length);
  bool release(PostedOp& posted);
  void match(IncomingOp& op, PostedOp& posted);
  void replay(IncomingOp& op);
  void discard(IncomingOp& op);
  Completion completion_of(const IncomingOp& op) const;
  void report_message(IncomingOp& op);
  void report_receive(const Completion& completion, bool reports, std::uint64_t space);

  // ---- Packets that arrive (arrive.cpp, message.cpp)
  Peer* sender_of(const Packet& packet, std::uint16_t ahn, std::uint32_t qpn, ibv_cq_ex& cq);
  Peer* other_sender_of(const Packet& packet, std::uint16_t ahn, std::uint32_t qpn, ibv_cq_ex& cq);
  void dispatch(Peer& peer, const Packet& packet, std::span<const std::byte> bytes);
  void on_ordered(Peer& peer, const Packet& packet, std::span<const std::byte> bytes);
  void in_turn(Peer& peer, const Packet& packet, std::span<const std::byte> bytes);
  void take_early(Peer& peer);
  void handle_request(Peer& peer, const Packet& packet, std::span<const std::byte> bytes);
  void on_message(Peer& peer, const Packet& packet, std::span<const std::byte> bytes);
  void deliver_eager(Peer& peer, const Packet& packet, PostedOp& posted);
  void deliver_part(Peer& peer, const Packet& packet, PostedOp& posted);
  void begin_message(IncomingOp& op, const Packet& packet);
  void add_segment(IncomingOp& op, const Packet& packet, std::span<const std::byte> bytes);
  void take_segment(IncomingOp& op, const Packet& packet);
  void resume_nacked(IncomingOp& op, const Packet& packet);
  static IncomingOp* find_partial(Peer& peer, std::uint32_t msg_id);
  void on_peer_error(Peer& peer, const Packet& packet);
  void skip_message(Peer& peer, std::uint32_t msg_id);
  void bad_packet(const Peer* peer, ProviderErrno code, const std::string& why);

  // ---- Handshakes (handshake.cpp)
  void on_handshake(Peer& peer, const Packet& packet);
  void send_handshake(Peer& peer);
  void send_trigger(Peer& peer);
  void update_limits(Peer& peer);
  void launch_waiting(Peer& peer);
  void fail_waiting(Peer& peer, int error, int provider_errno);

  // ---- RMA and atomics (rma.cpp)
  int launch_write(OutgoingOp& op);
  int launch_device_write(OutgoingOp& op);
  int launch_injected_write(OutgoingOp& op);
  bool take_copies(const RmaIovs& targets);
  int launch_eager_write(OutgoingOp& op);
  int launch_longcts_write(OutgoingOp& op);
  int launch_longread_write(OutgoingOp& op);
  int launch_ask(IncomingOp& op);
  int launch_device_read(IncomingOp& op);
  int launch_empty_read(IncomingOp& op);
  int launch_read(IncomingOp& op);
  int launch_fetch(IncomingOp& op);
  int launch_atomic(OutgoingOp& op);
  int change(const AtomicRequest& request, Peer& peer, std::uint32_t msg_id);
  int fetch(const AtomicRequest& request, Peer& peer, std::uint32_t msg_id);
  int defer(IncomingOp& op);
  TxPacket* ask_packet(IncomingOp& op, std::size_t data);
  void on_read_response(Peer& peer, const Packet& packet);
  void on_atomic_response(Peer& peer, const Packet& packet);
  static RdmaPiece piece_of(const Buffers& local, const RmaIovs& remote, std::uint64_t offset,
                            std::uint64_t most);
  static std::size_t pieces_of(const Buffers& local, const RmaIovs& remote, std::uint64_t most);

  // ---- The targets of RMA and atomics (target.cpp)
  void on_write(Peer& peer, const Packet& packet);
  void on_read(Peer& peer, const Packet& packet);
  void on_atomic(Peer& peer, const Packet& packet);
  static void apply(AtomicForm form, std::uint32_t datatype, std::uint32_t operation,
                    const Buffers& memory, const std::byte* operands, std::byte* results);
  bool target_of(const Peer& peer, const Packet& packet, std::uint64_t access, Buffers& memory);
  void report_remote_write(bool has_data, std::uint64_t data, std::uint64_t length,
                           const Peer& peer);

  // ---- Progress (engine.cpp)
  void poll(ibv_cq_ex& cq);
  bool took_unsolicited(ibv_cq_ex& cq);
  bool is_immediate(ibv_cq_ex& cq) const;
  void take(Work& work, ibv_cq_ex& cq, bool immediate);
  // Those that came back are posted several at a time.
  bool lacks_receives() const { return to_post_.size() >= refill_at_; }
  void refill();
  void resume_peers();
  void resend(Peer& peer);
  template <class Waiting, class Item>
  void wait_in(Waiting& list, Item& item) {
    list.push_back(item);
    any_waits_ = true;
  }
  bool has_waiting() const;
  void send_waiting();
  void back_off(Peer& peer);
  void tell_not_ready(Peer& peer);

  // ---- Peers (life.cpp)
  Peer& new_peer(const RawAddress& address, ibv_ah* ah, std::uint16_t ahn);
  Peer* implicit_peer(const RawAddress& address);
  void rematch(Peer& peer);
  void drop_peer(Peer& peer);
  template <class Which>
  void drop_waiting(List<Work, &Work::queue>& waiting, Which which);
  std::string describe(const Peer& peer, int provider_errno) const;

  Host& host_;
  Config config_;
  Queues queues_;

  Matcher tagged_;
  Matcher untagged_;
  Peers peers_;
  OpPool<OutgoingOp> outgoing_;
  OpPool<IncomingOp> incoming_;
  OpPool<PostedOp> posted_;

  PacketPool<TxPacket> small_;
  PacketPool<TxPacket> large_;
  PacketPool<RxPacket> receives_;
  std::vector<std::unique_ptr<RdmaWork>> rdma_all_;
  std::vector<RdmaWork*> rdma_free_;

  std::uint32_t outstanding_ = 0;  // work requests on the device
  bool batch_open_ = false;
  std::uint32_t receives_posted_ = 0;
  std::uint32_t receives_wanted_ = 0;
  std::size_t refill_at_ = 0;  // 0 until the first receives are posted
  std::vector<RxPacket*> to_post_;

  // What waits, in six lists; and whether anything may be in one of them.
  List<Work, &Work::queue> unsent_;               // wait for room in the SQ
  List<OutgoingOp, &OutgoingOp::queue> windows_;  // have bytes to send
  List<IncomingOp, &IncomingOp::queue> reads_;    // have RDMA reads to ask
  List<Peer, &Peer::resending> resending_;
  List<Peer, &Peer::handshake_due> handshakes_;
  List<Peer, &Peer::launch_due> launching_;
  bool any_waits_ = false;

  std::size_t deferred_ = 0;          // operations that wait for a handshake
  std::size_t owed_ = 0;              // kLast packets that are not completed
  std::size_t reads_in_flight_ = 0;   // read-based messages of ours
  std::vector<IncomingOp*> claimed_;  // by FI_CLAIM, not received yet
  std::vector<TxPacket*> scratch_;    // packets of one message
  TxPacket* any_ = nullptr;           // registered memory for requests without data
  std::minstd_rand random_;
};

}  // namespace efa::rdm

#endif
