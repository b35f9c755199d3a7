// SPDX-License-Identifier: BSL-1.0

// Whatever a server answers, on connection after connection, the client reports the same however it is cut, stays
// within its limits, and never does again what is over. The first byte chooses the settings; 0xff ends a connection.

#include <weir/session/sse_client_session.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

using namespace weir;
using session = detail::sse_client_session;
using step = session::step;
using state = session::state;

void require(bool holds) {
    if (!holds) std::abort();
}

/// Yields each byte twice, the second time with an empty input.
class twice final : public http::content_decoding {
    class decoder final : public http::content_decoder {
        status next(std::string_view& in) override {
            again_ = !again_ && !piece_.empty();
            if (again_) return status::data;
            piece_.assign(in.substr(0, 1));
            in.remove_prefix(piece_.size());
            return piece_.empty() ? status::need_more : status::data;
        }
        std::string_view data() const noexcept override { return piece_; }
        weir::error error() const noexcept override { return weir::error::none; }

        std::string piece_;
        bool again_ = false;
    };

    std::string_view coding() const noexcept override { return "gzip"; }
    std::unique_ptr<http::content_decoder> make() const override { return std::make_unique<decoder>(); }
};

detail::sse_client_settings settings_of(unsigned choice) {
    detail::sse_client_settings how;
    how.reconnect = exponential_backoff{.max_attempts = (choice & 1) != 0 ? 2U : 0U};
    how.retry_server_errors = (choice & 2) != 0;
    if ((choice & 4) != 0) how.reconnect_to = sse_reconnect_to::final_url;
    if ((choice & 8) != 0) how.decoding = std::make_shared<twice>();
    if ((choice & 16) != 0) how.body = "ask";
    if ((choice & 32) != 0) how.end_marker = "[DONE]";
    if ((choice & 64) != 0) how.error_event = "error";
    if ((choice & 128) != 0) how.limits = {.max_line_bytes = 64, .max_event_bytes = 96};
    how.fields = {{"Authorization", "secret"}};
    how.max_redirects = 3;
    how.head_limits = {.max_head_bytes = 512, .max_fields = 8};
    return how;
}

class client {
public:
    explicit client(unsigned choice) : session_{settings_of(choice)} {
        require(session_.start("http://a.example/x") == error::none);
    }

    bool over() const { return session_.current_state() == state::closed; }
    std::string take_report() { return std::move(report_); }

    /// A connection on which `bytes` come, `size` at a time; the end, if it has one.
    void connect(std::string_view bytes, std::size_t size) {
        if (session_.current_state() == state::waiting) {
            now_ = session_.retry_at();
            require(session_.retry_now());
        }
        require(session_.current_state() == state::connecting && session_.retry_at() == never);
        require(session_.prepare(now_) == step::need_more);
        check_request();
        while (!bytes.empty()) {
            const std::vector<char> memory(bytes.begin(),
                                           bytes.begin() + static_cast<std::ptrdiff_t>(std::min(size, bytes.size())));
            bytes.remove_prefix(memory.size());
            if (!receive({memory.data(), memory.size()})) return;
        }
        note(session_.connection_ended({}, now_));
    }

private:
    /// False: the connection is dropped.
    bool receive(std::string_view in) {
        for (;;) {
            const step taken = session_.receive(in, now_);
            note(taken);
            if (taken == step::need_more) return require(in.empty()), true;
            if (taken == step::opened || taken == step::event) continue;
            if (taken != step::redirected) return false;
            check_request();  // goes on as if the other server had answered on
        }
    }

    void check_request() const {
        const auto request = session_.request();
        require(request.ends_with("\r\n\r\n") || request.ends_with("\r\n\r\nask"));
        const bool is_home = request.find("\r\nHost: a.example\r\n") != std::string_view::npos;
        const bool has_secret = request.find("\r\nAuthorization: secret\r\n") != std::string_view::npos;
        require(is_home || !has_secret);
    }

    void note(step taken) {
        switch (taken) {
            case step::need_more: return;
            case step::opened: report_ += "\nopen " + std::string{session_.origin()}; return;
            case step::event: return note(session_.event());
            case step::redirected: report_ += "\nto " + http::to_string(session_.target()); return;
            case step::lost:
                require(session_.current_state() == state::waiting && session_.retry_at() >= now_);
                report_ += "\nlost " + session_.loss().message() + std::to_string(session_.delay().count());
                return note_failure();
            case step::closed:
                require(over() && !session_.retry_now());
                report_ += "\nclosed " + session_.end_reason().message();
                return note_failure();
        }
    }

    void note(const sse::decoded_event& event) {
        require(session_.current_state() == state::open && event.id == session_.last_event_id());
        report_.append("\n").append(event.event).append("|").append(event.data).append("|").append(event.id);
    }

    void note_failure() {
        require(session_.failure().text.size() <= 8192);
        report_ += "|" + std::to_string(session_.failure().status) + "|" + session_.failure().text;
        report_.append("|").append(session_.last_event_id());
    }

    session session_;
    time_point now_{std::chrono::hours{1}};
    std::string report_;
};

std::string play(std::string_view script, unsigned choice, std::size_t size) {
    client one{choice};
    for (int i = 0; i < 16 && !one.over(); ++i) {
        const auto answers = script.substr(0, script.find('\xff'));
        one.connect(answers, size);
        script.remove_prefix(std::min(script.size(), answers.size() + 1));
    }
    return one.take_report();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view script{reinterpret_cast<const char*>(data) + 1, size - 1};
    const auto whole = play(script, data[0], std::string_view::npos);
    for (const std::size_t piece : {1U, 2U, 7U}) require(play(script, data[0], piece) == whole);
    return 0;
}
