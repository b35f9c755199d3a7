// SPDX-License-Identifier: BSL-1.0
#pragma once

// The demo's "model", which is none: prepared paragraphs, chosen by the words of the question and cut into tokens. What
// is real is the stream they leave in.

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

namespace demo {

struct paragraph {
    std::initializer_list<std::string_view> words;  ///< any of these in the question votes for it
    std::string_view text;
};

inline const std::array<paragraph, 7>& paragraphs() {
    static const std::array<paragraph, 7> all{{
        {{"slow", "backpressure", "queue", "outbox", "policy", "memory", "full", "drop"},
         "A reader that takes less than it is sent fills its outbox, and the outbox has a bound: one mebibyte "
         "or a thousand messages unless you say otherwise. At the bound a policy decides. It may refuse, so "
         "that the sender knows; wait, so that the sender slows down; drop the oldest or the newest; keep "
         "only the latest value of each key; or close the session. Whatever it drops is counted. A message "
         "that is partly on the wire is never dropped, so the stream stays well formed. Open the torrent "
         "below and watch it happen."},
        {{"restart", "reconnect", "resume", "last", "id", "lost", "gap", "ticker", "crash", "kill"},
         "Every number of the ticker carries an id. When the connection breaks, the browser waits for the "
         "time the server asked for, one second here, and returns with a Last-Event-ID header. The server "
         "continues from the number after it: first what was missed, at once, then the present, at its own "
         "pace. If too much was missed, it says so with an event of its own instead of leaving silence. Stop "
         "this server, start it again, and look at the two zeros."},
        {{"proxy", "proxies", "nginx", "haproxy", "buffer", "buffering", "timeout", "heartbeat", "idle"},
         "A proxy can spoil a stream in two ways. It may collect the events and deliver them in one lump: the "
         "response therefore says no-cache, no-transform, and X-Accel-Buffering: no, and its head leaves at "
         "once. Or it may take silence for death and cut the line: so after fifteen quiet seconds the server "
         "sends a comment of three bytes, which no reader sees and every proxy counts as life."},
        {{"weir", "name", "called", "river", "why"},
         "A weir is a low dam that regulates a river without stopping it. The framing of an event stream is a "
         "page of text; the work is in the regulation: what happens when a reader is slow, silent, gone, or "
         "back again. Hence the name, and the picture at the top of this page. The water behind the wall is "
         "the fullest outbox of this server, measured twice a second."},
        {{"websocket", "compare", "difference", "versus", "vs", "http"},
         "Server-Sent Events are a plain HTTP response that does not end. They travel in one direction, as "
         "text, through anything that understands HTTP, and the browser reconnects and resumes by itself. A "
         "WebSocket travels both ways, carries binary messages, and leaves reconnecting to you. Where the "
         "server speaks and the reader listens, the simpler one is enough. This page has both: the chat is a "
         "WebSocket."},
        {{"model", "ai", "llm", "gpt", "intelligent", "real", "who", "you"},
         "There is no language model here. A small function counts which of a few words occur in your "
         "question, picks one of seven prepared paragraphs, and cuts it into pieces. The stream is real: a "
         "POST answered with an event stream, one JSON chunk per token, ended by [DONE], and abandoned at "
         "once when you press Stop."},
        {{},
         "This page knows seven things to say, and your question matched none of the words they are chosen "
         "by. Ask about a slow reader, a restart, a proxy, the name, WebSocket, or whether this is a real "
         "model. In any case these words arrive as events: twenty-five a second, each written to the socket "
         "as soon as it exists, none waiting for the next."},
    }};
    return all;
}

/// The words of `question` in lower case, one space around each.
inline std::string folded(std::string_view question) {
    std::string out = " ";
    for (const char c : question) {
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte))
            out += static_cast<char>(std::tolower(byte));
        else if (out.back() != ' ')
            out += ' ';
    }
    return out += ' ';
}

/// The paragraph with the most votes; the last one, which has no words, when there are none.
inline std::string_view answer_to(std::string_view question) {
    const std::string words = folded(question);
    const auto votes = [&words](const paragraph& p) {
        return std::count_if(p.words.begin(), p.words.end(), [&words](std::string_view word) {
            return words.find(' ' + std::string{word} + ' ') != std::string::npos;
        });
    };
    const auto& all = paragraphs();
    const auto best = std::max_element(all.begin(), all.end(),
                                       [&](const paragraph& a, const paragraph& b) { return votes(a) < votes(b); });
    return votes(*best) == 0 ? all.back().text : best->text;
}

/// Takes the next token off the front of `text`: a word with the space before it, a long word in two pieces.
inline std::string_view take_token(std::string_view& text) {
    constexpr std::size_t longest = 9;
    std::size_t end = std::min(text.find(' ', 1), text.size());
    if (end > longest) end = end / 2 + 1;
    const std::string_view token = text.substr(0, end);
    text.remove_prefix(end);
    return token;
}

}  // namespace demo
