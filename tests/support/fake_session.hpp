// SPDX-License-Identifier: BSL-1.0
#pragma once

// A session in virtual time on a scripted transport: everything it does is recorded, nothing happens by itself.

#include <weir/error.hpp>
#include <weir/policy/policy_set.hpp>
#include <weir/session/session.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"

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

    bool succeeded() const noexcept { return done && !ec; }
    bool failed_with(weir::error e) const noexcept { return done && ec == e; }
};
using operation = std::shared_ptr<const completion>;

class recording_waiter final : public waiter {
public:
    using hook = std::function<void(const completion&)>;

    recording_waiter(kind k, std::shared_ptr<completion> out, int& counter, hook done)
        : waiter(k), out_(std::move(out)), counter_(counter), done_(std::move(done)) {
        out_->pending = this;
    }
    void complete(weir::error_code ec, weir::error_code reason) noexcept override {
        *out_ = {true, false, ec, reason, ++counter_, nullptr};
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
    hook done_;
};

/// A message that is its text.
struct text_message {
    std::string_view text;

    std::size_t size() const noexcept { return text.size(); }
    char* write(char* out) const noexcept { return out + text.copy(out, text.size()); }
};

/// What observers were told.
struct observations {
    int opened = 0, refused = 0, heartbeats = 0;
    std::size_t messages = 0, bytes = 0;  // written
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
    std::string in_flight;            ///< taken into the buffer, not arrived
    bool wants_writable = false;
    bool send_shut = false;
    int closed = 0;
};

/// The salt of the session, for heartbeats' jitter.
struct salt {
    std::uint8_t value;
};

/// Policies in any order, as for a stream; no heartbeat counts for what a test does not say.
template <class... Policies>
class fake_session final : public weir::detail::session {
public:
    explicit fake_session(Policies... policies) : fake_session(salt{0}, std::move(policies)...) {}
    explicit fake_session(salt s, Policies... policies) : session(s.value), policies_(std::move(policies)...) {}

    /// That the session asked its host for nothing it must not ask for is checked in every test.
    ~fake_session() { CHECK(misuse == std::vector<std::string>{}); }

    using session::open;
    using session::refuse;
    using session::terminate;

    /// Opens without a response head, so that the output is nothing but messages.
    fake_session& opened(std::string_view head = {}) {
        open(head);
        end_turn();
        return *this;
    }

    weir::error send(std::string_view text, std::string_view key = {}) {
        return session::send(text_message{text}, key);
    }
    operation async_send(std::string_view text, std::string_view key = {}, recording_waiter::hook done = {}) {
        auto [w, out] = make(waiter::kind::send, std::move(done));
        w->message.reset(new weir::detail::pending_message{std::string{text}, std::string{key}});
        start_send(*w);
        return out;
    }
    operation drained() {
        auto [w, out] = make(waiter::kind::drained);
        start_drained(*w);
        return out;
    }
    operation ended() {
        auto [w, out] = make(waiter::kind::closed);
        start_closed(*w);
        return out;
    }
    operation sleep(weir::duration time) {
        auto [w, out] = make(waiter::kind::sleep);
        w->deadline = weir::later(at, time);
        start_sleep(*w);
        return out;
    }
    /// Takes an operation back, as its handler's cancellation slot does.
    void cancel(const operation& op) {
        if (op->pending != nullptr) session::cancel(*op->pending, make_error_code(std::errc::operation_canceled));
    }

    // ---- what happens from outside ----

    void end_turn() {
        if (std::exchange(turn_end_wanted, false)) on_turn_end();
    }
    /// The peer takes so many bytes more.
    void take(std::size_t bytes) {
        line.room += std::min(bytes, fake_transport::unlimited - line.room);
        if (bytes != 0 && std::exchange(line.wants_writable, false)) on_writable();
    }
    /// The transport takes everything from now on.
    void unblock() { take(fake_transport::unlimited); }
    /// The event loop says that the transport is writable, and it takes nothing.
    void wake_in_vain() {
        if (std::exchange(line.wants_writable, false)) on_writable();
    }
    /// So many bytes of the transport's own buffer have left.
    void deliver(std::size_t bytes = fake_transport::unlimited) {
        bytes = std::min(bytes, line.in_flight.size());
        line.output.append(line.in_flight, 0, bytes);
        line.in_flight.erase(0, bytes);
        if (line.in_flight.empty() && std::exchange(line.wants_writable, false)) on_writable();
    }
    /// Moves the clock on, from deadline to deadline; what became ready in between is done.
    void advance(weir::duration time) {
        const weir::time_point until = at + time;
        for (int looks = 0; timer <= until; ++looks) {
            REQUIRE(looks < 100'000);
            at = std::max(at, timer);
            ring();
            end_turn();
        }
        at = until;
    }
    /// What was asked for, now.
    void ring() {
        timer = weir::never;
        on_timer();
    }

    const weir::outbox& outbox() const noexcept { return outbox_; }

    weir::time_point at = t0;
    fake_transport line;
    std::vector<weir::time_point> timers;  ///< every set_timer(), in order
    weir::time_point timer = weir::never;  ///< the one that is set
    bool turn_end_wanted = false;
    observations seen;
    std::string last_chunk, heartbeat = "(beat)";
    std::vector<std::string> misuse;

    /// Called for each piece of bytes that is taken, and for each drop, in the middle of it.
    std::function<void(std::string_view)> on_taken;
    std::function<void(const weir::messages_dropped&)> on_dropped;
    std::function<void()> on_heartbeat;

private:
    std::pair<recording_waiter*, operation> make(waiter::kind what, recording_waiter::hook done = {}) {
        auto out = std::make_shared<completion>();
        return {new recording_waiter{what, out, completions_, std::move(done)}, out};
    }
    void forbid(bool condition, const char* what) const {
        if (condition) const_cast<fake_session*>(this)->misuse.emplace_back(what);
    }

    // ---- session_host ----

    weir::time_point now() const noexcept override { return at; }

    std::size_t write(std::span<const weir::bytes_view> pieces, weir::error_code& ec) noexcept override {
        forbid(pieces.empty(), "a write of nothing");
        forbid(line.closed != 0, "a write after the end");
        forbid(line.send_shut, "a write after the goodbye");
        forbid(line.wants_writable, "a write while the transport is known to be blocked");
        std::string offered;
        for (const weir::bytes_view piece : pieces) {
            forbid(piece.empty(), "an empty piece");
            offered += weir::as_text(piece);
        }
        line.writes.push_back(offered.size());
        if (line.failure) return ec = line.failure, 0;
        if (line.buffered != 0) return write_buffered(offered);
        offered.resize(std::min(offered.size(), line.room));
        if (line.room != fake_transport::unlimited) line.room -= offered.size();
        line.output += offered;
        if (on_taken) on_taken(offered);
        return offered.size();
    }
    std::size_t write_buffered(std::string& offered) {
        if (!line.in_flight.empty()) return 0;
        offered.resize(std::min(offered.size(), line.buffered));
        line.in_flight = offered;
        if (on_taken) on_taken(offered);
        return offered.size();
    }
    void wait_writable() override {
        forbid(std::exchange(line.wants_writable, true), "waiting twice for writability");
        forbid(line.closed != 0, "waiting after the end");
    }
    std::size_t in_flight() const noexcept override { return line.in_flight.size(); }
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
    }

    bool by_key() const noexcept override { return policies_.by_key(); }
    weir::admission decide(const weir::outbox_facts& facts) noexcept override {
        return policies_.backpressure()(facts);
    }
    weir::heartbeat_decision decide(const weir::liveness& facts) noexcept override {
        return policies_.heartbeat()(facts);
    }
    weir::stall_decision decide(const weir::progress& facts) noexcept override {
        forbid(facts.bytes_unsent == 0, "a stall with nothing to write");
        return policies_.stall()(facts);
    }

    void observe(const weir::session_opened& what) noexcept override {
        ++seen.opened;
        policies_.observer()(what);
    }
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

    std::string_view heartbeat_message() const noexcept override { return heartbeat; }
    std::string_view farewell() const noexcept override { return last_chunk; }

    weir::policy_set<Policies...> policies_;
    int completions_ = 0;
};

template <class... Policies>
fake_session(Policies...) -> fake_session<Policies...>;
template <class... Policies>
fake_session(salt, Policies...) -> fake_session<Policies...>;

}  // namespace test
