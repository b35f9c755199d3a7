// SPDX-License-Identifier: BSL-1.0

// Asks a language model in the way that AI services have in common, and prints the answer token by token as it comes.
// Without a URL it asks the demo's, which is a joke of a model, but streams like the real ones:
//
//     weir_llm_client 'Why is it called weir?'
//     OPENAI_API_KEY=... weir_llm_client 'Why a weir?' https://api.openai.com/v1/chat/completions gpt-4o-mini

#include <weir/sse_client.hpp>
#include <weir/tls.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

#include "json.hpp"

weir::sse_client_options chat_request(std::string_view model, std::string_view question) {
    weir::sse_client_options options{
        .fields = {{"Content-Type", "application/json"}},
        .body = "{\"model\":" + json::quoted(model) +
                ",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":" + json::quoted(question) + "}]}",
        .tls = weir::tls_client_options{},
        .reconnect = weir::never_reconnect{},  // asking again would be another answer, and cost as much
        .end_marker = "[DONE]",                // a stream that ends without it was cut off
        .error_event = "error",
    };
    if (const char* const key = std::getenv("OPENAI_API_KEY")) {
        options.fields.emplace_back("Authorization", std::string{"Bearer "} + key);
    }
    return options;
}

asio::awaitable<void> print_answer(weir::sse_client& client) {
    while (const auto chunk = co_await client.async_next()) {
        const auto token = json::last_text(chunk->data, {"choices", "delta", "content"});
        std::fputs(token.value_or("").c_str(), stdout);
        std::fflush(stdout);
    }
    std::fputc('\n', stdout);
}

// llm_client [question [URL [model]]]
int main(int argc, char** argv) {
    const std::string question = argc > 1 ? argv[1] : "Why is it called weir?";
    const std::string url = argc > 2 ? argv[2] : "http://127.0.0.1:8080/v1/chat/completions";
    const std::string model = argc > 3 ? argv[3] : "prepared-paragraphs";

    asio::io_context context{1};
    weir::sse_client client{context, url, chat_request(model, question)};
    int status = 0;
    asio::co_spawn(context, print_answer(client), [&](std::exception_ptr thrown) {
        try {
            if (thrown) std::rethrow_exception(thrown);
        } catch (const weir::system_error& e) {
            // What the server says about it: the answer's body, or the error event's data.
            const auto& [answered, text] = client.failure();
            std::fprintf(stderr, "llm_client: %s\n", e.code().message().c_str());
            if (answered != 0) std::fprintf(stderr, "status %d: %s\n", answered, text.c_str());
            status = 1;
        }
        context.stop();
    });
    context.run();
    return status;
}
