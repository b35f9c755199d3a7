// SPDX-License-Identifier: BSL-1.0

// The SSE encoder and decoder in bytes per second, each beside a memcpy of the same bytes in the same run: the ratios
// at the end are what counts, the figures drift with the machine. Bytes are those on the wire.

#include <weir/sse/decoder.hpp>
#include <weir/sse/encoder.hpp>

#include <benchmark/benchmark.h>

#include "ratios.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

using bench::count_bytes;
using weir::sse::framing;

constexpr std::size_t one_piece = 0;
constexpr std::size_t stream_size = 64 * 1024;

std::string text_of(std::size_t size, std::size_t lines) {
    std::string text(size, 'x');
    for (std::size_t i = 1; i < lines; ++i) text[i * size / lines] = '\n';
    return text;
}

void copy(benchmark::State& state, const std::string& bytes) {
    std::vector<char> out(bytes.size());
    for (auto _ : state) {
        const char* in = bytes.data();
        benchmark::DoNotOptimize(in);
        std::memcpy(out.data(), in, bytes.size());
        benchmark::ClobberMemory();
    }
    count_bytes(state, bytes.size());
}

void encode(benchmark::State& state, const weir::sse_event& event, framing frame) {
    const std::size_t size = weir::sse::encoder{event, frame}.size();
    std::vector<char> out(size);
    for (auto _ : state) {
        const weir::sse_event* in = &event;
        benchmark::DoNotOptimize(in);
        const weir::sse::encoder encoder{*in, frame};
        std::size_t measured = encoder.size();
        benchmark::DoNotOptimize(measured);
        encoder.write(out.data());
        benchmark::ClobberMemory();
    }
    count_bytes(state, size);
}

/// Events one after another into one buffer, each with data of its own.
void encode_stream(benchmark::State& state, std::size_t data_size, std::size_t total) {
    const std::size_t size = weir::sse::encode({.data = text_of(data_size, 1)}).size(), count = total / size;
    const std::string data = text_of(count * data_size, 1);
    std::vector<char> out(count * size);
    for (auto _ : state) {
        char* end = out.data();
        for (std::size_t i = 0; i < count; ++i) {
            const auto text = std::string_view{data}.substr(i * data_size, data_size);
            end = weir::sse::encoder{{.data = text}, framing::plain}.write(end);
        }
        benchmark::ClobberMemory();
    }
    count_bytes(state, out.size());
}

void decode(benchmark::State& state, const std::string& stream, std::size_t piece) {
    const std::size_t step = piece == one_piece ? stream.size() : piece;
    weir::sse::decoder decoder;
    for (auto _ : state) {
        std::size_t events = 0;
        for (std::string_view rest = stream; !rest.empty(); rest.remove_prefix(std::min(step, rest.size()))) {
            decoder.feed(rest.substr(0, step), [&](const weir::sse::decoded_event& event) {
                benchmark::DoNotOptimize(event.data.data());
                ++events;
            });
        }
        benchmark::DoNotOptimize(events);
    }
    count_bytes(state, stream.size());
}

std::string stream_of(std::size_t data_size, std::size_t total) {
    const std::string data = text_of(data_size, 1);
    std::string stream;
    while (stream.size() < total) weir::sse::append(weir::sse::encoder{{.data = data}, framing::plain}, stream);
    return stream;
}

struct shape {
    std::string name;
    std::size_t size, lines;
};

void add_encoders() {
    for (const auto& [name, size, lines] : {shape{"event 64 B", 64, 1}, shape{"event 128 B", 128, 1},
                                            shape{"event 1 KiB", 1024, 1}, shape{"event 1 KiB, 16 lines", 1024, 16}}) {
        const std::string data = text_of(size, lines);
        const std::string wire = weir::sse::encode({.data = data});
        benchmark::RegisterBenchmark(("memcpy/" + name).c_str(), [wire](auto& state) { copy(state, wire); });
        benchmark::RegisterBenchmark(("encode/" + name).c_str(),
                                     [data](auto& state) { encode(state, {.data = data}, framing::plain); });
        benchmark::RegisterBenchmark(("encode/" + name + " in chunks").c_str(),
                                     [data](auto& state) { encode(state, {.data = data}, framing::chunked); });
    }
}

void add_streams() {
    for (const auto& [name, size, lines] : {shape{"stream of 64 B", 64, 1}, shape{"stream of 1 KiB", 1024, 1}}) {
        const std::string stream = stream_of(size, stream_size);
        benchmark::RegisterBenchmark(("memcpy/" + name).c_str(), [stream](auto& state) { copy(state, stream); });
        benchmark::RegisterBenchmark(("encode/" + name).c_str(),
                                     [each = size](auto& state) { encode_stream(state, each, stream_size); });
        for (const auto& [pieces, piece] : std::map<std::string, std::size_t>{
                 {" in 64 KiB", 64 * 1024}, {" in 4 KiB", 4096}, {" in 1 B", 1}, {" in one", one_piece}}) {
            benchmark::RegisterBenchmark(("decode/" + name + pieces).c_str(),
                                         [stream, step = piece](auto& state) { decode(state, stream, step); });
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    add_encoders();
    add_streams();
    bench::ratio_reporter reporter;
    benchmark::RunSpecifiedBenchmarks(&reporter);
    benchmark::Shutdown();
}
