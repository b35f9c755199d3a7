// SPDX-License-Identifier: BSL-1.0
#pragma once

// A session on which both sides speak: a WebSocket, and what it receives. Layer: session. RFC 6455 §5 to §7

#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/exceptions.hpp>
#include <weir/policy/heartbeat.hpp>
#include <weir/policy/observer.hpp>
#include <weir/session/inbox.hpp>
#include <weir/session/waiter.hpp>
#include <weir/session/ws_sender.hpp>
#include <weir/time.hpp>
#include <weir/ws/close_code.hpp>
#include <weir/ws/connection.hpp>
#include <weir/ws/event.hpp>
#include <weir/ws/message.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::detail {

/// What the application has called by itself, instead of waiting for it.
struct ws_handlers {
    std::function<void(ws::message_view)> on_message{};
    std::function<void(std::string_view)> on_pong{};
    std::function<void()> on_drained{};
};

/// Receives in the application's order: what a message makes it send goes out before the end that the peer announces
/// behind that message. Calls the application in on_received() and at the end of a turn, nowhere else.
class ws_session : public ws_sender {
public:
    using default_heartbeat = ping_every;

    /// Completes the waiter with the next message, or with the end.
    void start_receive(receive_waiter& w);
    /// Replaces the handlers. Messages received before go to on_message soon.
    void handle_with(ws_handlers handlers);
    const ws_handlers& handlers() const noexcept;
    /// Calls none of them any more.
    void forget_handlers() noexcept;
    /// Messages have come that nobody has taken. They can be received after the end, too.
    bool messages_waiting() const noexcept { return inbox_ && inbox_->waiting() != 0; }
    /// Takes no messages from the peer until told otherwise.
    void pause(bool paused);

    /// What the peer's close frame said; abnormal: none has come. Valid as long as the session.
    ws::close_reason peer_reason() const noexcept;

    static const ws::connection_options& default_options() noexcept {
        static const ws::connection_options options{.close_timeout = milliseconds{0}};
        return options;
    }

protected:
    explicit ws_session(std::uint8_t salt) noexcept
        : ws_sender(salt, ws::connection{ws::role::server, default_options(), {}}) {}
    ~ws_session() = default;

    /// Begins after the handshake. `head` is written first; `received` came behind the peer's.
    void begin(ws::connection connection, std::string_view head, std::string_view received);
    /// Destroys the application's handlers, uncalled.
    void drop_handlers() noexcept { called_.reset(); }

private:
    // How long the end waits for the application to take what came before it.
    static constexpr milliseconds end_patience{5'000};

    enum class ending : std::uint8_t {
        none,
        announced,  // the peer has closed or failed; the application has still to deal with what came before
        done,       // and has been told
    };

    struct called_back {
        std::unique_ptr<const ws_handlers> current;
        std::vector<std::unique_ptr<const ws_handlers>> retired;  // one of them may be running
        bool drained = false;                                     // on_drained is to be called
    };

    struct closed_by_peer {
        ws::close_code code;
        std::string text;
    };

    void read(mutable_bytes_view bytes) final;
    void process(mutable_bytes_view bytes);
    void count_received(const ws::event& e, std::size_t bytes);
    void handle(const ws::event& e);
    void take_message(const ws::event& e);
    void announce_end();
    template <class Handler, class... Args>
    void call(const Handler& handler, const Args&... args);
    void hand_out();
    void hand_to_handler();
    void go_on();
    void end_if_dealt_with();
    void end_now();
    bool is_full() const noexcept;
    bool keeps_messages() noexcept;
    void read_or_pause();
    inbox& incoming();

    parting peer_parting() const noexcept final;
    bool peer_answers() const noexcept final { return reading_ && ending_ == ending::none; }
    bool peer_closes_first() const noexcept final { return connection_.is_client() && connection_.close_received(); }
    time_point look_at_protocol(time_point at) final;
    void on_closing() final;
    void on_ended() final;
    void on_drained() final;
    bool more_is_coming() noexcept final { return state() == phase::open && inbox_ && inbox_->is_being_emptied(); }
    void on_turn() final;

    std::unique_ptr<inbox> inbox_;
    std::unique_ptr<called_back> called_;
    std::unique_ptr<closed_by_peer> peer_;
    time_point end_by_ = never;
    ending ending_ = ending::none;
    bool paused_ = false;        // by the application
    bool undecided_ = false;     // a message in pieces has ended; whoever asks for the next one says how it is read
    bool reading_ = true;        // what read_on() was last told
    bool listens_ = false;       // while closing: the application goes on receiving
    bool calling_ = false;       // a handler runs: it must not be destroyed, nor another one called
    bool turn_put_off_ = false;  // until it has returned
    bool deaf_ = false;          // a message that came while closing was lost, and so are all behind it
};

// An exception of the application's ends the session: what it made of the message is not known.
template <class Handler, class... Args>
void ws_session::call(const Handler& handler, const Args&... args) {
    const bool nested = std::exchange(calling_, true);
    const auto failure = caught([&] { handler(args...); });
    calling_ = nested;
    if (!calling_ && std::exchange(turn_put_off_, false)) request_turn();
    if (!failure) return;
    terminate(error::closed);
    std::rethrow_exception(failure);
}

}  // namespace weir::detail

#include WEIR_BODIES(weir/session/ws_session.ipp)
