// SPDX-License-Identifier: BSL-1.0
#pragma once

// How a session ended, for a test that waits on another thread than the session's.

#include <weir/error.hpp>
#include <weir/policy/observer.hpp>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

namespace test {

/// Tells another thread how a session ended.
class end_of_session {
public:
    void tell(weir::error_code reason) noexcept {
        const std::scoped_lock lock{mutex_};
        reason_ = reason;
        told_.notify_all();
    }
    std::optional<weir::error_code> wait() {
        std::unique_lock lock{mutex_};
        told_.wait_for(lock, std::chrono::seconds{60}, [&] { return reason_.has_value(); });
        return reason_;
    }

private:
    std::mutex mutex_;
    std::condition_variable told_;
    std::optional<weir::error_code> reason_;
};

struct end_observer {
    end_of_session* to;

    void operator()(const weir::session_closed& what) const noexcept { to->tell(what.reason); }
    void operator()(const auto&) const noexcept {}
};

}  // namespace test
