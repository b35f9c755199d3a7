// SPDX-License-Identifier: BSL-1.0
#pragma once

// A session of any protocol in virtual time on a scripted transport: everything it does is recorded, nothing happens by
// itself.

#include <weir/error.hpp>
#include <weir/policy/policy_set.hpp>
#include <weir/session/inbox.hpp>
#include <weir/session/session.hpp>
#include <weir/session/waiter.hpp>
#include <weir/time.hpp>
#include <weir/ws/message.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/errc.hpp"

namespace test {

using weir::detail::waiter;
using phase = weir::detail::phase;

/// When every test begins.
inline constexpr weir::time_point t0{std::chrono::hours{1000}};

/// How a pending operation ended, and when in comparison with others.
struct completion {
    bool done = false;
    bool destroyed = false;  ///< without being completed
    weir::error_code ec, reason;
    int order = 0;              ///< of all completions of a session, from 1
    waiter* pending = nullptr;  ///< null once it has ended
    std::optional<weir::ws::message_view> received{};

    bool succeeded() const noexcept { return done && !ec; }
    bool failed_with(weir::error e) const noexcept { return done && ec == e; }
};
using operation = std::shared_ptr<const completion>;

/// Called when an operation has ended.
using completion_hook = std::function<void(const completion&)>;

template <class Base>
class recording final : public Base {
public:
    recording(waiter::kind k, std::shared_ptr<completion> out, int& counter, completion_hook done)
        : Base(k), out_(std::move(out)), counter_(counter), done_(std::move(done)) {
        out_->pending = this;
    }
    void complete(weir::error_code ec, weir::error_code reason) noexcept override {
        *out_ = {true, false, ec, reason, ++counter_, nullptr, {}};
        if constexpr (std::is_same_v<Base, weir::detail::receive_waiter>) out_->received = this->received;
        if (done_) done_(*out_);
        delete this;
    }
    void destroy() noexcept override {
        out_->destroyed = true;
        out_->pending = nullptr;
        delete this;
    }

private:
    std::shared_ptr<completion> out_;
    int& counter_;
    completion_hook done_;
};

/// What observers were told.
struct observations {
    int opened = 0, refused = 0, heartbeats = 0;
    std::size_t messages = 0, bytes = 0;  // written
    std::size_t messages_received = 0, bytes_received = 0;
    std::vector<weir::session_blocked> blocked;
    weir::drop_counts dropped;
    std::vector<weir::error_code> closed;
};

/// The transport's script.
struct fake_transport {
    static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

    std::size_t room = unlimited;  ///< bytes it takes before it would block
    weir::error_code failure;      ///< what the next write answers, if set
    /// Writes are only taken into a buffer of this size, one at a time, and become output with deliver(). Zero:
    /// directly.
    std::size_t buffered = 0;

    std::string output;               ///< what has arrived
    std::vector<std::size_t> writes;  ///< bytes offered, per call
    int descriptor = -1;              ///< what batches write to
    std::string in_flight;            ///< taken into the buffer, not arrived
    bool wants_writable = false;
    bool send_shut = false;
    int closed = 0;
};

/// The salt of the session, for heartbeats' jitter.
struct salt {
    std::uint8_t value;
};

/// Policies in any order, as for a stream. `Protocol` is a session: sse_session, ws_session, or a test's own.
template <class Protocol, class... Policies>
class fake_host : public Protocol {
public:
    explicit fake_host(Policies... policies) : fake_host(salt{0}, std::move(policies)...) {}
    explicit fake_host(salt s, Policies... policies) : Protocol(s.value), policies_(std::move(policies)...) {}

    /// That the session asked its host for nothing it must not ask for is checked in every test.
    ~fake_host() {
        forbid(must_wait_ && line.closed == 0, "no waiting after a short write");
        CHECK(misuse == std::vector<std::string>{});
    }

    using Protocol::open;
    using Protocol::refuse;
    using Protocol::terminate;

    operation drained() {
        auto [w, out] = make(waiter::kind::drained);
        this->start_drained(*w);
        return out;
    }
    operation ended() {
        auto [w, out] = make(waiter::kind::closed);
        this->start_closed(*w);
        return out;
    }
    /// Waits for the end as another kind of operation does.
    operation wait_for(waiter::kind what) {
        auto [w, out] = make(what);
        this->start_closed(*w);
        return out;
    }
    operation sleep(weir::duration time) {
        auto [w, out] = make(waiter::kind::sleep);
        w->deadline = weir::later(at, time);
        this->start_sleep(*w);
        return out;
    }
    /// Takes an operation back, as its handler's cancellation slot does.
    void cancel(const operation& op) {
        if (op->pending != nullptr) Protocol::cancel(*op->pending, code_of(std::errc::operation_canceled));
    }

    // ---- what happens from outside ----

    void end_turn() {
        if (std::exchange(turn_end_wanted, false)) this->on_turn_end();
    }
    /// The peer takes so many bytes more.
    void take(std::size_t bytes) {
        line.room += std::min(bytes, fake_transport::unlimited - line.room);
        if (bytes != 0 && std::exchange(line.wants_writable, false)) this->on_writable();
    }
    /// The transport takes everything from now on.
    void unblock() { take(fake_transport::unlimited); }
    /// The event loop says that the transport is writable, and it takes nothing.
    void wake_in_vain() {
        if (std::exchange(line.wants_writable, false)) this->on_writable();
    }
    /// So many bytes of the transport's own buffer have left.
    void deliver(std::size_t bytes = fake_transport::unlimited) {
        bytes = std::min(bytes, line.in_flight.size());
        line.output.append(line.in_flight, 0, bytes);
        line.in_flight.erase(0, bytes);
        if (line.in_flight.empty() && std::exchange(line.wants_writable, false)) this->on_writable();
    }
    /// Moves the clock on, from deadline to deadline; what became ready in between is done.
    void advance(weir::duration time) {
        const weir::time_point until = at + time;
        for (int rings = 0; timer <= until; ++rings) {
            REQUIRE(rings < 100'000);
            at = std::max(at, timer);
            ring();
            end_turn();
        }
        at = until;
    }
    /// What was asked for, now.
    void ring() {
        timer = weir::never;
        this->on_timer();
    }

    const weir::outbox& outbox() const noexcept { return this->outbox_; }

    weir::time_point at = t0;
    fake_transport line;
    int owners_dropped = 0;
    std::vector<weir::time_point> timers;  ///< every set_timer(), in order
    weir::time_point timer = weir::never;  ///< the one that is set
    bool turn_end_wanted = false;
    observations seen;
    bool reading = true;  ///< what read_on() was last told
    std::vector<std::string> misuse;

    /// Called for each piece of bytes that is taken, and for each drop, in the middle of it.
    std::function<void(std::string_view)> on_taken;
    std::function<void(const weir::messages_dropped&)> on_dropped;
    std::function<void()> on_heartbeat;
    /// Called when end_turn() is asked for.
    std::function<void()> on_schedule;

protected:
    template <class Base = waiter>
    std::pair<recording<Base>*, operation> make(waiter::kind what, completion_hook done = {}) {
        auto out = std::make_shared<completion>();
        return {new recording<Base>{what, out, completions_, std::move(done)}, out};
    }

private:
    void forbid(bool condition, const char* what) const {
        if (condition) const_cast<fake_host*>(this)->misuse.emplace_back(what);
    }

    // ---- session_host ----

    weir::time_point now() const noexcept override { return at; }

    std::size_t write(std::span<const weir::bytes_view> pieces, weir::error_code& ec) noexcept override {
        forbid(pieces.empty(), "a write of nothing");
        forbid(line.closed != 0, "a write after the end");
        forbid(line.send_shut, "a write after the goodbye");
        forbid(line.wants_writable, "a write while the transport is known to be blocked");
        forbid(must_wait_, "a write after a short one");
        std::string& offered = offered_;
        offered.clear();
        for (const weir::bytes_view piece : pieces) {
            forbid(piece.empty(), "an empty piece");
            offered += weir::as_text(piece);
        }
        line.writes.push_back(offered.size());
        if (line.failure) return ec = line.failure, 0;
        if (line.buffered != 0) return write_buffered(offered);
        must_wait_ = offered.size() > line.room;
        offered.resize(std::min(offered.size(), line.room));
        if (line.room != fake_transport::unlimited) line.room -= offered.size();
        line.output += offered;
        if (on_taken) on_taken(offered);
        return offered.size();
    }
    std::size_t write_buffered(std::string& offered) {
        must_wait_ = !line.in_flight.empty() || offered.size() > line.buffered;
        if (!line.in_flight.empty()) return 0;
        offered.resize(std::min(offered.size(), line.buffered));
        line.in_flight = offered;
        if (on_taken) on_taken(offered);
        return offered.size();
    }
    void wait_writable() override {
        forbid(std::exchange(line.wants_writable, true), "waiting twice for writability");
        forbid(line.closed != 0, "waiting after the end");
        must_wait_ = false;
    }
    std::size_t in_flight() const noexcept override { return line.in_flight.size(); }
    int descriptor() noexcept override { return line.descriptor; }
    void drop_owner() noexcept override { ++owners_dropped; }
    void shutdown_send() override {
        forbid(std::exchange(line.send_shut, true), "two goodbyes");
        forbid(line.closed != 0, "a goodbye after the end");
    }
    void close_transport() noexcept override {
        forbid(++line.closed != 1, "closed twice");
        line.in_flight.clear();
    }
    void set_timer(weir::time_point when) override {
        forbid(line.closed != 0, "a timer after the end");
        forbid(when >= timer && when != weir::never, "a timer moved back");
        timers.push_back(when);
        timer = when;
    }
    void schedule_flush() override {
        forbid(std::exchange(turn_end_wanted, true), "two flushes in one turn");
        forbid(line.closed != 0, "a flush after the end");
        if (on_schedule) on_schedule();
    }

    bool by_key() const noexcept override { return policies_.by_key(); }
    weir::admission decide(const weir::outbox_facts& facts) noexcept override {
        return policies_.backpressure()(facts);
    }
    weir::heartbeat_decision decide(const weir::liveness& facts) noexcept override {
        return policies_.template heartbeat<typename Protocol::default_heartbeat>()(facts);
    }
    weir::stall_decision decide(const weir::progress& facts) noexcept override {
        forbid(facts.bytes_unsent == 0, "a stall with nothing to write");
        return policies_.stall()(facts);
    }

    void observe(const weir::session_opened& what) noexcept override {
        ++seen.opened;
        policies_.observer()(what);
    }
    void observe(const weir::messages_received& what) noexcept override {
        forbid(!seen.closed.empty(), "an observation after the end");
        seen.messages_received += what.messages;
        seen.bytes_received += what.bytes;
        policies_.observer()(what);
    }
    void observe(const weir::session_blocked& what) noexcept override {
        forbid(!seen.closed.empty(), "an observation after the end");
        seen.blocked.push_back(what);
        policies_.observer()(what);
    }
    void observe(const weir::subscriber_lagged& what) noexcept override { policies_.observer()(what); }
    void observe(const weir::messages_written& what) noexcept override {
        seen.messages += what.messages;
        seen.bytes += what.bytes;
        policies_.observer()(what);
    }
    void observe(const weir::messages_dropped& what) noexcept override {
        forbid(what.messages == 0, "a drop of nothing");
        seen.dropped.add(what.reason, static_cast<std::uint32_t>(what.messages));
        if (on_dropped) on_dropped(what);
        policies_.observer()(what);
    }
    void observe(const weir::message_refused& what) noexcept override {
        ++seen.refused;
        policies_.observer()(what);
    }
    void observe(const weir::heartbeat_sent& what) noexcept override {
        ++seen.heartbeats;
        if (on_heartbeat) on_heartbeat();
        policies_.observer()(what);
    }
    void observe(const weir::session_closed& what) noexcept override {
        forbid(seen.opened == 0, "the end of a session that never began");
        seen.closed.push_back(what.reason);
        policies_.observer()(what);
    }

    void read_on(bool wanted) override { reading = wanted; }

    weir::policy_set<Policies...> policies_;
    int completions_ = 0;
    bool must_wait_ = false;  // the last write was a short one, and nothing has been asked for yet
    std::string offered_;     // by the last write; kept, so that the test allocates no more than what is tested
};

}  // namespace test
