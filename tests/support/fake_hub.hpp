// SPDX-License-Identifier: BSL-1.0
#pragma once

// A hub whose event loops turn when the test says so, and clients of every kind on scripted transports, in virtual
// time.

#include <weir/bytes.hpp>
#include <weir/error.hpp>
#include <weir/policy/any_policy.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/policy/lag.hpp>
#include <weir/policy/stall.hpp>
#include <weir/session/fan_out.hpp>
#include <weir/session/hub_core.hpp>
#include <weir/session/hub_shard.hpp>
#include <weir/session/memory_store.hpp>
#include <weir/session/subscriber.hpp>
#include <weir/session/write_batch.hpp>
#include <weir/sse/decoder.hpp>
#include <weir/sse/encoder.hpp>
#include <weir/time.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/fake_host.hpp"
#include "support/fake_session.hpp"
#include "support/fake_websocket.hpp"

namespace test {

using weir::subscribed;
using weir::detail::subscriber;

// ---- what is on a wire ----

enum class kind : std::uint8_t { sse_plain, sse_chunked, websocket, deflated, deflated_with_history };
inline constexpr std::array all_kinds{kind::sse_plain, kind::sse_chunked, kind::websocket, kind::deflated,
                                      kind::deflated_with_history};
constexpr bool is_sse(kind k) noexcept { return k <= kind::sse_chunked; }

/// What a client makes of one frame, chunk or block.
struct arrival {
    std::string text;  ///< the message, or what else it is: (beat) (ping) (pong) (end) (close 1000) (piece ...)
    std::string event{}, id{};
    std::size_t size = 0;  ///< on the wire

    bool is_message() const noexcept { return !text.starts_with('('); }
};

/// Reads a server's bytes as its client does, one frame after another, however they are cut.
class wire_reader {
public:
    explicit wire_reader(kind k) : kind_(k) {}

    /// The first of them, which is taken off `wire`; nothing: it is not all there.
    std::optional<arrival> next(std::string_view& wire) {
        const std::size_t before = wire.size();
        auto found = is_sse(kind_) ? next_block(wire) : next_frame(wire);
        if (found) found->size = before - wire.size();
        return found;
    }

private:
    std::optional<arrival> next_block(std::string_view& wire) {
        if (kind_ == kind::sse_plain) {
            const auto end = wire.find("\n\n");
            if (end == wire.npos) return {};
            const auto block = wire.substr(0, end + 2);
            wire.remove_prefix(block.size());
            return read_block(block);
        }
        const auto line = wire.find("\r\n");
        if (line == wire.npos) return {};
        std::size_t size = 0;
        const auto parsed = std::from_chars(wire.data(), wire.data() + line, size, 16);
        if (parsed.ptr != wire.data() + line || wire.size() < line + 2 + size + 2) return {};
        const auto block = wire.substr(line + 2, size);
        const bool whole = wire.substr(line + 2 + size, 2) == "\r\n";
        wire.remove_prefix(line + 2 + size + 2);
        if (!whole) return arrival{"(bad chunk)"};
        return size == 0 ? arrival{"(end)"} : read_block(block);
    }
    arrival read_block(std::string_view block) {
        if (block == ":\n\n") return {"(beat)"};
        std::vector<arrival> events;
        events_.feed(block, [&](const weir::sse::decoded_event& e) {
            events.push_back(
                {std::string{e.data}, e.event == "message" ? "" : std::string{e.event}, std::string{e.id}});
        });
        return events.size() == 1 ? events[0] : arrival{"(bad block)"};
    }
    std::optional<arrival> next_frame(std::string_view& wire) {
        const auto [consumed, header, error] =
            weir::ws::decode_header(weir::as_bytes(wire), {.masked = false, .allowed_reserved = weir::ws::reserved_1});
        if (error != weir::error::none) return wire.remove_prefix(wire.size()), arrival{"(fault)"};
        if (consumed == 0 || wire.size() - consumed < header.payload_size) return {};
        const auto payload = wire.substr(consumed, header.payload_size);
        wire.remove_prefix(consumed + payload.size());
        const auto code = [&] { return std::to_string(static_cast<int>(decode_code(payload))); };
        switch (header.code) {
            case opcode::ping: return arrival{"(ping)"};
            case opcode::pong: return arrival{"(pong)"};
            case opcode::close: return arrival{payload.empty() ? "(close)" : "(close " + code() + ")"};
            case opcode::continuation: return arrival{"(piece " + inflated(payload, false) + ")"};
            default: break;
        }
        const std::string text = inflated(payload, header.reserved != 0);
        return header.fin ? arrival{text} : arrival{"(piece " + text + ")"};
    }
    static weir::ws::close_code decode_code(std::string_view payload) {
        return weir::ws::decode_close(weir::as_bytes(payload)).reason.code;
    }
    std::string inflated(std::string_view payload, bool compressed) {
        if (!compressed) return std::string{payload};
        std::string out;
        const auto error = codec_.inflate(weir::as_bytes(payload), true, out, 1 << 20);
        return error == weir::error::none ? out : "(bad deflate)";
    }

    kind kind_;
    weir::sse::decoder events_;
    chaining_codec codec_;  // the client's: it has received what the server's refers to, or fails
};

// ---- clients ----

struct client_options {
    weir::any_heartbeat heartbeat = weir::no_heartbeat{};
    weir::any_backpressure backpressure = weir::refuse{};
    weir::milliseconds patience{};  ///< how long it may take nothing; 0: for ever
};

/// A session of any kind.
class client {
public:
    explicit client(kind k) : kind_(k) {}
    client(const client&) = delete;
    client& operator=(const client&) = delete;
    virtual ~client() = default;

    virtual weir::detail::session& session() noexcept = 0;
    virtual fake_transport& line() noexcept = 0;
    virtual observations& seen() noexcept = 0;
    virtual weir::session_stats stats() noexcept = 0;
    /// Its own time, which in advance() comes by every deadline.
    virtual weir::time_point now() const noexcept = 0;
    /// See fake_host.
    virtual void take(std::size_t bytes) = 0;
    virtual void wake_in_vain() = 0;
    virtual void end_turn() = 0;
    virtual bool wants_turn() noexcept = 0;
    virtual void advance(weir::duration time) = 0;
    virtual void on_taken(std::function<void(std::string_view)> call) = 0;
    virtual void on_dropped(std::function<void(const weir::messages_dropped&)> call) = 0;
    /// Sends directly, past any hub.
    virtual weir::error send(std::string_view text) = 0;
    /// A heartbeat is due: a ping, or a comment.
    virtual void beat() = 0;

    kind what() const noexcept { return kind_; }
    void settle() {
        for (int turns = 0; wants_turn(); ++turns) {
            REQUIRE(turns < 1000);
            end_turn();
        }
    }
    /// From now on the transport takes so much, and then nothing.
    void limit(std::size_t bytes) { line().room = bytes; }
    void unblock() {
        take(fake_transport::unlimited);
        settle();
    }
    /// The connection breaks.
    void vanish() { session().on_peer_closed(); }
    void close(weir::error reason = weir::error::none) { session().close(reason); }

    std::vector<arrival> arrivals() {
        wire_reader reader{kind_};
        std::string_view rest = line().output;
        std::vector<arrival> all;
        while (auto next = reader.next(rest)) all.push_back(std::move(*next));
        if (!rest.empty()) all.push_back({"(...)"});
        return all;
    }
    /// What has arrived, in words: `one two event=three (beat) (...)`, the last for what is not all there.
    std::string words() {
        std::string out;
        for (const arrival& a : arrivals()) {
            if (!out.empty()) out += ' ';
            out += a.event.empty() ? a.text : a.event + '=' + a.text;
        }
        return out;
    }
    /// The last id in what has arrived.
    std::string last_id() {
        std::string id;
        for (const arrival& a : arrivals()) id = a.id.empty() ? id : a.id;
        return id;
    }
    std::size_t writes() { return line().writes.size(); }

private:
    const kind kind_;
};

/// Beats when a test says so, too.
struct beating {
    std::shared_ptr<bool> due;
    weir::any_heartbeat otherwise;

    weir::heartbeat_decision operator()(const weir::liveness& facts) const noexcept {
        if (std::exchange(*due, false)) return weir::beat{};
        return otherwise(facts);
    }
};

template <class Session>
class client_with : public client {
public:
    client_with(kind k, client_options o)
        : client(k),
          session_(beating{due_, std::move(o.heartbeat)}, std::move(o.backpressure), weir::stall_after{o.patience}) {}

    weir::detail::session& session() noexcept override { return session_; }
    fake_transport& line() noexcept override { return session_.line; }
    observations& seen() noexcept override { return session_.seen; }
    weir::session_stats stats() noexcept override { return session_.stats(); }
    weir::time_point now() const noexcept override { return session_.at; }
    void take(std::size_t bytes) override { session_.take(bytes); }
    void wake_in_vain() override { session_.wake_in_vain(); }
    void end_turn() override { session_.end_turn(); }
    bool wants_turn() noexcept override { return session_.turn_end_wanted; }
    void advance(weir::duration time) override { session_.advance(time); }
    void on_taken(std::function<void(std::string_view)> call) override { session_.on_taken = std::move(call); }
    void on_dropped(std::function<void(const weir::messages_dropped&)> call) override {
        session_.on_dropped = std::move(call);
    }
    void beat() override {
        *due_ = true;
        session_.ring();
    }
    Session& operator*() noexcept { return session_; }

private:
    std::shared_ptr<bool> due_ = std::make_shared<bool>(false);

protected:
    Session session_;
};

using sse_base = fake_sse<beating, weir::any_backpressure, weir::stall_after>;
using ws_base = fake_websocket<beating, weir::any_backpressure, weir::stall_after>;

class sse_client final : public client_with<sse_base> {
public:
    sse_client(kind k, client_options o) : client_with(k, std::move(o)) {
        session_.framing_ = framing();
        session_.opened();
    }
    weir::error send(std::string_view text) override {
        return session_.send(weir::sse::encode({.data = text}, framing()));
    }

private:
    weir::sse::framing framing() const noexcept {
        return what() == kind::sse_chunked ? weir::sse::framing::chunked : weir::sse::framing::plain;
    }
};

class ws_client final : public client_with<ws_base> {
public:
    ws_client(kind k, client_options o) : client_with(k, std::move(o)) {
        session_.opened(role::server, k == kind::websocket
                                          ? nullptr
                                          : std::make_unique<chaining_codec>(k == kind::deflated_with_history));
    }
    weir::error send(std::string_view text) override { return session_.send(text, {}); }
};

inline std::unique_ptr<client> make_client(kind k, client_options o = {}) {
    if (is_sse(k)) return std::make_unique<sse_client>(k, std::move(o));
    return std::make_unique<ws_client>(k, std::move(o));
}

// ---- the hub ----

class fake_core final : public weir::detail::hub_core {
public:
    using hub_core::hub_core;

    std::vector<const weir::detail::message_sink*> unused;  ///< every on_unused()

private:
    void on_unused(weir::detail::message_sink& by) noexcept override { unused.push_back(&by); }
};

/// Tries each write of a batch by the session that it is of.
class fake_batch final : public weir::write_batch {
public:
    using find_client = std::function<client&(int)>;

    explicit fake_batch(find_client find) : find_(std::move(find)) {}

    void perform(std::span<weir::batched_write> writes) noexcept override {
        sizes.push_back(writes.size());
        std::set<int> named;
        for (weir::batched_write& w : writes) {
            if (!named.insert(w.descriptor).second) misused = true;
            weir::error_code ec;
            w.taken = find_(w.descriptor).session().write_at_once(w.pieces, ec);
            w.error = ec.value();
        }
    }

    std::vector<std::size_t> sizes;  ///< writes, per call
    bool misused = false;            ///< a descriptor was named twice

private:
    find_client find_;
};

class fake_shard final : public weir::detail::hub_shard {
public:
    fake_shard(std::shared_ptr<weir::detail::hub_core> core, std::unique_ptr<weir::write_batch> batch,
               const weir::time_point& clock)
        : hub_shard(std::move(core), std::move(batch)), clock_(clock) {}

    weir::time_point now() const noexcept override { return clock_; }
    /// The turn that was asked for, if one was. False: none.
    bool run() {
        if (!std::exchange(wanted, false)) return false;
        turn();
        return true;
    }

    bool wanted = false;
    int wakes = 0;
    bool misused = false;  ///< woken twice for one turn

private:
    void wake() override {
        misused = misused || wanted;
        wanted = true;
        ++wakes;
    }
    weir::error_code system_error(int number) const noexcept override {
        return {number, WEIR_SYSTEM::generic_category()};
    }

    const weir::time_point& clock_;
};

struct hub_setup {
    weir::history_limits history{};
    bool with_ids = true;
    weir::any_lag lag = weir::skip_oldest{};
    std::function<void(const weir::presence_change&)> on_presence{};
    std::function<std::string(const weir::published_message&)> websocket_payload{};
    std::size_t shards = 1;
    bool batched = false;
};

class fake_hub {
public:
    explicit fake_hub(hub_setup setup = {})
        : core_(std::make_shared<fake_core>(
              weir::detail::any_store{weir::memory_store{setup.history, "epoch"}},
              weir::message_format{.with_ids = setup.with_ids, .websocket_payload = std::move(setup.websocket_payload)},
              weir::detail::hub_settings{.lag = std::move(setup.lag), .on_presence = std::move(setup.on_presence)})) {
        for (std::size_t i = 0; i != setup.shards; ++i) {
            std::unique_ptr<fake_batch> batch;
            if (setup.batched) batch = std::make_unique<fake_batch>([this](int d) -> client& { return *by_number(d); });
            batches_.push_back(batch.get());
            shards_.push_back(std::make_shared<fake_shard>(core_, std::move(batch), at_));
        }
    }
    fake_hub(const fake_hub&) = delete;
    fake_hub& operator=(const fake_hub&) = delete;
    ~fake_hub() {
        for (const auto& s : shards_) CHECK_FALSE(s->misused);
        for (const fake_batch* b : batches_) CHECK((b == nullptr || !b->misused));
        clients_.clear();
    }

    fake_core& core() noexcept { return *core_; }
    fake_shard& shard(std::size_t i = 0) noexcept { return *shards_[i]; }
    fake_batch& batch(std::size_t i = 0) noexcept { return *batches_[i]; }
    std::size_t shards() const noexcept { return shards_.size(); }
    weir::time_point now() const noexcept { return at_; }

    /// One more client, on one of the loops.
    client& add(kind k = kind::sse_plain, client_options o = {}, std::size_t shard = 0) {
        clients_.push_back({make_client(k, std::move(o)), shard});
        client& c = *clients_.back().who;
        c.advance(at_ - t0);
        if (batches_[shard] != nullptr) c.line().descriptor = static_cast<int>(clients_.size() - 1);
        return c;
    }
    /// It is destroyed.
    void remove(client& c) {
        const auto found = std::ranges::find_if(clients_, [&](const auto& m) { return m.who.get() == &c; });
        found->who.reset();
    }

    subscribed subscribe(client& c, std::vector<std::string_view> topics, const weir::subscribe_options& o = {}) {
        const auto wanted = weir::topic_set::parse(topics);
        REQUIRE(wanted.has_value());
        if (c.session().fed() == nullptr) {
            c.session().attach(std::make_unique<subscriber>(c.session(), shards_[shard_of(c)]));
        }
        const subscribed how = of(c).subscribe(*wanted, o, at_);
        c.session().request_feeding();
        return how;
    }
    subscriber& of(client& c) noexcept { return static_cast<subscriber&>(*c.session().fed()); }

    std::uint64_t publish(std::string_view topic, std::string_view data, weir::hub_event e = {}) {
        e.data = data;
        return core_->publish(topic, e, at_);
    }
    void publish_all(std::string_view topic, std::initializer_list<std::string_view> data) {
        for (const auto d : data) publish(topic, d);
    }

    /// One turn of each loop that wants one, with what its clients do at their end, until none wants any.
    void run() {
        for (int turns = 0;; ++turns) {
            REQUIRE(turns < 1000);
            bool any = false;
            for (const auto& s : shards_) any = s->run() || any;
            settle();
            if (!any) return;
        }
    }
    void settle() {
        for (const auto& m : clients_) {
            if (m.who) m.who->settle();
        }
    }
    void publish_and_run(std::string_view topic, std::string_view data, weir::hub_event e = {}) {
        publish(topic, data, e);
        run();
    }
    void advance(weir::duration time) {
        at_ += time;
        for (const auto& m : clients_) {
            if (m.who) m.who->advance(time);
        }
    }
    std::string id(std::uint64_t sequence) const { return core_->id_of(sequence); }

private:
    struct member {
        std::unique_ptr<client> who;
        std::size_t shard;
    };

    client* by_number(int descriptor) { return clients_[static_cast<std::size_t>(descriptor)].who.get(); }
    std::size_t shard_of(const client& c) const {
        return std::ranges::find_if(clients_, [&](const auto& m) { return m.who.get() == &c; })->shard;
    }

    weir::time_point at_ = t0;
    std::shared_ptr<fake_core> core_;
    std::vector<fake_batch*> batches_;
    std::vector<std::shared_ptr<fake_shard>> shards_;
    std::vector<member> clients_;
};

}  // namespace test
