// SPDX-License-Identifier: BSL-1.0
#pragma once

// A weir::server that runs in a thread of the test.

#include <weir/server.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <optional>
#include <stdexcept>
#include <utility>

#include "raw_client.hpp"

namespace test {

/// How long a test waits for what must come, before it fails.
inline constexpr std::chrono::seconds patience{30};

/// The value of a future, or an exception when it does not come.
template <class T>
T value_of(std::future<T>&& from) {
    if (from.wait_for(patience) != std::future_status::ready) throw std::runtime_error("it did not happen in time");
    return from.get();
}

class running_server {
public:
    explicit running_server(weir::server_options options = {}) { app_.emplace(without_signals(std::move(options))); }
    running_server(const running_server&) = delete;
    running_server& operator=(const running_server&) = delete;
    ~running_server() {
        if (!app_) return;
        app_->stop();
        if (run_.valid()) run_.wait();
    }

    weir::server& app() { return *app_; }
    weir::server* operator->() { return &*app_; }

    /// Call once the routes are there.
    running_server& start() {
        port_ = app_->listen({.port = 0});
        run_ = std::async(std::launch::async, [this] { app_->run(); });
        return *this;
    }
    std::uint16_t port() const noexcept { return port_; }
    raw_client connect(int receive_buffer = 0) const { return raw_client{port_, receive_buffer}; }

    /// Waits for run() to return; throws what it threw.
    void join() { value_of(std::move(run_)); }
    /// Stops if it runs still, and destroys the server.
    void destroy() {
        app_->stop();
        if (run_.valid()) join();
        app_.reset();
    }

private:
    static weir::server_options without_signals(weir::server_options options) {
        options.handle_signals = false;
        return options;
    }

    std::optional<weir::server> app_;
    std::uint16_t port_ = 0;
    std::future<void> run_;
};

}  // namespace test
