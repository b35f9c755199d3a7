// SPDX-License-Identifier: BSL-1.0

// What a WebSocket message goes through, in bytes of payload per second, each beside a memcpy of the same bytes in the
// same run: the ratios at the end are what counts. Payloads lie one behind another in a read buffer, each behind its
// header, as they arrive.

#include <weir/utf8_validator.hpp>
#include <weir/ws/frame.hpp>
#include <weir/ws/mask.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "ratios.hpp"

namespace {

namespace ws = weir::ws;

constexpr std::size_t buffer_size = 16 * 1024;
constexpr ws::masking_key key{std::byte{0x37}, std::byte{0xfa}, std::byte{0x21}, std::byte{0x3d}};

/// As many masked frames with a payload of `size` bytes as a read buffer holds; at least one.
class frames {
public:
    frames(std::size_t size, std::string_view sample) : size_{size} {
        std::string payload;
        while (payload.size() < size) payload += sample;
        payload.resize(size);
        const ws::frame_encoder frame{.payload = weir::as_bytes(payload), .key = key};
        count_ = std::max<std::size_t>(1, buffer_size / frame.size());
        step_ = frame.size();
        bytes_.resize(count_ * step_);
        for (std::size_t i = 0; i < count_; ++i) {
            char* const end = frame.write(bytes_.data() + i * step_);
            std::memcpy(end - size, payload.data(), size);  // as it is once it is unmasked
        }
    }

    std::size_t count() const { return count_; }
    std::size_t step() const { return step_; }
    char* header(std::size_t i) { return bytes_.data() + i * step_; }
    char* payload(std::size_t i) { return header(i) + step_ - size_; }

private:
    std::size_t size_, count_ = 0, step_ = 0;
    std::vector<char> bytes_;
};

/// Times `use(payload)` for each frame of the buffer.
template <class Use>
void for_each_payload(benchmark::State& state, std::size_t size, std::string_view sample, Use use) {
    frames buffer{size, sample};
    for (auto _ : state) {
        for (std::size_t i = 0; i < buffer.count(); ++i) {
            use(buffer.payload(i), size);
        }
        benchmark::ClobberMemory();
    }
    bench::count_bytes(state, size * buffer.count());
}

void copy(benchmark::State& state, std::size_t size) {
    frames to{size, "x"};
    std::size_t next = 0;
    for_each_payload(state, size, "x", [&](const char* payload, std::size_t n) {
        std::memcpy(to.payload(next), payload, n);
        if (++next == to.count()) next = 0;
    });
}

void unmask(benchmark::State& state, std::size_t size) {
    for_each_payload(state, size, "x", [](char* payload, std::size_t n) {
        ws::masking_key its_key;
        std::memcpy(&its_key, payload - sizeof its_key, sizeof its_key);
        ws::apply_mask(std::as_writable_bytes(std::span{payload, n}), its_key);
    });
}

void mask(benchmark::State& state, std::size_t size) {
    frames to{size, "x"};
    std::size_t next = 0;
    for_each_payload(state, size, "x", [&](const char* payload, std::size_t n) {
        ws::copy_masked(weir::as_bytes({payload, n}), to.payload(next), key);
        if (++next == to.count()) next = 0;
    });
}

void check_text(benchmark::State& state, std::size_t size, std::string_view sample) {
    for_each_payload(state, size, sample, [](const char* payload, std::size_t n) {
        weir::utf8_validator validator;
        bool valid = validator.feed({payload, n});
        benchmark::DoNotOptimize(valid);
    });
}

/// Header and payload of each frame in the buffer: what a server does with a text message before it is handed on.
void receive(benchmark::State& state, std::size_t size) {
    frames buffer{size, "x"};
    for (auto _ : state) {
        for (std::size_t i = 0; i < buffer.count(); ++i) {
            const weir::bytes_view in = weir::as_bytes({buffer.header(i), buffer.step()});
            const ws::header_result head = ws::decode_header(in, {.masked = true});
            char* const payload = buffer.header(i) + head.consumed;
            const std::size_t n = static_cast<std::size_t>(head.header.payload_size);
            // Masked with nothing, so that the text is the same in the next round.
            ws::apply_mask(std::as_writable_bytes(std::span{payload, n}), {});
            bool valid = weir::is_utf8({payload, n});
            benchmark::DoNotOptimize(valid);
        }
        benchmark::ClobberMemory();
    }
    bench::count_bytes(state, size * buffer.count());
}

/// Headers alone, in time per header.
void decode_headers(benchmark::State& state, std::size_t size) {
    frames buffer{size, "x"};
    std::size_t next = 0;
    for (auto _ : state) {
        ws::header_result head =
            ws::decode_header(weir::as_bytes({buffer.header(next), buffer.step()}), {.masked = true});
        benchmark::DoNotOptimize(head);
        if (++next == buffer.count()) next = 0;
    }
}

struct shape {
    const char* name;
    std::size_t size;
};

template <class Run>
void add(const std::string& what, const shape& s, Run run) {
    benchmark::RegisterBenchmark((what + "/" + s.name).c_str(), run);
}

void add_all(const shape& s) {
    const std::size_t size = s.size;
    add("memcpy", s, [=](auto& state) { copy(state, size); });
    add("unmask", s, [=](auto& state) { unmask(state, size); });
    add("mask while copying", s, [=](auto& state) { mask(state, size); });
    for (const auto& [language, sample] :
         {std::pair{"ASCII", "all of it is ASCII. "},
          std::pair{"German", "W\xc3\xb6rter mit \xc3\xbc und \xc3\x9f, selten genug. "},
          std::pair{"Russian", "\xd1\x80\xd0\xb5\xd0\xba\xd0\xb0 \xd0\xb8 "},
          std::pair{"Japanese", "\xe5\xa0\xb0\xe3\x81\xa8\xe5\xb7\x9d"}}) {
        add(std::string{"check "} + language, s, [size, text = sample](auto& state) { check_text(state, size, text); });
    }
    add("receive text", s, [=](auto& state) { receive(state, size); });
    add("decode header", s, [=](auto& state) { decode_headers(state, size); });
}

}  // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    for (const shape& s : {shape{"64 B", 64}, shape{"1 KiB", 1024}, shape{"64 KiB", 64 * 1024}}) add_all(s);
    bench::ratio_reporter reporter;
    benchmark::RunSpecifiedBenchmarks(&reporter);
    benchmark::Shutdown();
}
