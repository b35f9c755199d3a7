// SPDX-License-Identifier: BSL-1.0

// What permessage-deflate costs a message of JSON, and what it saves: time for each direction and the share of the size
// that is left. "one message": the same again and again, as load generators send it; the processor learns it by heart.

#include <weir/deflate.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace ws = weir::ws;
using messages = std::vector<std::string>;

constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

class json_writer {
public:
    /// About `size` bytes: prices, a chat message, or a page of orders, in turns.
    std::string next(std::size_t size) {
        switch (turn_++ % 3) {
            case 0: return prices(size);
            case 1: return chat(size);
            default: return orders(size);
        }
    }

private:
    std::string number(std::uint32_t low, std::uint32_t high) { return std::to_string(low + random_() % (high - low)); }

    template <std::size_t Count>
    std::string one_of(const std::array<std::string_view, Count>& words) {
        return std::string{words[random_() % Count]};
    }

    std::string identifier(std::size_t digits) {
        std::string text;
        while (text.size() < digits) text += "0123456789abcdef"[random_() % 16];
        return text;
    }

    std::string prices(std::size_t size) {
        static constexpr std::array<std::string_view, 6> pairs{"EURUSD", "GBPUSD", "USDJPY",
                                                               "AUDUSD", "USDCHF", "NZDUSD"};
        std::string text = "{\"type\":\"prices\",\"time\":" + number(1'000'000'000, 2'000'000'000) + ",\"items\":[";
        while (text.size() + 60 < size) {
            text += "{\"pair\":\"" + one_of(pairs) + "\",\"bid\":1." + number(10'000, 99'999) + ",\"ask\":1." +
                    number(10'000, 99'999) + ",\"volume\":" + number(1, 900) + "},";
        }
        text.back() = ']';
        return text + '}';
    }

    std::string chat(std::size_t size) {
        static constexpr std::array<std::string_view, 24> words{
            "the",   "river",  "gate",   "is",    "open",  "again",    "since", "morning",
            "water", "level",  "falls",  "and",   "we",    "expect",   "rain",  "tomorrow",
            "look",  "please", "before", "lunch", "maybe", "somebody", "knows", "why"};
        std::string text = "{\"id\":\"" + identifier(32) +
                           "\",\"room\":\"general\",\"author\":{\"id\":" + number(1, 99'999) +
                           ",\"name\":\"Ada\",\"avatar\":\"https://cdn.example.org/" + identifier(16) +
                           ".png\"},\"edited\":false,\"reactions\":[],\"text\":\"";
        while (text.size() + 12 < size) text += one_of(words) + ' ';
        return text + "\"}";
    }

    std::string orders(std::size_t size) {
        static constexpr std::array<std::string_view, 3> states{"paid", "shipped", "returned"};
        std::string text = "{\"customer\":" + number(1, 99'999) + ",\"orders\":[";
        while (text.size() + 100 < size) {
            text += "{\"order\":\"" + identifier(12) + "\",\"state\":\"" + one_of(states) +
                    "\",\"quantity\":" + number(1, 20) + ",\"price\":" + number(1, 200) +
                    ".90,\"currency\":\"EUR\",\"note\":null},";
        }
        text.back() = ']';
        return text + '}';
    }

    std::mt19937 random_{7692};
    unsigned turn_ = 0;
};

/// More together than a window holds, so that with takeover no message finds itself in the history.
messages json(std::size_t size) {
    json_writer writer;
    messages list;
    for (std::size_t total = 0; total < 96 * 1024; total += size) list.push_back(writer.next(size));
    return list;
}

struct setup {
    weir::deflate_frames policy;
    bool takeover = false;
    std::uint8_t window_bits = 15;

    ws::deflate_agreement agreed() const { return {!takeover, !takeover, window_bits, window_bits}; }
    std::unique_ptr<ws::message_codec> make(ws::role self) const { return policy.make_codec(self, agreed()); }
};

/// The messages as the client sends them, each time from the beginning of a connection.
messages compressed(const setup& with, const messages& list) {
    const auto client = with.make(ws::role::client);
    messages out(list.size());
    for (std::size_t i = 0; i < list.size(); ++i) client->compress(weir::as_bytes(list[i]), true, out[i]);
    return out;
}

std::size_t size_of(const messages& list) {
    std::size_t size = 0;
    for (const std::string& message : list) size += message.size();
    return size;
}

void report(benchmark::State& state, const messages& list, const messages& payloads) {
    using benchmark::Counter;
    const auto count = static_cast<std::int64_t>(list.size());
    state.SetItemsProcessed(state.iterations() * count);
    state.counters["each"] = Counter(static_cast<double>(count), Counter::kIsIterationInvariantRate | Counter::kInvert);
    state.counters["left"] = static_cast<double>(size_of(payloads)) / static_cast<double>(size_of(list));
}

void compress(benchmark::State& state, const setup& with, const messages& list) {
    const auto server = with.make(ws::role::server);
    std::string out;
    for (auto _ : state) {
        for (const std::string& message : list) {
            out.clear();
            server->compress(weir::as_bytes(message), true, out);
            benchmark::DoNotOptimize(out.data());
        }
    }
    report(state, list, compressed(with, list));
}

/// The same payloads again and again: the first one refers to nothing, and the others to those before it.
void inflate(benchmark::State& state, const setup& with, const messages& list) {
    const messages payloads = compressed(with, list);
    const auto server = with.make(ws::role::server);
    std::string out;
    for (auto _ : state) {
        for (const std::string& payload : payloads) {
            out.clear();
            if (server->inflate(weir::as_bytes(payload), true, out, no_limit) != weir::error::none) {
                return state.SkipWithError("not to be inflated");
            }
            benchmark::DoNotOptimize(out.data());
        }
    }
    report(state, list, payloads);
}

void echo(benchmark::State& state, const setup& with, const messages& list) {
    const messages payloads = compressed(with, list);
    const auto server = with.make(ws::role::server);
    std::string message, out;
    for (auto _ : state) {
        for (const std::string& payload : payloads) {
            message.clear();
            out.clear();
            if (server->inflate(weir::as_bytes(payload), true, message, no_limit) != weir::error::none) {
                return state.SkipWithError("not to be inflated");
            }
            server->compress(weir::as_bytes(message), true, out);
            benchmark::DoNotOptimize(out.data());
        }
    }
    report(state, list, payloads);
}

void add_three(const std::string& name, const setup& with, const messages& list) {
    benchmark::RegisterBenchmark(("compress/" + name).c_str(), [=](auto& state) { compress(state, with, list); });
    benchmark::RegisterBenchmark(("inflate/" + name).c_str(), [=](auto& state) { inflate(state, with, list); });
    benchmark::RegisterBenchmark(("echo/" + name).c_str(), [=](auto& state) { echo(state, with, list); });
}

void add_sizes() {
    for (const std::size_t size : {128, 1024, 16 * 1024}) {
        const std::string name = std::to_string(size) + " B";
        add_three(name, {}, json(size));
        add_three(name + ", takeover", {.policy = {}, .takeover = true}, json(size));
    }
    add_three("1024 B, one message", {}, messages{json(1024).front()});
    add_three("1024 B, one message, takeover", {.policy = {}, .takeover = true}, messages{json(1024).front()});
}

void add_settings() {
    const messages list = json(1024);
    const auto add = [&](int level, int memory_level, int window_bits, bool takeover) {
        const std::string name = "1024 B, level " + std::to_string(level) + ", memory level " +
                                 std::to_string(memory_level) + ", window bits " + std::to_string(window_bits) +
                                 (takeover ? ", takeover" : "");
        const setup with{
            {.level = level, .memory_level = memory_level}, takeover, static_cast<std::uint8_t>(window_bits)};
        benchmark::RegisterBenchmark(("echo/" + name).c_str(), [=](auto& state) { echo(state, with, list); });
    };
    for (const bool takeover : {false, true}) {
        for (const int level : {1, 2, 3, 6, 9}) add(level, 5, 15, takeover);
        for (const int memory_level : {1, 3, 4, 8, 9}) add(1, memory_level, 15, takeover);
        for (const int window_bits : {8, 10, 12}) add(1, 5, window_bits, takeover);
        add(6, 8, 15, takeover);  // zlib's own defaults
    }
}

}  // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    add_sizes();
    add_settings();
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
}
