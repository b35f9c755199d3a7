// SPDX-License-Identifier: BSL-1.0
#pragma once

// Sessions to be tested without a protocol's rules: a protocol that says what the test tells it, and the event stream.

#include <weir/policy/heartbeat.hpp>
#include <weir/session/session.hpp>
#include <weir/session/sse_session.hpp>
#include <weir/session/waiter.hpp>
#include <weir/time.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "support/fake_host.hpp"

namespace test {

/// A message that is its text.
struct text_message {
    std::string_view text;

    std::size_t size() const noexcept { return text.size(); }
    char* write(char* out) const noexcept { return out + text.copy(out, text.size()); }
};

/// As little of a protocol as a session needs.
class plain_protocol : public weir::detail::session {
public:
    using default_heartbeat = weir::comment_every;

    std::string last_chunk, heartbeat = "(beat)";
    std::string received;  ///< all that came
    weir::detail::parting parting = weir::detail::parting::unspoken;
    bool answers = true;                     ///< the peer's silence says something
    bool leaves_first = false;               ///< the peer closes before this side
    bool beats = true;                       ///< a heartbeat can be queued
    weir::time_point last_asked{};           ///< the heartbeat that the peer has to answer
    weir::time_point look_at = weir::never;  ///< the protocol's own deadline
    int coming = 0;                          ///< turns for which more is coming
    int looks = 0, ends = 0, drains = 0, turns = 0;

    using session::cork;
    using session::excuse_silence;
    using session::finish;
    using session::queue_urgent;
    using session::request_turn;

protected:
    explicit plain_protocol(std::uint8_t salt) noexcept : session(salt) {}
    ~plain_protocol() = default;

private:
    void read(weir::mutable_bytes_view bytes) override { received += weir::as_text(bytes); }
    void push_pending(const weir::detail::pending_message& m) override { push(m, m.key); }
    bool queue_heartbeat(weir::time_point) override {
        if (beats) queue_control(heartbeat);
        return beats;
    }
    bool more_is_coming() noexcept override { return coming-- > 0; }
    weir::time_point last_heartbeat() const noexcept override { return last_asked; }
    void queue_farewell() override { queue_control(last_chunk); }
    weir::wire_form feed_form() const noexcept override { return weir::wire_form::sse_plain; }
    weir::detail::parting peer_parting() const noexcept override { return parting; }
    bool peer_answers() const noexcept override { return answers; }
    bool peer_closes_first() const noexcept override { return leaves_first; }
    weir::time_point look_at_protocol(weir::time_point) override { return ++looks, look_at; }
    void on_ended() override { ++ends; }
    void on_drained() override { ++drains; }
    void on_turn() override { ++turns; }
};

/// A session that sends text.
template <class Protocol, class... Policies>
class text_session : public fake_host<Protocol, Policies...> {
public:
    using fake_host<Protocol, Policies...>::fake_host;

    /// Opens without a response head, so that the output is nothing but messages.
    text_session& opened(std::string_view head = {}) {
        this->open(head);
        this->end_turn();
        return *this;
    }
    weir::error send(std::string_view text, std::string_view key = {}) {
        return Protocol::send(text_message{text}, key);
    }
    operation async_send(std::string_view text, std::string_view key = {}, completion_hook done = {}) {
        auto [w, out] = this->make(waiter::kind::send, std::move(done));
        w->message.reset(new weir::detail::pending_message{std::string{text}, std::string{key}});
        this->start_send(*w);
        return out;
    }
};

template <class... Policies>
class fake_session final : public text_session<plain_protocol, Policies...> {
public:
    using text_session<plain_protocol, Policies...>::text_session;
};
template <class... Policies>
fake_session(Policies...) -> fake_session<Policies...>;
template <class... Policies>
fake_session(salt, Policies...) -> fake_session<Policies...>;

/// An event stream.
template <class... Policies>
class fake_sse final : public text_session<weir::detail::sse_session, Policies...> {
public:
    using text_session<weir::detail::sse_session, Policies...>::text_session;
    using weir::detail::sse_session::framing_;
};
template <class... Policies>
fake_sse(Policies...) -> fake_sse<Policies...>;
template <class... Policies>
fake_sse(salt, Policies...) -> fake_sse<Policies...>;

}  // namespace test
