// SPDX-License-Identifier: BSL-1.0

// A request head gives the same result however it is cut, and one that is accepted is strict, with views of the buffer.

#include <weir/http/request_parser.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace {

using namespace weir;
using status = http::request_parser::status;

void require(bool condition) {
    if (!condition) std::abort();
}

void require_inside(std::string_view part, std::string_view whole) {
    if (part.empty()) return;
    const std::less_equal<const char*> at_most;
    require(at_most(whole.data(), part.data()) && at_most(part.data() + part.size(), whole.data() + whole.size()));
}

void require_strict(const http::request_parser& parser, std::string_view text) {
    const auto head = text.substr(0, parser.head_size());
    require(head.ends_with("\r\n\r\n"));
    for (std::size_t i = 0; i < head.size(); ++i) {
        if (head[i] == '\r') require(head[i + 1] == '\n' && (i + 2 == head.size() || !http::is_ows(head[i + 2])));
        if (head[i] == '\n') require(i > 0 && head[i - 1] == '\r');
        require(http::is_field_value_char(head[i]) || head[i] == '\r' || head[i] == '\n');
    }
    const auto& request = parser.request();
    require(http::is_token(request.method) && !request.target.empty());
    require_inside(request.method, head);
    require_inside(request.target, head);
    for (const auto& [name, value] : request.fields) {
        require(http::is_token(name) && http::trim_ows(value) == value);
        require_inside(name, head);
        require_inside(value, head);
    }
    require(request.fields.count("Host") <= 1 && request.fields.count("Content-Length") <= 1);
    require(request.version == http::version::http_1_0 || request.fields.count("Host") == 1);
    require(parser.body().kind != http::body_kind::chunked || !request.fields.contains("Content-Length"));
}

// Only prefixes of `text` are seen, each in a buffer of its own that is gone afterwards.
std::string parse(std::string_view text, std::size_t step) {
    http::request_parser parser{{.max_head_bytes = 1024, .max_fields = 10, .max_target_bytes = 64}};
    auto size = step < text.size() ? step : text.size();
    for (;; size = step < text.size() - size ? size + step : text.size()) {
        const std::unique_ptr<char[]> buffer{new char[size]};
        text.copy(buffer.get(), size);
        const std::string_view received{buffer.get(), size};
        const auto result = parser.parse(received);
        if (result == status::failed) return message(parser.error());
        if (result == status::complete) {
            require_strict(parser, received);
            std::string out = std::to_string(parser.head_size()) + std::to_string(parser.body().length);
            out.append(parser.request().method).append(parser.request().path()).append(parser.request().query());
            for (const auto& [name, value] : parser.request().fields) out.append(name).append(value);
            return out;
        }
        if (size == text.size()) return "need more";
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto whole = parse(text, size + 1);
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, size / 2 + 1}) require(parse(text, step) == whole);
    return 0;
}
