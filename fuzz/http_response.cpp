// SPDX-License-Identifier: BSL-1.0

// A response gives the same result however it is cut; and one that is accepted, llhttp reads as the same body with the
// same end.

#include <weir/http/body_decoder.hpp>
#include <weir/http/response_parser.hpp>

#include <llhttp.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace {

using namespace weir;

void require(bool condition) {
    if (!condition) std::abort();
}

struct outcome {
    bool head = false;      // is whole
    std::string head_text;  // written out
    http::body_framing framing = {};
    bool chunked_plainly = true;  // "chunked" and nothing else, or not at all
    std::string body;
    std::size_t rest = 0;  // bytes behind the response
    bool complete = false;
    bool complete_at_end = false;
    error why = error::none;

    friend bool operator==(const outcome&, const outcome&) = default;
};

std::string write_out(const http::response_view& response) {
    auto out = std::to_string(response.status) + (response.version == http::version::http_1_0 ? " 1.0 " : " 1.1 ");
    out.append(response.reason);
    for (const auto& [name, value] : response.fields) out.append("\n").append(name).append(": ").append(value);
    return out;
}

/// Reads a response off a connection that delivers `step` bytes at a time.
class reader {
public:
    explicit reader(std::string_view method) : method_{method} {}

    outcome read(std::string_view text, std::size_t step) {
        for (; !text.empty() && !over(); text.remove_prefix(std::min(step, text.size()))) {
            auto piece = text.substr(0, step);
            result_.head ? receive_body(piece) : receive_head(piece);
            result_.rest = piece.size() + text.size() - std::min(step, text.size());
        }
        if (body_) result_.complete_at_end = body_->complete_at_end();
        if (result_.why != error::none) result_.body.clear(), result_.rest = 0;  // what came of it may differ
        return result_;
    }

private:
    bool over() const { return result_.complete || result_.why != error::none; }

    void receive_head(std::string_view& in) {
        received_ += in;
        const auto status = parser_.parse(received_);
        result_.why = parser_.error();
        if (status != http::response_parser::status::complete) return in.remove_prefix(in.size());
        in.remove_prefix(in.size() - (received_.size() - parser_.head_size()));
        const auto& response = parser_.response();
        result_.head = true;
        result_.head_text = write_out(response);
        const auto coding = response.fields.find("Transfer-Encoding");
        result_.chunked_plainly = !coding || http::equal_ignoring_case(*coding, "chunked");

        const auto [why, framing] = http::response_body_framing(response, method_);
        result_.why = why;
        if (why != error::none) return;
        result_.framing = framing;
        body_.emplace(framing,
                      http::body_limits{
                          .max_body_bytes = 4096,
                          .chunks = {.max_extension_bytes = 64, .max_trailer_bytes = 128, .max_trailer_fields = 4}});
        receive_body(in);
    }

    void receive_body(std::string_view& in) {
        const auto status = body_->feed(in, [&](std::string_view piece) { result_.body += piece; });
        result_.why = body_->error();
        result_.complete = status == http::body_decoder::status::complete;
        require(!result_.complete || body_->complete_at_end());
        require(status != http::body_decoder::status::need_more || in.empty());
        require(body_->received() == result_.body.size() || result_.why != error::none);
    }

    std::string_view method_;
    std::string received_;
    http::response_parser parser_{{.max_head_bytes = 1024, .max_fields = 10}};
    std::optional<http::body_decoder> body_;
    outcome result_;
};

struct their_outcome {
    bool head_only = false;
    std::string body = {};
    bool failed = false;
    bool complete = false;
    bool complete_at_end = false;
};

their_outcome read_with_llhttp(std::string_view text, bool head_only) {
    their_outcome out{.head_only = head_only};
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_headers_complete = [](llhttp_t* parser) {
        // 1: no body follows. Of statuses llhttp 8.1 knows that only where no field says otherwise.
        const auto& wanted = *static_cast<const their_outcome*>(parser->data);
        return wanted.head_only || http::is_bodiless(llhttp_get_status_code(parser)) ? 1 : 0;
    };
    settings.on_body = [](llhttp_t* parser, const char* at, std::size_t size) {
        static_cast<their_outcome*>(parser->data)->body.append(at, size);
        return 0;
    };
    settings.on_message_complete = [](llhttp_t* parser) {
        static_cast<their_outcome*>(parser->data)->complete = true;
        return static_cast<int>(HPE_PAUSED);
    };
    llhttp_t parser;
    llhttp_init(&parser, HTTP_RESPONSE, &settings);
    parser.data = &out;
    const auto code = llhttp_execute(&parser, text.data(), text.size());
    out.failed = code != HPE_OK && code != HPE_PAUSED;
    out.complete_at_end = out.complete;
    if (code == HPE_OK && !out.complete) {
        llhttp_finish(&parser);
        out.complete_at_end = std::exchange(out.complete, false);
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    // The first byte is the method of the request.
    constexpr auto methods = std::to_array<std::string_view>({"GET", "HEAD", "CONNECT"});
    const auto method = methods[data[0] % methods.size()];
    const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    const auto whole = reader{method}.read(text, size);
    for (const std::size_t step : {1U, 2U, 7U}) require(reader{method}.read(text, step) == whole);

    if (!whole.head || whole.why != error::none || method == "CONNECT") return 0;  // llhttp knows no tunnels
    const auto consumed = text.substr(0, text.size() - whole.rest);
    const auto theirs = read_with_llhttp(consumed, method == "HEAD");
    // llhttp 8.1 refuses some chunk extensions that the grammar has, and acts on a Content-Length among the trailers;
    // it takes a list of codings for another one where an element is empty.
    const bool chunked = whole.framing.kind == http::body_kind::chunked;
    const auto behind_head = consumed.substr(consumed.find("\r\n\r\n") + 4);
    if (chunked && (!whole.chunked_plainly || behind_head.find_first_of(";:") != std::string_view::npos)) return 0;
    // It refuses a length that it would have to ignore, too.
    if (theirs.failed) return require(whole.framing.kind == http::body_kind::none), 0;
    require(theirs.body == whole.body);
    require(theirs.complete == whole.complete && theirs.complete_at_end == whole.complete_at_end);
    return 0;
}
