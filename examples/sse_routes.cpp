// SPDX-License-Identifier: BSL-1.0

// Routes and their options: a log that readers resume, an answer that is streamed to a POST, work on another thread,
// and plain responses. Run it, then:
//
//     curl -d 'first entry' http://127.0.0.1:8080/log
//     curl -N -H 'X-Api-Key: open sesame' -H 'Last-Event-ID: 0' http://127.0.0.1:8080/log/events
//     curl -N -d 'say this again' http://127.0.0.1:8080/answers
//     curl -N http://127.0.0.1:8080/report

#include <weir/server.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;

// ---- A log that readers resume: an entry's id is its place, from 1 on ----

weir::awaitable<void> follow(weir::sse_session out, const std::vector<std::string>& log) {
    // What the client says is checked, not trusted.
    std::size_t next = std::min<std::size_t>(out.last_event_id().number().value_or(0), log.size());
    for (;;) {
        for (; next < log.size(); ++next) co_await out.async_send({.id = weir::event_id(next + 1), .data = log[next]});
        co_await out.async_sleep(100ms);
    }
}

// EventSource can send a cookie but no field; fetch() can send both.
std::optional<weir::response> members_only(const weir::request& request) {
    if (request.header("X-Api-Key") == "open sesame") return std::nullopt;
    return weir::response{.status = 401, .body = "members only\n"};
}

// ---- An answer, token by token ----

struct model_counts {
    int finished = 0, abandoned = 0;
};

// Stands for something slow and costly that is worth stopping: it says the question again, word by word.
class model {
public:
    model(asio::any_io_executor executor, std::string_view question, model_counts& counts)
        : pause_{executor}, rest_{question}, counts_{counts} {}
    model(const model&) = delete;
    model& operator=(const model&) = delete;
    ~model() { ++(rest_.empty() ? counts_.finished : counts_.abandoned); }

    // Empty: that was all.
    asio::awaitable<std::string> async_next() {
        pause_.expires_after(20ms);
        co_await pause_.async_wait(asio::use_awaitable);
        rest_.remove_prefix(std::min(rest_.size(), rest_.find_first_not_of(' ')));
        const std::string token{rest_.substr(0, rest_.find(' '))};
        rest_.remove_prefix(token.size());
        co_return token;
    }

private:
    asio::steady_timer pause_;
    std::string_view rest_;
    model_counts& counts_;
};

weir::awaitable<void> answer(weir::sse_session out, weir::request question, model_counts& counts) {
    model upstream{out.get_executor(), question.body(), counts};
    for (;;) {
        // Whichever comes first; the other is cancelled. A reader who leaves stops the model at once.
        const auto first = co_await (upstream.async_next() || out.async_closed());
        if (first.index() == 1) co_return;
        const std::string& token = std::get<0>(first);
        if (token.empty()) break;
        co_await out.async_send({.data = token});
    }
    co_await out.async_send({.data = "[DONE]"});
}

// ---- Work on another thread, which has the session's executor and a weak pointer, and never touches the session ----

void report(weir::sse_session out, asio::thread_pool& workers) {
    const auto reader = std::make_shared<weir::sse_session>(std::move(out));
    reader->async_closed([reader](weir::error_code, weir::error_code) {});  // holds it until its reader is gone
    asio::post(workers, [executor = reader->get_executor(), weak = std::weak_ptr{reader}] {
        for (int percent = 0; percent <= 100 && !weak.expired(); percent += 25) {
            asio::post(executor, [weak, percent] {
                const auto session = weak.lock();
                if (!session) return;
                session->send({.event = "progress", .data = std::to_string(percent)});
                if (percent == 100) session->close();
            });
        }
    });
}

// sse_routes [port]; 0: the system chooses.
int main(int argc, char** argv) {
    const auto wanted = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8080);

    std::vector<std::string> log;
    model_counts counts;
    weir::server app;
    asio::thread_pool workers{1};  // after the server: joined before it goes

    app.post("/log", [&](const weir::request& request) {
        log.emplace_back(request.body());
        return weir::response{.status = 201, .body = std::to_string(log.size()) + '\n'};
    });
    app.sse("/log/events", [&](weir::sse_session out) { return follow(std::move(out), log); },
            {.allowed_origins = {"https://app.example"},
             .allowed_headers = {"X-Api-Key"},
             .retry = 2s,
             .intercept = members_only});
    app.sse("/answers",
            [&](weir::sse_session out, weir::request request) {
                return answer(std::move(out), std::move(request), counts);
            },
            {.get = false, .post = true});
    app.sse("/report", [&](weir::sse_session out) { report(std::move(out), workers); });
    app.get("/counts", [&](const weir::request&) {
        return weir::response{.body = std::to_string(counts.finished) + " finished, " +
                                      std::to_string(counts.abandoned) + " abandoned\n"};
    });

    const std::uint16_t port = app.listen({.port = wanted});
    std::printf("http://127.0.0.1:%u\n", unsigned{port});
    std::fflush(stdout);
    app.run();
}
