// SPDX-License-Identifier: BSL-1.0

// A chat with a page of its own. Run it, then open http://127.0.0.1:8080/ in two windows; or, beside them,
// weir_ws_cat 'ws://127.0.0.1:8080/rooms/lobby?name=otter'

#include <weir/server.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "demo/chat.hpp"

constexpr const char* page = R"html(<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>weir: chat</title>
<link rel="icon" href="data:,">
<style>
  :root { --paper: #f5f3ec; --ink: #15242c; --soft: #5a6a71; --rule: #d5d3c8; --water: #237a96; color-scheme: light dark }
  @media (prefers-color-scheme: dark) {
    :root { --paper: #0d161b; --ink: #e4ebec; --soft: #93a5ab; --rule: #27363d; --water: #3f9db8 }
  }
  body { margin: 0 auto; padding: 2rem 1.25rem; max-width: 40rem; background: var(--paper); color: var(--ink);
         font: 400 1rem/1.5 system-ui, sans-serif }
  h1 { margin: 0; font: 400 3rem/1 ui-serif, Georgia, serif; letter-spacing: -0.03em }
  #state { color: var(--soft) }
  ol { height: 55vh; margin: 1.5rem 0; padding: 0 0 0 1rem; overflow: auto; list-style: none;
       border-left: 2px solid var(--water); overflow-wrap: anywhere }
  b { margin-right: 0.6em }
  .notice { color: var(--soft); font-size: 0.875rem }
  form { display: flex; gap: 0.75rem }
  input { flex: 1; min-width: 0; font: inherit; color: inherit; background: none; border: 0;
          border-bottom: 1px solid var(--ink); padding: 0.5rem 0 }
  button { font: 600 0.875rem/1 system-ui, sans-serif; color: inherit; background: none;
           border: 1px solid var(--ink); padding: 0.6rem 1rem }
  button:disabled { color: var(--soft); border-color: var(--rule) }
</style>
<h1 id="room"></h1>
<p id="state" role="status">connecting</p>
<ol id="log"></ol>
<form><input id="text" maxlength="250" autocomplete="off" aria-label="Message" autofocus><button disabled>Say</button></form>
<script type="module">
  const byId = (id) => document.getElementById(id), button = document.querySelector("button");
  const room = /^#[\w-]{1,32}$/.test(location.hash) ? location.hash.slice(1) : "lobby";
  const name = [...(prompt("Your name?", "")?.trim() || "guest")].slice(0, 8).join("");
  const seen = { epoch: 0, id: 0 };
  let socket, pause = 500;

  function show(text, who) {
    const line = document.createElement("li"), log = byId("log");
    line.textContent = text;
    if (who) line.prepend(Object.assign(document.createElement("b"), { textContent: who }));
    else line.className = "notice";
    log.append(line);
    if (log.children.length > 500) log.firstChild.remove();
    log.scrollTop = log.scrollHeight;
  }
  const handlers = {
    welcome({ name, members, epoch }) {
      if (epoch !== seen.epoch) Object.assign(seen, { epoch, id: 0 });
      show(`you are ${name}; here now: ${members.join(", ")}`);
    },
    said({ id, name, text }) { if (id > seen.id) { seen.id = id; show(text, name); } },
    joined({ name }) { show(`${name} has come`); },
    left({ name }) { show(`${name} has gone`); },
  };
  function state(text, open) { byId("state").textContent = text; button.disabled = !open; }

  function connect() {
    const url = new URL(`/rooms/${encodeURIComponent(room)}?name=${encodeURIComponent(name)}`, location);
    url.protocol = url.protocol.replace("http", "ws");
    url.hash = "";
    socket = new WebSocket(url);
    socket.onopen = () => { pause = 500; state("open", true); };
    socket.onmessage = ({ data }) => { const message = JSON.parse(data); handlers[message.type]?.(message); };
    socket.onclose = ({ reason }) => {
      state(`${reason || "disconnected"}, coming back`, false);
      setTimeout(connect, pause * (0.75 + Math.random() / 2));
      pause = Math.min(pause * 2, 15000);
    };
  }
  document.querySelector("form").onsubmit = (e) => {
    e.preventDefault();
    if (socket.readyState !== WebSocket.OPEN || !byId("text").value) return;
    socket.send(byId("text").value);
    byId("text").value = "";
  };
  byId("room").textContent = room;
  connect();
</script>
</html>
)html";

// ws_chat [port]; 0: the system chooses.
int main(int argc, char** argv) {
    const auto wanted = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8080);

    weir::server app{{.threads = 1}};
    chat::rooms rooms;  // after the server, since no session may outlive it
    app.get("/", [](const weir::request&) {
        return weir::response{.body = page, .content_type = "text/html; charset=utf-8"};
    });
    app.ws(
        "/rooms/{room}", [&](weir::ws_session ws, weir::request request) { rooms.enter(std::move(ws), request); },
        chat::rooms::options());

    const std::uint16_t port = app.listen({.port = wanted});
    std::printf("http://127.0.0.1:%u/\n", unsigned{port});
    std::fflush(stdout);
    app.run();
}
