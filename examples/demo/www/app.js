// SPDX-License-Identifier: BSL-1.0
// The demo page: two EventSources (machine and sessions on one, the ticker on the other, since a browser has only six
// HTTP/1.1 connections per host), one POST stream, one stream deliberately not read, one WebSocket. Everything drawn is
// something received.

const byId = (id) => document.getElementById(id);
const put = (id, text) => { byId(id).textContent = text; };
const whole = new Intl.NumberFormat("en");
const tenth = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const calm = matchMedia("(prefers-reduced-motion: reduce)");

function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1024 && unit + 1 < units.length) { n /= 1024; unit += 1; }
  return `${unit === 0 || n >= 100 ? whole.format(Math.round(n)) : tenth.format(n)} ${units[unit]}`;
}

function duration(ms) {
  const s = Math.floor(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
}

function element(name, text = "", className = "") {
  const e = document.createElement(name);
  e.textContent = text;
  if (className) e.className = className;
  return e;
}

// ---------------------------------------------------------------------------------------------------------- drawing

const colours = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["paper", "ink", "soft", "rule", "water", "water-deep", "water-pale", "wall", "wall-dark", "system",
                      "sessions", "tick", "token", "said", "signal"]) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
  colours.sans = getComputedStyle(document.body).fontFamily;
}

/// A canvas in CSS pixels: returns {g, w, h} cleared and scaled, or nothing while it is not laid out.
function sheet(canvas) {
  const w = canvas.clientWidth, h = canvas.clientHeight;
  if (!w || !h) return undefined;
  const scale = Math.min(devicePixelRatio || 1, 2);
  if (canvas.width !== Math.round(w * scale) || canvas.height !== Math.round(h * scale)) {
    canvas.width = Math.round(w * scale);
    canvas.height = Math.round(h * scale);
  }
  const g = canvas.getContext("2d");
  g.setTransform(scale, 0, 0, scale, 0, 0);
  g.clearRect(0, 0, w, h);
  return { g, w, h };
}

/// The newest `size` values, oldest first.
class History {
  constructor(size) { this.size = size; this.values = []; }
  push(value) { this.values.push(value); if (this.values.length > this.size) this.values.shift(); }
  clear() { this.values = []; }
  get max() { return Math.max(0, ...this.values); }
}

function text(g, string, x, y, { colour = colours.soft, align = "left", size = 11 } = {}) {
  g.fillStyle = colour;
  g.font = `${size}px ${colours.sans}`;
  g.textAlign = align;
  g.fillText(string, x, y);
}

/// One series over the width of the sheet, filled from `base`; `y` maps a value to a height.
function area(g, history, w, base, y, fill, stroke) {
  const step = w / (history.size - 1), from = w - step * (history.values.length - 1);
  if (history.values.length < 2) return;
  const line = new Path2D();
  history.values.forEach((v, i) => line[i ? "lineTo" : "moveTo"](from + i * step, y(v)));
  const shape = new Path2D(line);
  shape.lineTo(w, base);
  shape.lineTo(from, base);
  g.fillStyle = fill;
  g.fill(shape);
  g.strokeStyle = stroke;
  g.lineWidth = 1.5;
  g.stroke(line);
}

// -------------------------------------------------------------------------------------------------------- the river

const outboxLimit = { bytes: 1024 * 1024 };

const river = {
  canvas: byId("river"), floats: [], level: 0, target: 0, spill: 0, flow: 0, last: 0,

  /// One event received.
  add(kind) {
    this.flow += 1;
    if (calm.matches || document.hidden || this.floats.length > 400) return;
    this.floats.push({ kind, x: -8 - Math.random() * 24, depth: 0.12 + Math.random() * 0.7, speed: 0.85 + Math.random() * 0.3,
                       phase: Math.random() * 6 });
  },

  shape(w, h) {
    const wall = Math.round(w * (w < 640 ? 0.66 : 0.62)), bed = h - 16, crest = Math.round(h * 0.53);
    return { w, h, wall, bed, crest, crestWidth: 20, baseWidth: 66, gate: 30, low: h * 0.74, down: h * 0.79 };
  },

  draw(now) {
    const s = sheet(this.canvas);
    if (!s) return;
    const seconds = Math.min(0.1, (now - this.last) / 1000 || 0), r = this.shape(s.w, s.h), t = now / 1000;
    this.last = now;
    this.level += (this.target - this.level) * Math.min(1, seconds * 2.5);
    this.spill *= Math.exp(-seconds * 1.2);
    this.flow *= Math.exp(-seconds * 0.7);
    const up = r.low + (r.crest + 3 - r.low) * this.level - (this.spill > 0.05 ? 6 * Math.min(1, this.spill) : 0);
    this.water(s.g, r, t, up);
    this.masonry(s.g, r);
    this.staff(s.g, r, up);
    this.drift(s.g, r, t, up, seconds);
  },

  surface(y, x, t, swell) {
    if (calm.matches) return y;
    return y + Math.sin(x / 46 + t * 1.1) * swell + Math.sin(x / 19 - t * 1.7) * swell * 0.45;
  },

  water(g, r, t, up) {
    const swell = 1.1 + Math.min(1.6, this.flow / 30);
    const body = (from, to, y) => {
      const path = new Path2D();
      path.moveTo(from, r.h);
      for (let x = from; x <= to + 6; x += 6) path.lineTo(Math.min(x, to), this.surface(y, Math.min(x, to), t, swell));
      path.lineTo(to, r.h);
      const depth = g.createLinearGradient(0, y, 0, r.h);
      depth.addColorStop(0, colours.water);
      depth.addColorStop(1, colours["water-deep"]);
      g.fillStyle = depth;
      g.fill(path);
    };
    body(0, r.wall + r.crestWidth, up);
    body(r.wall + 4, r.w, r.down);
    if (this.spill > 0.02) this.nappe(g, r, t, up);
  },

  /// What goes over the crest: dropped, in the signal colour.
  nappe(g, r, t, up) {
    const strength = Math.min(1, this.spill), reach = 46 + 44 * strength;
    g.lineCap = "round";
    for (let i = 0; i < 9; i += 1) {
      const k = i / 8, wobble = calm.matches ? 0 : Math.sin(t * 5 + i * 1.9) * 2;
      g.strokeStyle = colours.signal;
      g.globalAlpha = strength * (0.25 + 0.5 * (1 - k));
      g.lineWidth = 2.5;
      g.beginPath();
      g.moveTo(r.wall - 6, up + k * 3);
      g.quadraticCurveTo(r.wall + r.crestWidth + reach * (0.5 + k * 0.35), r.crest - 4 + k * 5,
                         r.wall + r.crestWidth + reach * (0.8 + k * 0.35) + wobble, r.down + 3);
      g.stroke();
    }
    g.globalAlpha = 1;
  },

  masonry(g, r) {
    const left = r.wall, right = r.wall + r.crestWidth, foot = r.wall + r.baseWidth, sill = r.bed - r.gate;
    const slope = (y) => right + (foot - right) * (y - r.crest) / (r.bed - r.crest);
    g.fillStyle = colours["wall-dark"];
    g.fillRect(0, r.bed, r.w, r.h - r.bed);
    g.fillStyle = colours["water-deep"];
    g.fillRect(left - 1, sill - 2, slope(r.bed) - left + 2, r.gate + 2);
    g.fillStyle = colours.wall;
    g.beginPath();
    g.moveTo(left, r.crest + 3);
    g.quadraticCurveTo(left, r.crest - 3, left + 8, r.crest - 3);
    g.quadraticCurveTo(right, r.crest - 2, right, r.crest + 8);
    g.lineTo(slope(sill), sill);
    g.lineTo(left, sill);
    g.fill();
    // The gate's lintel, so that the opening reads as one.
    g.fillStyle = colours["wall-dark"];
    g.fillRect(left - 4, sill - 6, slope(sill) - left + 8, 6);
  },

  /// The staff gauge: from an empty outbox to the crest.
  staff(g, r, up) {
    const x = r.wall - 7;
    for (let i = 0; i <= 8; i += 1) {
      const y = r.low + (r.crest + 3 - r.low) * i / 8;
      g.fillStyle = i === 8 ? colours.signal : y < up ? colours.wall : colours.system;
      g.fillRect(x - (i % 4 ? 0 : 5), Math.round(y) - 1, i % 4 ? 7 : 12, 2);
    }
    text(g, `crest ${bytes(outboxLimit.bytes)}`, x - 14, r.crest - 4, { align: "right", colour: colours.soft });
  },

  drift(g, r, t, up, seconds) {
    const sill = r.bed - r.gate, middle = r.bed - r.gate / 2, near = 130;
    this.floats = this.floats.filter((f) => f.x < r.w + 10);
    for (const f of this.floats) {
      const gap = r.wall - f.x, out = f.x - (r.wall + r.baseWidth);
      let speed = 62, y = this.surface(up, f.x, t, 1.3) + 7 + f.depth * (r.bed - up - 20);
      if (gap < near && out < 0) {                                     // drawn down to the gate, and through it
        const pull = Math.min(1, (near - gap) / near), ease = pull * pull * (3 - 2 * pull);
        y += (sill + 6 + f.depth * (r.gate - 12) - y) * ease;
        speed += 230 * ease;
      } else if (out >= 0) {                                           // a jet, then calm water
        const slow = Math.min(1, out / 220);
        speed = 292 - 215 * slow;
        y = middle + (f.depth - 0.5) * 16 + (r.down + 8 + f.depth * (r.bed - r.down - 20) - middle) * slow;
      }
      f.x += speed * f.speed * seconds;
      g.fillStyle = colours[f.kind];
      g.beginPath();
      g.arc(f.x, y + Math.sin(t * 2 + f.phase) * 1.2, 2.6, 0, 7);
      g.fill();
    }
  },
};

// --------------------------------------------------------------------------------------------------- header figures

const totals = { events: 0, recent: [], dropped: 0 };

function received(kind) {
  totals.events += 1;
  totals.recent.push(performance.now());
  river.add(kind);
}

function showTotals() {
  const since = performance.now() - 4000;
  while (totals.recent.length && totals.recent[0] < since) totals.recent.shift();
  put("fig-rate", tenth.format(totals.recent.length / 4));
  put("fig-total", whole.format(totals.events));
}

// ---------------------------------------------------------------------------------------------------------- sources

/// An EventSource with its state shown. The browser reconnects by itself after the end of a stream or a lost
/// connection; after an answer other than 200 it gives up for good (a proxy's 502 during a restart), so that case is
/// ours: open again, and pass the last id as a query parameter because a new EventSource cannot set the header.
class Line {
  constructor(name, url, listeners) {
    Object.assign(this, { name, url, listeners, opens: 0, lastId: "", pause: 1000 });
    this.open();
  }
  open() {
    const resume = this.lastId ? `?last_event_id=${encodeURIComponent(this.lastId)}` : "";
    this.source = new EventSource(this.url + resume);
    this.source.onopen = () => { this.opens += 1; this.pause = 1000; this.show("open", "open"); this.listeners.opened?.(this.opens); };
    this.source.onerror = () => this.failed();
    for (const [type, listener] of Object.entries(this.listeners.events)) {
      this.source.addEventListener(type, (e) => { if (e.lastEventId) this.lastId = e.lastEventId; listener(e); });
    }
  }
  failed() {
    if (this.source.readyState !== EventSource.CLOSED) return this.show("connecting", "reconnecting");
    this.show("closed", "refused, trying again");
    this.timer = setTimeout(() => this.open(), this.pause);
    this.pause = Math.min(this.pause * 2, 15000);
  }
  close() { clearTimeout(this.timer); this.source.close(); this.show("closed", "resting"); }
  show(state, label) { showLine(this.name, state, label); }
}

function showLine(name, state, label) {
  const line = byId(`line-${name}`);
  line.dataset.state = state;
  line.querySelector("span").textContent = label;
}

// ------------------------------------------------------------------------------------------------------- the gauges

const gauges = { cores: [], incoming: new History(120), outgoing: new History(120), spoken: 0 };

function onSystem(e) {
  received("system");
  const s = JSON.parse(e.data);
  if (s.cpu) showProcessor(s.cpu);
  if (s.memory) showMemory(s.memory);
  if (s.network) showNetwork(s.network);
  if (s.load) s.load.forEach((v, i) => { byId("loads").children[i].textContent = v.toFixed(2); });
}

function showProcessor(cores) {
  gauges.cores = cores;
  const mean = cores.reduce((a, b) => a + b, 0) / cores.length;
  put("cpu-value", `${Math.round(mean * 100)} % of ${cores.length} core${cores.length === 1 ? "" : "s"}`);
  drawProcessor();
}

/// A row of staff gauges, one per core.
function drawProcessor() {
  const s = sheet(byId("cpu"));
  if (!s) return;
  const { g, w, h } = s, n = gauges.cores.length, labelled = w / n > 34, base = h - (labelled ? 18 : 2), top = 4;
  const pitch = Math.min(w / n, 76), width = Math.max(2, Math.min(pitch * 0.62, 44));
  gauges.cores.forEach((load, i) => {
    const x = i * pitch, y = base - (base - top) * load;
    g.fillStyle = colours["water-pale"];
    g.fillRect(x, top, width, base - top);
    g.fillStyle = colours.water;
    g.fillRect(x, y, width, base - y);
    g.fillStyle = colours.ink;
    g.globalAlpha = 0.35;
    for (let mark = 0; mark <= 10 && width > 12; mark += 1) {
      g.fillRect(x, Math.round(base - (base - top) * mark / 10), mark % 5 ? width * 0.18 : width * 0.34, 1);
    }
    g.globalAlpha = 1;
    if (labelled) text(g, `${Math.round(load * 100)} %`, x + width / 2, h - 4, { align: "center" });
  });
}

function showMemory({ used, total }) {
  put("mem-value", `${bytes(used)} of ${bytes(total)}`);
  byId("mem-fill").style.transform = `scaleX(${used / total})`;
}

function showNetwork({ in: incoming, out: outgoing, loopback }) {
  gauges.incoming.push(incoming);
  gauges.outgoing.push(outgoing);
  put("net-value", `in ${bytes(incoming)}/s · out ${bytes(outgoing)}/s · loopback ${bytes(loopback)}/s`);
  drawNetwork();
}

/// In above the line, out below it, one scale.
function drawNetwork() {
  const s = sheet(byId("net"));
  if (!s) return;
  const { g, w, h } = s, middle = Math.round(h / 2), room = middle - 14;
  const scale = 2 ** Math.ceil(Math.log2(Math.max(1024, gauges.incoming.max, gauges.outgoing.max)));
  area(g, gauges.incoming, w, middle, (v) => middle - room * v / scale, colours["water-pale"], colours.water);
  area(g, gauges.outgoing, w, middle, (v) => middle + room * v / scale, colours["water-pale"], colours.token);
  g.fillStyle = colours.ink;
  g.fillRect(0, middle, w, 1);
  g.fillStyle = colours.rule;
  g.fillRect(0, middle - room, w, 1);
  g.fillRect(0, middle + room, w, 1);
  text(g, `in, ${bytes(scale)}/s`, 0, 10);
  text(g, "out", 0, h - 3);
}

// ------------------------------------------------------------------------------------------------------- the ticker

const ticker = { next: undefined, received: 0, missing: 0, duplicates: 0, caught: 0, told: 0, servers: new Set(), lostAt: undefined,
                 strokes: [], log: [] };

function onTick(e) {
  received("tick");
  const n = Number(e.lastEventId), late = currentNumber() - n > 3;
  ticker.received += 1;
  if (ticker.next !== undefined && n < ticker.next) ticker.duplicates += 1;
  else {
    for (let lost = ticker.next ?? n; lost < n; lost += 1) { ticker.missing += 1; stroke("signal"); }
    ticker.next = n + 1;
    stroke(late ? "tick" : "water");
  }
  if (late) ticker.caught += 1;
  if (ticker.resuming) { ticker.resuming.first ??= n; if (!late) resumed(n); }
  showTicker(n);
}

/// The server says so when the gap is too wide to fill: told, not silent, hence not counted as missing.
function onGap(e) {
  received("tick");
  const gap = JSON.parse(e.data);
  ticker.told += gap.to - gap.from + 1;
  ticker.next = gap.to + 1;
  note(`too far behind: numbers ${whole.format(gap.from)} to ${whole.format(gap.to)} are gone, and the server says so`);
}

/// The server's clock as this page knows it: numbers are unix milliseconds / 500. The offset makes "late" independent
/// of the browser's own clock.
const clock = { offset: 0 };
const currentNumber = () => Math.floor((Date.now() + clock.offset) / 500);

function onTickerHello(e) {
  const hello = JSON.parse(e.data);
  clock.offset = hello.now - Date.now();
  ticker.servers.add(`${hello.pid} ${hello.started}`);
  put("tick-servers", whole.format(ticker.servers.size));
}

function onTickerOpen(opens) {
  put("tick-reconnects", whole.format(opens - 1));
  if (opens > 1 && ticker.next !== undefined) ticker.resuming = { after: ticker.next - 1 };
}

function resumed(n) {
  const { after, first } = ticker.resuming;
  ticker.resuming = undefined;
  note(`resumed after ${whole.format(after)}, first number ${whole.format(first)}, ${whole.format(n - first)} caught up`);
}

function note(message) {
  const line = element("li", message);
  line.prepend(element("time", new Date().toLocaleTimeString("en-GB")));
  byId("tick-log").prepend(line);
  while (byId("tick-log").children.length > 4) byId("tick-log").lastChild.remove();
}

function stroke(kind) {
  ticker.strokes.push(kind);
  if (ticker.strokes.length > 400) ticker.strokes.shift();
}

function showTicker(n) {
  put("tick-now", whole.format(n));
  put("tick-received", whole.format(ticker.received));
  put("tick-caught", whole.format(ticker.caught));
  for (const name of ["missing", "duplicates"]) {
    put(`tick-${name}`, whole.format(ticker[name]));
    byId(`tick-${name}`).dataset.zero = ticker[name] ? "broken" : "";
  }
  drawTicks();
}

function drawTicks() {
  const s = sheet(byId("ticks"));
  if (!s) return;
  const { g, w, h } = s, pitch = 5, newest = (ticker.next ?? 0) - 1;
  for (let i = 0; i < Math.floor(w / pitch); i += 1) {
    const kind = ticker.strokes.at(-1 - i), tall = (newest - i) % 10 === 0 ? h : h * 0.62;
    g.fillStyle = colours[kind ?? "rule"];
    g.fillRect(w - 3 - i * pitch, h - tall, kind && kind !== "water" ? 3 : 2, tall);
  }
}

async function cutTicker() {
  byId("cut").disabled = true;
  try {
    const answer = await fetch("/demo/cut", { method: "POST" });
    put("cut-note", answer.ok ? "Cut. The browser waits a second, then resumes." : `The server answered ${answer.status}.`);
  } catch { put("cut-note", "The server does not answer."); }
  setTimeout(() => { byId("cut").disabled = false; }, 1500);
}

// ------------------------------------------------------------------------------------------------- the token stream

/// The part of an event-stream parser this answer needs: `data` of each event, over any chunking.
async function* eventData(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").filter((l) => l.startsWith("data:")).map((l) => l.slice(5).replace(/^ /, ""));
      if (data.length) yield data.join("\n");
    }
  }
}

const chat = { abort: undefined };

async function ask(prompt) {
  const answer = byId("answer"), figures = { tokens: 0, begun: performance.now(), wire: [] };
  chat.abort = new AbortController();
  answer.textContent = "";
  answer.classList.add("streaming");
  put("send", "Stop");
  let end = "";
  try { end = await converse(prompt, answer, figures); }
  catch (e) { end = e.name === "AbortError" ? "stopped: the server learns it at once" : "the stream broke off"; }
  answer.classList.remove("streaming");
  put("send", "Ask");
  chat.abort = undefined;
  showChat(figures, end);
}

async function converse(prompt, answer, figures) {
  const response = await fetch("/v1/chat/completions", {
    method: "POST", signal: chat.abort.signal,
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify({ model: "prepared-paragraphs", stream: true, messages: [{ role: "user", content: prompt }] }),
  });
  if (!response.ok) return `the server answered ${response.status}`;
  for await (const data of eventData(response)) {
    received("token");
    figures.wire.push(`data: ${data}`);
    put("wire", figures.wire.slice(-4).join("\n\n"));
    if (data === "[DONE]") return "[DONE]";
    const token = JSON.parse(data).choices[0].delta.content;
    if (!token) continue;
    figures.tokens += 1;
    answer.append(token);
    answer.scrollTop = answer.scrollHeight;
    showChat(figures, "");
  }
  return "the stream ended without [DONE]";
}

function showChat(figures, end) {
  const seconds = (performance.now() - figures.begun) / 1000;
  put("chat-figures", `${figures.tokens} tokens · ${tenth.format(figures.tokens / Math.max(seconds, 0.1))} a second${end ? ` · ${end}` : ""}`);
}

// --------------------------------------------------------------------------------------------------------- the chat

const animals = ["beaver", "dipper", "heron", "otter", "perch", "salmon", "stork", "trout"];

const room = { name: animals[Math.floor(Math.random() * animals.length)], socket: undefined, pause: 0, epoch: undefined, lastId: 0,
               members: [], you: "" };

/// A WebSocket does not come back by itself. This one does, after a pause that grows while nobody answers, and that is
/// never quite the same, so that pages do not come back in step.
function enterRoom() {
  const url = new URL(`/rooms/lobby?name=${encodeURIComponent(room.name)}`, location);
  url.protocol = url.protocol.replace("http", "ws");
  showLine("room", "connecting", "connecting");
  room.socket = new WebSocket(url);
  room.socket.onopen = () => { room.pause = 500; showRoomOpen(true); };
  room.socket.onmessage = (e) => onRoomMessage(JSON.parse(e.data));
  room.socket.onclose = (e) => {
    showRoomOpen(false, e.reason);
    setTimeout(enterRoom, room.pause * (0.75 + Math.random() / 2));
    room.pause = Math.min(Math.max(room.pause * 2, 500), 15000);
  };
}

function showRoomOpen(open, reason) {
  byId("room-say").disabled = !open;
  showLine("room", open ? "open" : "closed", open ? "open" : `${reason || "disconnected"}, coming back`);
}

function onRoomMessage(message) {
  received("said");
  const { type, name } = message;
  if (type === "welcome") onWelcome(message);
  if (type === "said" && message.id > room.lastId) { room.lastId = message.id; showSaid(message); }
  if (type === "joined") room.members.push(name);
  if (type === "left") room.members.splice(room.members.indexOf(name), 1);
  if (type === "joined" || type === "left") showNotice(`${name} has ${type === "joined" ? "come" : "gone"}`);
  showMembers();
}

/// The history follows. It is counted from the room's epoch: what this page has seen of it is not shown again.
function onWelcome({ name, members, epoch }) {
  if (room.epoch !== undefined) {
    showNotice(epoch === room.epoch ? "back again" : "the server is a new one: what was said before, only pages like this one remember");
  }
  if (epoch !== room.epoch) Object.assign(room, { epoch, lastId: 0 });
  Object.assign(room, { members, you: name });
}

function showMembers() {
  byId("room-members").replaceChildren(...room.members.map((m) => element("li", m, m === room.you ? "mine" : "")));
}

function showSaid({ at, name, text: words }) {
  const line = element("li", words);
  line.prepend(element("time", new Date(at).toLocaleTimeString("en-GB", { timeStyle: "short" })), element("b", name));
  addToTalk(line);
}

function showNotice(message) { addToTalk(element("li", message, "note")); }

function addToTalk(line) {
  const talk = byId("room-log"), atEnd = talk.scrollHeight - talk.scrollTop - talk.clientHeight < 40;
  talk.append(line);
  if (talk.children.length > 500) talk.firstChild.remove();
  if (atEnd) talk.scrollTop = talk.scrollHeight;
}

function say(words) {
  if (!words || room.socket.readyState !== WebSocket.OPEN) return;
  room.socket.send(words);
  byId("room-text").value = "";
}

/// Under another name: out, and in again.
function rename(name) {
  room.name = name || room.name;
  byId("room-name").value = room.name;
  if (room.socket.readyState !== WebSocket.OPEN) return;
  room.pause = 0;
  room.socket.close();
}

// -------------------------------------------------------------------------------------------------- the slow reader

const slow = { label: "", abort: undefined, response: undefined, reading: false, queued: new History(120), drops: new History(120),
               dropped: 0, seen: false };

async function openSlow() {
  const policy = document.querySelector("[name=policy]:checked").value;
  Object.assign(slow, { label: Math.random().toString(36).slice(2, 10), abort: new AbortController(), reading: false, dropped: 0, seen: false });
  slow.queued.clear();
  slow.drops.clear();
  slowButtons(true);
  put("slow-note", `Open under ${policy}, not read.`);
  try {
    // Nobody reads this body; it is kept so that it is not collected. The server says no-store on this route: without
    // it Chromium reads ahead into memory, without bound, for a page that does not.
    slow.response = await fetch(`/events/firehose/${policy}?label=${slow.label}`, { signal: slow.abort.signal });
  } catch { closeSlow("The torrent could not be opened."); }
}

async function readSlow() {
  slow.reading = true;
  byId("slow-read").disabled = true;
  put("slow-note", "Reading now: the gate is open.");
  try {
    const reader = slow.response.body.getReader();
    while (!(await reader.read()).done);
    closeSlow("The server ended the torrent.");
  } catch (e) { if (e.name !== "AbortError") closeSlow("The torrent broke off."); }
}

function closeSlow(message) {
  slow.abort?.abort();
  Object.assign(slow, { abort: undefined, response: undefined, label: "" });
  slowButtons(false);
  put("slow-note", message);
}

function slowButtons(open) {
  byId("slow-start").disabled = open;
  byId("slow-read").disabled = byId("slow-stop").disabled = !open;
  for (const radio of document.querySelectorAll("[name=policy]")) radio.disabled = open;
}

function followSlow(sessions) {
  const mine = slow.label && sessions.find((s) => s.label === slow.label);
  if (!mine) return;
  slow.queued.push(mine.queued_bytes);
  slow.drops.push(Math.max(0, mine.dropped - slow.dropped));
  if (mine.dropped > slow.dropped) river.spill = Math.min(1.4, river.spill + 0.5);
  slow.dropped = mine.dropped;
  put("slow-value", `${bytes(mine.queued_bytes)} in ${whole.format(mine.queued_messages)} events`);
  put("slow-sent", bytes(mine.bytes));
  put("slow-queued", bytes(mine.queued_bytes));
  put("slow-dropped", whole.format(mine.dropped));
  put("slow-state", mine.state);
  drawSlow();
  if (mine.closed) closeSlow(`The server let this reader go: ${mine.state}.`);
}

function drawSlow() {
  const s = sheet(byId("slow"));
  if (!s) return;
  const { g, w, h } = s, base = h - 4, crest = 44, y = (v) => base - (base - crest) * v / outboxLimit.bytes;
  area(g, slow.queued, w, base, y, colours["water-pale"], colours.water);
  const step = w / (slow.drops.size - 1), from = w - step * (slow.drops.values.length - 1), most = slow.drops.max || 1;
  g.fillStyle = colours.signal;
  slow.drops.values.forEach((v, i) => { if (v) { const tall = 3 + 22 * v / most; g.fillRect(from + i * step - 1, crest - 4 - tall, 3, tall); } });
  g.fillRect(0, crest, w, 1.5);
  text(g, `crest: ${bytes(outboxLimit.bytes)}; above it what the policy dropped`, 0, 10);
  g.fillStyle = colours.ink;
  g.fillRect(0, base, w, 1);
}

// ----------------------------------------------------------------------------------------------------- the sessions

function onSessions(e) {
  received("sessions");
  const { sessions } = JSON.parse(e.data);
  const fullest = Math.max(0, ...sessions.map((s) => (s.closed ? 0 : s.queued_bytes)));
  river.target = Math.min(1, fullest / outboxLimit.bytes);
  put("fig-queued", bytes(fullest));
  put("fig-dropped", whole.format(sessions.reduce((sum, s) => sum + s.dropped, 0)));
  byId("sessions").replaceChildren(...sessions.map(sessionRow));
  followSlow(sessions);
}

function sessionRow(s) {
  const row = element("tr", "", s.closed ? "closed" : "");
  if (s.label && s.label === slow.label) row.classList.add("mine");
  const state = s.closed ? s.state : s.queued_bytes > 0 ? "behind" : s.state;
  row.append(element("td", s.route), element("td", s.peer), element("td", duration(s.age_ms)), element("td", whole.format(s.messages)),
             element("td", bytes(s.bytes)), element("td", bytes(s.queued_bytes), s.queued_bytes > 0 && !s.closed ? "behind" : ""),
             element("td", whole.format(s.dropped), s.dropped ? "spilled" : ""), element("td", state));
  return row;
}

function onHello(e) {
  received("system");
  const hello = JSON.parse(e.data);
  outboxLimit.bytes = hello.outbox_limit;
  put("server-id", `Server process ${hello.pid}, weir ${hello.version}.`);
}

// ------------------------------------------------------------------------------------------------------------ start

function start() {
  readColours();
  const lines = {
    live: new Line("live", "/events/live", { events: { hello: onHello, system: onSystem, sessions: onSessions } }),
    ticker: new Line("ticker", "/events/ticker",
                     { opened: onTickerOpen, events: { hello: onTickerHello, tick: onTick, gap: onGap } }),
  };
  // A page nobody looks at gives its dashboard connection back: a browser has six, over all tabs.
  document.addEventListener("visibilitychange", () => { if (document.hidden) lines.live.close(); else lines.live.open(); });
  byId("cut").addEventListener("click", cutTicker);
  byId("slow-start").addEventListener("click", openSlow);
  byId("slow-read").addEventListener("click", readSlow);
  byId("slow-stop").addEventListener("click", () => closeSlow("Closed by this page."));
  byId("chat").addEventListener("submit", (e) => {
    e.preventDefault();
    if (chat.abort) chat.abort.abort(); else ask(byId("prompt").value);
  });
  for (const chip of document.querySelectorAll(".chips button")) {
    chip.addEventListener("click", () => { byId("prompt").value = chip.textContent; if (!chat.abort) ask(chip.textContent); });
  }
  byId("room").addEventListener("submit", (e) => { e.preventDefault(); say(byId("room-text").value.trim()); });
  byId("room-name").value = room.name;
  byId("room-name").addEventListener("change", () => rename(byId("room-name").value.trim()));
  enterRoom();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); redraw(); });
  addEventListener("resize", redraw);
  drawTicks();
  drawSlow();
  setInterval(showTotals, 500);
  animate();
}

function redraw() { drawProcessor(); drawNetwork(); drawTicks(); drawSlow(); river.draw(performance.now()); }

function animate() {
  if (!calm.matches) { river.draw(performance.now()); return requestAnimationFrame(animate); }
  river.level = river.target;                                          // no motion wanted: a still picture, kept current
  river.draw(performance.now());
  setTimeout(animate, 1000);
}

start();
