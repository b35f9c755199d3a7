// SPDX-License-Identifier: BSL-1.0
#pragma once

// Agreeing on permessage-deflate: the offer, the answer, and the check of the answer. Layer: protocol. RFC 7692 §5,
// §7.1

#include <weir/config.hpp>
#include <weir/error.hpp>
#include <weir/http/fields.hpp>
#include <weir/http/grammar.hpp>
#include <weir/ws/deflate_agreement.hpp>
#include <weir/ws/extension.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::ws {

/// What this side, server or client, wants of compression. With the defaults it agrees to everything that the other
/// side may ask for, and asks for nothing.
struct deflate_options {
    /// The server compresses each message by itself: saves it memory, costs compression.
    bool server_no_context_takeover = false;
    /// The client does. A server insists on it, a client declares it.
    bool client_no_context_takeover = false;
    /// The largest window that the server compresses with, as a power of two: 8 to 15; 0 = no limit, which is 15, and
    /// what else lies outside is taken for the nearest.
    std::uint8_t server_max_window_bits = 15;
    /// The largest window that the client compresses with, likewise. A server can limit only clients that offer to be
    /// limited; the others keep 15.
    std::uint8_t client_max_window_bits = 15;
};

/// What came of it.
struct deflate_result {
    /// bad_extension: a server is to refuse the request, a client to fail the connection.
    weir::error error = weir::error::none;
    /// Absent: nothing is compressed.
    std::optional<deflate_agreement> agreement = std::nullopt;
    /// For the server: the value of the Sec-WebSocket-Extensions to send; empty: send none.
    std::string answer = {};
};

/// The server's part: takes the first of the client's offers that can be taken, and passes over everything else that is
/// well-formed. `options` null: compression is not spoken. Errors: bad_extension for a grammar error. RFC 7692 §5.1
deflate_result answer_deflate_offers(const http::fields_view& request, const deflate_options* options);

/// The client's offer: the value of the Sec-WebSocket-Extensions to send. It always lets the server limit the client's
/// window.
std::string deflate_offer(const deflate_options& options);

/// The client's check of what the server made of deflate_offer(options); `options` null: nothing was offered. Errors:
/// bad_extension for every extension but this one, for this one twice, or not as it may be answered. RFC 7692 §7.1
deflate_result check_deflate_answer(const http::fields_view& response, const deflate_options* options);

namespace detail {

inline constexpr std::uint8_t min_window_bits = 8;
inline constexpr std::uint8_t max_window_bits = 15;

/// The parameters of one offer or answer. Bits of 15 stand for `client_max_window_bits` without a value as well, which
/// only an offer may have, and where it means the same.
struct deflate_parameters {
    bool server_no_context_takeover = false;
    bool client_no_context_takeover = false;
    std::optional<std::uint8_t> server_max_window_bits = std::nullopt;
    std::optional<std::uint8_t> client_max_window_bits = std::nullopt;
};

constexpr std::uint8_t limit_window_bits(std::uint8_t wanted) noexcept {
    return wanted == 0 ? max_window_bits : std::clamp(wanted, min_window_bits, max_window_bits);
}

/// "a decimal integer value without leading zeroes between 8 to 15, inclusive" (RFC 7692 §7.1.2.1), within which a
/// backslash is the first half of a quoted-pair.
constexpr std::optional<std::uint8_t> parse_window_bits(std::string_view text) noexcept {
    unsigned value = 0;
    for (const char c : text) {
        if (c == '\\') continue;
        const bool leading_zero = c == '0' && value == 0;
        if (!http::is_digit(c) || leading_zero || value > max_window_bits) return std::nullopt;
        value = value * 10 + static_cast<unsigned>(c - '0');
    }
    if (value < min_window_bits || value > max_window_bits) return std::nullopt;
    return static_cast<std::uint8_t>(value);
}

/// Takes up one parameter, sent by `sender`. False: unknown, a second time, or with a value it cannot have.
constexpr bool take_deflate_parameter(deflate_parameters& taken, const extension_parameter& parameter,
                                      role sender) noexcept {
    const auto set = [&](bool& flag) { return !flag && !parameter.value && (flag = true); };
    const auto limit = [&](std::optional<std::uint8_t>& bits, bool value_needed) {
        if (bits || (value_needed && !parameter.value)) return false;
        bits = parameter.value ? parse_window_bits(*parameter.value) : max_window_bits;
        return bits.has_value();
    };
    if (parameter.name == "server_no_context_takeover") return set(taken.server_no_context_takeover);
    if (parameter.name == "client_no_context_takeover") return set(taken.client_no_context_takeover);
    if (parameter.name == "server_max_window_bits") return limit(taken.server_max_window_bits, true);
    if (parameter.name == "client_max_window_bits") {
        return limit(taken.client_max_window_bits, sender == role::server);
    }
    return false;
}

/// Empty optional: another extension, or parameters that RFC 7692 §7.1 does not allow the sender.
constexpr std::optional<deflate_parameters> parse_deflate(const extension_view& extension, role sender) {
    if (extension.name() != "permessage-deflate") return std::nullopt;
    deflate_parameters taken;
    bool valid = true;
    extension.for_each_parameter([&](const extension_parameter& parameter) {
        valid = take_deflate_parameter(taken, parameter, sender);
        return valid;
    });
    return valid ? std::optional{taken} : std::nullopt;
}

/// An offer or an answer in words. An answer may not have client bits of 15, which would come out without a value.
inline std::string deflate_text(const deflate_parameters& parameters) {
    std::string text = "permessage-deflate";
    if (parameters.server_no_context_takeover) text += "; server_no_context_takeover";
    if (parameters.client_no_context_takeover) text += "; client_no_context_takeover";
    if (const auto bits = parameters.server_max_window_bits) {
        text.append("; server_max_window_bits=").append(std::to_string(*bits));
    }
    if (const auto bits = parameters.client_max_window_bits) {
        text += "; client_max_window_bits";
        if (*bits < max_window_bits) text.append("=").append(std::to_string(*bits));
    }
    return text;
}

/// The answer to an offer. It repeats what the offer declares of the client, so that both sides know; the parameters of
/// the server it has to repeat. RFC 7692 §7.1.1, §7.1.2
constexpr deflate_parameters answer_to(const deflate_parameters& offer, const deflate_options& options) noexcept {
    deflate_parameters answer;
    answer.server_no_context_takeover = offer.server_no_context_takeover || options.server_no_context_takeover;
    answer.client_no_context_takeover = offer.client_no_context_takeover || options.client_no_context_takeover;

    const auto server_limit = limit_window_bits(options.server_max_window_bits);
    const auto server_bits = std::min(server_limit, offer.server_max_window_bits.value_or(max_window_bits));
    if (offer.server_max_window_bits || server_bits < max_window_bits) answer.server_max_window_bits = server_bits;

    // "If a received extension negotiation offer doesn't have the "client_max_window_bits" extension parameter, the
    // corresponding extension negotiation response to the offer MUST NOT include the "client_max_window_bits" extension
    // parameter." RFC 7692 §7.1.2.2
    if (!offer.client_max_window_bits) return answer;
    const auto client_bits = std::min(limit_window_bits(options.client_max_window_bits), *offer.client_max_window_bits);
    if (client_bits < max_window_bits) answer.client_max_window_bits = client_bits;
    return answer;
}

constexpr deflate_parameters offer_of(const deflate_options& options) noexcept {
    deflate_parameters offer{options.server_no_context_takeover, options.client_no_context_takeover};
    const auto server_bits = limit_window_bits(options.server_max_window_bits);
    if (server_bits < max_window_bits) offer.server_max_window_bits = server_bits;
    offer.client_max_window_bits = limit_window_bits(options.client_max_window_bits);
    return offer;
}

/// What holds once `answer` has followed `offer`. Empty optional: the answer grants less than was asked for.
constexpr std::optional<deflate_agreement> agree(const deflate_parameters& offer,
                                                 const deflate_parameters& answer) noexcept {
    const auto asked_server_bits = offer.server_max_window_bits.value_or(max_window_bits);
    const auto own_client_bits = offer.client_max_window_bits.value_or(max_window_bits);
    const deflate_agreement agreed{answer.server_no_context_takeover,
                                   answer.client_no_context_takeover || offer.client_no_context_takeover,
                                   answer.server_max_window_bits.value_or(max_window_bits),
                                   answer.client_max_window_bits.value_or(own_client_bits)};
    const bool granted = agreed.server_max_window_bits <= asked_server_bits &&
                         agreed.client_max_window_bits <= own_client_bits &&
                         (agreed.server_no_context_takeover || !offer.server_no_context_takeover);
    return granted ? std::optional{agreed} : std::nullopt;
}

}  // namespace detail

}  // namespace weir::ws

#include WEIR_BODIES(weir/ws/deflate_offer.ipp)
