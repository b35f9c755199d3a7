// SPDX-License-Identifier: BSL-1.0

// What an idle session costs: memory each, by kind of session and of socket. idle [sessions]
//
// A server in a process of its own, this process as its clients, once for each row. The first row does nothing but wait
// for readability on each socket, which is what Asio itself costs; in the rows with tcp::socket the difference to it is
// weir's. Linux and glibc.

#include <weir/http/request_parser.hpp>
#include <weir/server.hpp>

#include <asio/read_until.hpp>
#include <asio/write.hpp>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using asio::ip::tcp;

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

// A number of bytes out of a file of /proc with lines "Name:   123 kB".
double kilobyte_line(const char* file, std::string_view name) {
    std::ifstream in{file};
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with(name)) return 1024 * std::strtod(line.c_str() + name.size(), nullptr);
    }
    return 0;
}

struct memory {
    double heap = 0;      // in use, allocator's overhead included
    double resident = 0;  // the process
};

memory own_memory() {
    const auto heap = mallinfo2();
    return {static_cast<double>(heap.uordblks + heap.hblkhd), kilobyte_line("/proc/self/smaps_rollup", "Rss:")};
}

// ---- the two servers; each tells its port, and its memory whenever it is sent SIGUSR1 ----

void tell(int to, const auto& value) {
    if (write(to, &value, sizeof value) != sizeof value) die("write");
}

void tell_memory_on_signal(asio::signal_set& signal, int to) {
    signal.async_wait([&signal, to](std::error_code ec, int) {
        if (ec) return;
        tell(to, own_memory());
        tell_memory_on_signal(signal, to);
    });
}

using bare_socket = asio::basic_stream_socket<tcp, asio::io_context::executor_type>;

// A server of sessions on Asio's own socket type, which names its executor's type.
template <class Session>
struct own_server {
    asio::io_context context{1};
    tcp::acceptor acceptor{context, {asio::ip::address_v4::loopback(), 0}};
    std::deque<Session> sessions;

    void accept_next() {
        acceptor.async_accept(context.get_executor(), [this](std::error_code ec, bare_socket socket) {
            if (ec) die("accept");
            begin(std::make_shared<bare_socket>(std::move(socket)));
            accept_next();
        });
    }
    void begin(std::shared_ptr<bare_socket> socket) {
        socket->async_wait(bare_socket::wait_read, [this, socket](std::error_code) {
            std::string head(4096, '\0');
            head.resize(socket->read_some(asio::buffer(head)));
            weir::http::request_parser parser;
            parser.parse(head);
            sessions.emplace_back(std::move(*socket));
            if (sessions.back().accept(parser.request()) != weir::error::none) die("handshake");
        });
    }
};

template <class Session>
void tcp_socket_server(int to) {
    own_server<Session> server;
    asio::signal_set signal{server.context, SIGUSR1};
    tell_memory_on_signal(signal, to);
    tell(to, server.acceptor.local_endpoint().port());
    server.accept_next();
    server.context.run();
}

void weir_server(int to) {
    weir::server app{{.handle_signals = false}};
    std::deque<weir::sse_session> event_streams;
    std::deque<weir::ws_session> websockets;
    app.sse("/sse", [&](weir::sse_session session) { event_streams.push_back(std::move(session)); });
    app.ws("/ws", [&](weir::ws_session session) { websockets.push_back(std::move(session)); });
    asio::signal_set signal{app.context(), SIGUSR1};
    tell_memory_on_signal(signal, to);
    tell(to, app.listen({.port = 0}));
    app.run();
}

void accept_bare(tcp::acceptor& acceptor, asio::io_context& context, std::deque<bare_socket>& sockets) {
    acceptor.async_accept(context.get_executor(), [&](std::error_code ec, bare_socket accepted) {
        if (ec) die("accept");
        auto& socket = sockets.emplace_back(std::move(accepted));
        socket.async_wait(bare_socket::wait_read, [&socket](std::error_code) {
            static const std::string_view head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n:\n\n";
            std::array<char, 4096> request;
            socket.read_some(asio::buffer(request));
            socket.write_some(asio::buffer(head));
            socket.async_wait(bare_socket::wait_read, [](std::error_code) {});
        });
        accept_bare(acceptor, context, sockets);
    });
}

void bare_server(int to) {
    asio::io_context context{1};
    std::deque<bare_socket> sockets;
    tcp::acceptor acceptor{context, {asio::ip::address_v4::loopback(), 0}};
    asio::signal_set signal{context, SIGUSR1};
    tell_memory_on_signal(signal, to);
    tell(to, acceptor.local_endpoint().port());
    accept_bare(acceptor, context, sockets);
    context.run();
}

// ---- the clients ----

struct result {
    double heap, resident, kernel;  // bytes per session
};

double kernel_memory() {
    double pages = 0;
    std::ifstream in{"/proc/net/sockstat"};
    for (std::string line; std::getline(in, line);) {
        const auto at = line.find(" mem ");
        if (line.starts_with("TCP:") && at != std::string::npos) pages = std::strtod(line.c_str() + at + 5, nullptr);
    }
    return kilobyte_line("/proc/meminfo", "Slab:") + pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

template <class T>
T hear(int from) {
    T value;
    if (read(from, &value, sizeof value) != sizeof value) die("read");
    return value;
}

memory ask(pid_t server, int from) {
    kill(server, SIGUSR1);
    return hear<memory>(from);
}

void open_session(tcp::socket& socket, const tcp::endpoint& server, bool websocket) {
    static const std::string_view event_stream =
        "GET /sse HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
    static const std::string_view upgrade =
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    socket.connect(server);
    asio::write(socket, asio::buffer(websocket ? upgrade : event_stream));
    std::string answer;
    // The head, and for an event stream the comment after it: by then the server has nothing left to do.
    asio::read_until(socket, asio::dynamic_buffer(answer), websocket ? "\r\n\r\n" : ":\n\n");
}

result measure(void (*run)(int), bool websocket, std::size_t sessions) {
    int channel[2];
    if (pipe(channel) != 0) die("pipe");
    const pid_t server = fork();
    if (server < 0) die("fork");
    if (server == 0) {
        run(channel[1]);
        std::exit(0);
    }
    const tcp::endpoint address{asio::ip::address_v4::loopback(), hear<std::uint16_t>(channel[0])};
    asio::io_context context;
    std::vector<tcp::socket> sockets;
    sockets.reserve(sessions + 100);
    // A hundred to warm up pools and tables, which are not a session's.
    for (int i = 0; i != 100; ++i) open_session(sockets.emplace_back(context), address, websocket);

    const memory before = ask(server, channel[0]);
    const double kernel_before = kernel_memory();
    for (std::size_t i = 0; i != sessions; ++i) open_session(sockets.emplace_back(context), address, websocket);
    const memory after = ask(server, channel[0]);
    const double kernel_after = kernel_memory();

    kill(server, SIGKILL);
    waitpid(server, nullptr, 0);
    close(channel[0]);
    close(channel[1]);
    const auto each = [&](double a, double b) { return (b - a) / static_cast<double>(sessions); };
    return {each(before.heap, after.heap), each(before.resident, after.resident), each(kernel_before, kernel_after)};
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t sessions = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 10'000;
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    using event_stream = weir::sse_stream<bare_socket>;
    using websocket = weir::ws_stream<bare_socket>;
    struct row {
        const char* what;
        void (*server)(int);
        bool websocket;
        int budget;
    };
    const row rows[] = {
        {"Asio: a socket with a wait", &bare_server, false, 0},
        {"event stream on tcp::socket", &tcp_socket_server<event_stream>, false, 768},
        {"WebSocket on tcp::socket", &tcp_socket_server<websocket>, true, 896},
        {"event stream of weir::server", &weir_server, false, 300},
        {"WebSocket of weir::server", &weir_server, true, 450},
    };
    std::printf("idle sessions, %zu of each, bytes for one: heap, budget, resident; kernel, both ends\n", sessions);
    for (const row& r : rows) {
        const result each = measure(r.server, r.websocket, sessions);
        std::printf("  %-30s %6.0f %6d %6.0f %8.0f\n", r.what, each.heap, r.budget, each.resident, each.kernel);
    }
}
