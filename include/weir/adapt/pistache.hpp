// SPDX-License-Identifier: BSL-1.0
#pragma once

// Pistache as a host of event streams, on its connections and one thread beside it. Without Asio. Layer: adapt.

#include <weir/adapt/host_request.hpp>
#include <weir/bytes.hpp>
#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/exceptions.hpp>
#include <weir/http/request_view.hpp>
#include <weir/sans_io.hpp>
#include <weir/sse/handshake.hpp>
#include <weir/time.hpp>

#include <pistache/http.h>
#include <pistache/peer.h>

#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace weir::adapt {

/// The request as weir reads it. It keeps what Pistache does not have as text any more. Valid as long as `req`.
class pistache_request {
public:
    /// Copies what `req` gives away by value only.
    explicit pistache_request(const Pistache::Http::Request& req)
        : target_(req.resource() + req.query().as_str()),
          view_(Pistache::Http::methodString(req.method()), target_, version_of(req)) {
        for (const auto& [name, raw] : req.headers().rawList()) view_.add(name, values_.emplace_back(raw.value()));
        for (const auto& typed : req.headers().list()) add(*typed);
    }
    pistache_request(const pistache_request&) = delete;
    pistache_request& operator=(const pistache_request&) = delete;

    /// Valid as long as this.
    const http::request_view& view() const noexcept { return view_; }

private:
    static http::version version_of(const Pistache::Http::Request& req) {
        const bool old = req.version() == Pistache::Http::Version::Http10;
        return old ? http::version::http_1_0 : http::version::http_1_1;
    }
    // Those that Pistache knows it keeps in its own form.
    void add(const Pistache::Http::Header::Header& typed) {
        if (view_.fields.contains(typed.name())) return;
        std::ostringstream text;
        typed.write(text);
        view_.add(typed.name(), values_.emplace_back(text.str()));
    }

    std::string target_;
    std::list<std::string> values_;
    host_request view_;
};

/// The event streams of a server, all driven by one thread of its own, which begins and ends with this. It may be used
/// from any thread.
///
///     streams.open(request, response.getPeer(), [](auto& out) { out.ask(...); }, {}, weir::comment_every{15s});
///
/// weir writes the response itself, one write at a time, so that the policies see a reader that is slow. A client that
/// goes is noticed when Pistache notices, and a tenth of a second later. Pistache ends a connection on which no request
/// has come for its keep-alive timeout, streams included: set `keepaliveTimeout` on the endpoint. It must live as long
/// as handlers use it.
class pistache_streams {
public:
    /// Starts the thread.
    pistache_streams() : thread_([this] { run(); }) {}
    pistache_streams(const pistache_streams&) = delete;
    pistache_streams& operator=(const pistache_streams&) = delete;
    /// Ends all streams, at once.
    ~pistache_streams() {
        {
            const std::scoped_lock lock{shared_->mutex};
            shared_->ending = true;
            shared_->changed.notify_one();
        }
        thread_.join();
    }

    /// Answers the request, with a stream or with a refusal, on the connection it came on; the ResponseWriter is not
    /// used. `begin(machine)` is called once, before that, if it is a stream: to give it a source. Whatever is done
    /// with the machine afterwards, its source does.
    template <class Begin, class... Policies>
    void open(const Pistache::Http::Request& req, std::shared_ptr<Pistache::Tcp::Peer> peer, Begin begin,
              const sse::accept_options& options = {}, Policies... policies) {
        // A request that was sent behind one whose response has no end, or is the connection's last, has no answer.
        if (!peer || peer->tryGetData("weir")) return;
        peer->putData("weir", shared_);
        const pistache_request request{req};
        auto session = std::make_unique<sse_machine<Policies...>>(std::move(policies)...);
        if (session->accept(request.view(), clock::now(), options) == error::none) begin(*session);
        peer->setIdle(true);  // when Pistache ends the connection, it says nothing
        auto made = std::make_shared<stream>(std::move(session), std::move(peer));
        const std::scoped_lock lock{shared_->mutex};
        shared_->arrived.push_back(std::move(made));
        shared_->changed.notify_one();
    }

private:
    // How soon a client that has gone is noticed.
    static constexpr milliseconds look_again{100};

    struct stream {
        stream(std::unique_ptr<machine> made, const std::shared_ptr<Pistache::Tcp::Peer>& on)
            : session(std::move(made)), peer(on) {}

        std::unique_ptr<machine> session;
        std::weak_ptr<Pistache::Tcp::Peer> peer;
        std::size_t writing = 0;  // bytes that Pistache is at
    };

    struct ended_write {
        std::shared_ptr<stream> of;
        error_code ec;
    };

    // What Pistache's threads touch, the last of them perhaps later than this lives. A promise calls them under a lock
    // of its own: no promise is touched under this one.
    struct common {
        std::mutex mutex;
        std::condition_variable changed;
        std::vector<std::shared_ptr<stream>> arrived;
        std::vector<ended_write> written;
        bool ending = false;
    };

    void run() {
        for (time_point next = clock::now(); wait(next);) {
            const time_point now = clock::now();
            next = later(now, look_again);
            for (const auto& each : streams_) {
                // What the application has thrown ends its stream, and no other.
                if (weir::detail::caught([&] { next = std::min(next, turn(each, now)); })) {
                    each->session->abort(now);
                    end(*each);
                }
            }
            streams_.remove_if([](const auto& each) { return each->session->closed(); });
        }
        for (const auto& each : streams_) end(*each);
        const std::scoped_lock lock{shared_->mutex};
        for (const auto& each : shared_->arrived) end(*each);
    }

    // Until then, or until something has changed. False: that was all.
    bool wait(time_point until) {
        std::vector<ended_write> written;
        {
            std::unique_lock lock{shared_->mutex};
            shared_->changed.wait_until(
                lock, until, [&] { return shared_->ending || !shared_->arrived.empty() || !shared_->written.empty(); });
            if (shared_->ending) return false;
            streams_.insert(streams_.end(), shared_->arrived.begin(), shared_->arrived.end());
            shared_->arrived.clear();
            written.swap(shared_->written);
        }
        const time_point now = clock::now();
        for (const auto& [of, ec] : written) {
            const std::size_t bytes = std::exchange(of->writing, 0);
            ec ? of->session->failed(ec, now) : of->session->written(bytes, now);
        }
        return true;
    }

    // Returns when the stream is to be looked at again.
    time_point turn(const std::shared_ptr<stream>& each, time_point now) {
        machine& session = *each->session;
        const auto peer = each->peer.lock();
        if (!peer) session.peer_closed(now);
        session.on_deadline(now);
        if (each->writing == 0 && peer) write(each, *peer, session.output(now));
        if (session.wants_shutdown()) ::shutdown(peer->fd(), SHUT_WR), session.shut_down();
        if (session.closed()) end(*each);
        return session.deadline();
    }

    void write(const std::shared_ptr<stream>& each, Pistache::Tcp::Peer& peer, bytes_view out) {
        if (out.empty()) return;
        each->writing = out.size();
        const auto ended = [kept = shared_, each](error_code ec) {
            const std::scoped_lock lock{kept->mutex};
            kept->written.push_back({each, ec});
            kept->changed.notify_one();
        };
        const std::string_view text = as_text(out);
        peer.send(Pistache::RawBuffer{text.data(), text.size()}, MSG_NOSIGNAL)
            .then([ended](ssize_t) { ended({}); }, [ended](std::exception_ptr) { ended(error::peer_closed); });
    }

    static void end(stream& each) {
        if (const auto peer = each.peer.lock()) ::shutdown(peer->fd(), SHUT_RDWR);  // Pistache closes it
    }

    const std::shared_ptr<common> shared_ = std::make_shared<common>();
    std::list<std::shared_ptr<stream>> streams_;
    std::thread thread_;  // last: it uses what is above
};

}  // namespace weir::adapt
