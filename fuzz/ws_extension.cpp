// SPDX-License-Identifier: BSL-1.0

// Whatever is offered, the answer is one that the rules of RFC 7692 7.1 allow, and both sides draw the same from it.

#include <weir/http/fields.hpp>
#include <weir/ws/deflate_offer.hpp>
#include <weir/ws/extension.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace {

using namespace weir;

void require(bool condition) {
    if (!condition) std::abort();
}

bool is_in_range(std::uint8_t bits) { return bits >= 8 && bits <= 15; }

// What is read out is made of tokens, and read in the same way from a list that holds nothing else.
bool check_grammar(const http::fields_view& fields) {
    std::string written;
    const bool valid = ws::for_each_extension(fields, [&](const ws::extension_view& extension) {
        require(http::is_token(extension.name()));
        written.append(written.empty() ? "" : ", ").append(extension.name());
        extension.for_each_parameter([&](const ws::extension_parameter& parameter) {
            require(http::is_token(parameter.name) && (!parameter.value || !parameter.value->empty()));
            written.append(";").append(parameter.name);
            if (parameter.value) written.append("=\"").append(*parameter.value).append("\"");
        });
    });
    if (!valid || written.empty()) return valid;

    const std::array line{http::field_view{"Sec-WebSocket-Extensions", written}};
    std::size_t elements = 0, again = 0;
    require(ws::for_each_extension(fields, [&](const auto&) { ++elements; }));
    require(ws::for_each_extension(line, [&](const auto&) { ++again; }));
    require(elements == again);
    return true;
}

// The offer that the server took: the first that can be taken.
std::optional<ws::detail::deflate_parameters> first_offer(const http::fields_view& fields) {
    std::optional<ws::detail::deflate_parameters> offer;
    ws::for_each_extension(fields, [&](const ws::extension_view& extension) {
        if (!offer) offer = ws::detail::parse_deflate(extension, ws::role::client);
    });
    return offer;
}

void check_answer(const http::fields_view& fields, const ws::deflate_options& options) {
    const auto result = ws::answer_deflate_offers(fields, &options);
    const bool valid = check_grammar(fields);
    require((result.error == error::none) == valid);
    require(result.agreement.has_value() != result.answer.empty());
    if (!valid) return;
    const auto offer = first_offer(fields);
    require(offer.has_value() == result.agreement.has_value());
    if (!offer) return;

    const auto& agreed = *result.agreement;
    require(is_in_range(agreed.server_max_window_bits) && is_in_range(agreed.client_max_window_bits));
    require(agreed.server_max_window_bits <= offer->server_max_window_bits.value_or(15));
    require(agreed.server_no_context_takeover || !offer->server_no_context_takeover);
    const auto has = [&](std::string_view name) { return result.answer.find(name) != std::string::npos; };
    require(has("server_max_window_bits") || !offer->server_max_window_bits);
    require(!has("client_max_window_bits") || offer->client_max_window_bits);

    // The client that made this very offer agrees.
    const ws::deflate_options theirs{offer->server_no_context_takeover, offer->client_no_context_takeover,
                                     offer->server_max_window_bits.value_or(15),
                                     offer->client_max_window_bits.value_or(15)};
    const std::array line{http::field_view{"Sec-WebSocket-Extensions", result.answer}};
    const auto taken = ws::check_deflate_answer(line, &theirs);
    require(taken.error == error::none && taken.agreement == agreed);
}

void check_client(const http::fields_view& fields, const ws::deflate_options& options) {
    const auto result = ws::check_deflate_answer(fields, &options);
    require(result.answer.empty());
    if (result.error != error::none) return require(!result.agreement);
    require(result.agreement.has_value() == fields.contains("Sec-WebSocket-Extensions"));
    if (!result.agreement) return;
    const auto offered = ws::detail::offer_of(options);
    require(is_in_range(result.agreement->server_max_window_bits));
    require(is_in_range(result.agreement->client_max_window_bits));
    require(result.agreement->client_max_window_bits <= *offered.client_max_window_bits);
    require(result.agreement->server_max_window_bits <= offered.server_max_window_bits.value_or(15));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    // Two bytes of options, then field lines, each after a line feed.
    const ws::deflate_options options{(data[0] & 1) != 0, (data[0] & 2) != 0, data[0], data[1]};
    const std::string_view text{reinterpret_cast<const char*>(data) + 2, size - 2};
    const auto end = std::min(text.find('\n'), text.size());
    const std::array lines{http::field_view{"Sec-WebSocket-Extensions", text.substr(0, end)},
                           http::field_view{"sec-websocket-extensions", text.substr(std::min(end + 1, text.size()))}};
    const auto fields = std::span<const http::field_view>{lines}.first(end < text.size() ? 2 : 1);
    check_answer(fields, options);
    check_client(fields, options);
    return 0;
}
