"use strict";
// The page asks the node's API (docs/openapi.json) and draws what it says.  Text is only ever set as text.

const $ = selector => document.querySelector(selector);
const isNumber = value => typeof value === "number" && Number.isFinite(value);
const sum = values => values.reduce((a, b) => a + b, 0);

function element(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "line", "path", "polyline", "rect", "circle", "text", "title"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== undefined) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// ---- Numbers for people ----

const kNames = {r2: "R\u00b2", auroc: "AUROC", mae: "MAE", rmse: "RMSE", macro_f1: "macro F1"};
const metricName = metric => kNames[metric] ?? metric.replaceAll("_", " ");
const isPercent = metric => !["mae", "rmse", "perplexity"].includes(metric);
const minus = text => text.replace("-", "\u2212");
const fixed = (value, digits) => isNumber(value) ? minus(value.toFixed(digits)) : "\u2013";
const quality = (value, metric) => !isNumber(value) ? "\u2013" : isPercent(metric) ? fixed(100 * value, 1) + "\u2009%" : minus(String(+value.toPrecision(4)));
const difference = (value, metric) => (value > 0 ? "+" : "") + (isPercent(metric) ? fixed(100 * value, 1) : minus(String(+value.toPrecision(3))));
const bytes = value => {
  if (!isNumber(value)) return "\u2013";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (value >= 1000 && i + 1 < units.length) { value /= 1024; ++i; }
  return (i && value < 100 ? value.toFixed(1) : Math.round(value)) + "\u2009" + units[i];
};
const duration = seconds => {
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) if (seconds >= size) return Math.floor(seconds / size) + "\u2009" + unit;
  return Math.max(0, Math.floor(seconds)) + "\u2009s";
};
const clock = seconds => new Date(1000 * seconds).toLocaleString();
const shorten = (text, length) => text.length > length ? text.slice(0, length - 1) + "\u2026" : text;

// ---- Asking the node ----

const known = {status: null, peers: [], history: null, invitations: []};  // what it said last
let access = "none", lastHeard = 0, isOld = false;

// What is after '#' stays in the browser: no server and no log sees it.
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) { sessionStorage.setItem("token", given); history.replaceState(null, "", location.pathname); }

class Refused extends Error { constructor(status, sentence) { super(sentence); this.status = status; } }

async function request(path, options = {}) {
  const token = sessionStorage.getItem("token");
  const headers = {...(token ? {Authorization: "Bearer " + token} : {}), ...(options.body ? {"Content-Type": "application/json"} : {})};
  const response = await fetch(path, {...options, headers, cache: "no-store", credentials: "omit"});
  if (response.ok) { access = response.headers.get("Kith-Access") ?? "read"; return response; }
  let sentence = response.statusText;
  try { sentence = (await response.json()).error ?? sentence; } catch { /* no JSON */ }
  throw new Refused(response.status, sentence);
}
const ask = async path => (await request(path)).json();
const change = async (path, body) => (await request(path, {method: "POST", body: JSON.stringify(body)})).json();

const routes = {status: "/v1/status", peers: "/v1/peers", history: "/v1/history", invitations: "/v1/invitations"};
let wanted = new Set(), busy = false;

// What changed meanwhile is asked for once, and never twice at a time.
function refresh(...kinds) {
  for (const kind of kinds) wanted.add(kind);
  if (!busy) fetchWanted();
}
async function fetchWanted() {
  busy = true;
  while (wanted.size) {
    const kinds = [...wanted];
    wanted = new Set();
    try {
      const answers = await Promise.all(kinds.map(kind => ask(routes[kind])));
      kinds.forEach((kind, i) => { known[kind] = answers[i]; });
      heard();
      draw();
    } catch (error) { failed(error); }
    await pause(300);
  }
  busy = false;
}
const pause = milliseconds => new Promise(done => setTimeout(done, milliseconds));

function heard() {
  lastHeard = Date.now();
  isOld = false;
  $("#gone").hidden = true;
  $("#ask-token").hidden = true;
  $("#main").hidden = false;
  $("#main").classList.remove("old");
}
function failed(error) {
  if (error instanceof Refused && error.status === 401) {
    $("#main").hidden = true;
    $("#ask-token").hidden = false;
    $("#token-refused").textContent = sessionStorage.getItem("token") ? error.message : "";
    live("off", "no access");
    return;
  }
  if (!isOld) {
    const since = lastHeard ? ` since ${new Date(lastHeard).toLocaleTimeString()}; what is shown is from then` : "";
    const why = error instanceof Refused ? ` (${error.message})` : "";
    $("#gone").textContent = `The node does not answer${since}${why}. See on its machine whether it runs (kith status), and what its log says last; `
                           + "if you came by ssh, whether that connection stands. This page tries again by itself.";
    $("#gone").hidden = false;
    $("#main").classList.add("old");
  }
  isOld = true;
  live("off", "not answering");
}
function live(state, text) {
  const place = $("#live");
  place.className = state;
  if (place.textContent !== text) place.textContent = text;
}

// EventSource can send no token, so the stream is read here.
const concerns = {round: ["status", "peers", "history"], phase: ["status"], peers: ["status", "peers"], charter: ["status", "peers", "invitations"],
                  applications: ["status", "invitations"], alarms: ["status"]};
async function listen() {
  for (let wait = 1000;; wait = Math.min(10000, 2 * wait)) {
    try {
      const reader = (await request("/v1/events")).body.pipeThrough(new TextDecoderStream()).getReader();
      refresh(...Object.keys(routes));
      live("on", "live");
      wait = 1000;
      for (let rest = "";;) {
        const {value, done} = await Promise.race([reader.read(), pause(45000).then(() => ({done: true}))]);
        if (done) { reader.cancel().catch(() => {}); break; }
        const events = (rest + value).split("\n\n");
        rest = events.pop();
        for (const event of events) {
          const name = /^event: (\w+)$/m.exec(event)?.[1];
          if (name && Object.hasOwn(concerns, name)) refresh(...concerns[name]);
        }
      }
      live("off", "connecting\u2026");
    } catch (error) {
      failed(error);
      if (error instanceof Refused && error.status === 401) return;  // until there is another token
    }
    await pause(wait);
  }
}

// ---- Charts ----

function ticks(low, high, wanted) {
  const rough = (high - low) / wanted || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough * 0.999), list = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) list.push(+(i * step).toPrecision(12));
  return list;
}

// Draws there now, and again whenever the width changes.  Who goes through it by keyboard stays where he is: `memory` is for
// explorable().
const charts = new Map();
function chart(selector, drawAt) {
  const place = $(selector + " .chart"), memory = charts.get(selector)?.memory ?? {};
  const redraw = () => {
    if (!place.clientWidth) return;
    const focused = place.contains(document.activeElement), told = !tip.hidden;
    place.replaceChildren(drawAt(Math.max(260, Math.floor(place.clientWidth)), memory));
    if (focused) {
      place.querySelector("[tabindex]")?.focus();
      if (!told) hideTip();
    }
  };
  if (!charts.has(selector)) new ResizeObserver(() => charts.get(selector).redraw()).observe(place);
  charts.set(selector, {redraw, memory});
  redraw();
}

const tip = $("#tip");
function hideTip() { tip.hidden = true; }
function showTip(svg, x, y, lines) {
  tip.replaceChildren(...lines.map(line => element("div", {}, line)));
  tip.hidden = false;
  const box = svg.getBoundingClientRect(), right = box.left + x + 16;
  tip.style.left = Math.max(4, right + tip.offsetWidth > document.documentElement.clientWidth ? right - tip.offsetWidth - 32 : right) + scrollX + "px";
  tip.style.top = Math.max(4, box.top + y - tip.offsetHeight / 2) + scrollY + "px";
}
addEventListener("keydown", event => { if (event.key === "Escape") hideTip(); });

// Pointer and arrow keys go over `count` columns: show(i) marks one and returns [x, y, lines].
function explorable(svg, memory, count, at, show) {
  const current = () => Math.min(memory.current ?? count - 1, count - 1);
  const go = i => { if (i >= 0 && i < count) { memory.current = i; showTip(svg, ...show(i)); } };
  svg.setAttribute("tabindex", 0);
  svg.setAttribute("role", "img");
  svg.addEventListener("pointermove", event => go(at(event.clientX - svg.getBoundingClientRect().left)));
  svg.addEventListener("pointerleave", hideTip);
  svg.addEventListener("blur", hideTip);
  svg.addEventListener("focus", () => { if (svg.matches(":focus-visible")) go(current()); });
  svg.addEventListener("keydown", event => {
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (step) { event.preventDefault(); go(current() + step); }
  });
  return svg;
}

// A line of where the values are; a gap where there is none.
const pathOf = (values, x, y) => {
  let text = "", pen = "M";
  values.forEach((value, i) => { if (isNumber(value)) { text += `${pen}${x(i).toFixed(1)} ${y(value).toFixed(1)}`; pen = "L"; } else pen = "M"; });
  return text;
};

// ---- Am I better off than alone? ----

const kLast = 10;  // rounds that are shown in numbers

function drawAnswer() {
  const {status, history} = known, verdict = $("#answer .verdict"), reason = $("#answer .reason");
  const text = status.last_round?.served_reason;
  if (!history?.round.length) {
    verdict.textContent = "No round is finished yet.";
    reason.textContent = `The node is ${status.phase}. The first answer comes with the first round.`;
    $("#answer .chart").replaceChildren();
    $("#answer details").hidden = true;
    return;
  }
  const {gain, metric} = history, points = isPercent(metric) ? " points" : "";
  if (!gain) {
    verdict.textContent = `${quality(history.served.at(-1), metric)} ${metricName(metric)}; nobody can say what it would be alone.`;
    reason.textContent = "This node trains no baseline (learning.baseline), or it is not judged yet.";
  } else {
    const better = gain.low > 0, worse = gain.high < 0;
    const words = better ? "Yes" : worse ? "No" : gain.mean > 0 ? "Probably, but it is not certain" : "Not so far";
    const said = [element("b", {class: better ? "good" : worse ? "bad" : ""}, words), `: ${metricName(metric)} ${quality(gain.served, metric)} with the others, `
        + `${quality(gain.alone, metric)} alone; ${difference(gain.mean, metric)}${points}`
        + (gain.certain ? `, and with 95\u2009% between ${difference(gain.low, metric)} and ${difference(gain.high, metric)}.` : ".")];
    if (verdict.textContent !== said[0].textContent + said[1]) verdict.replaceChildren(...said);  // else it would be read out again
    reason.textContent = `The mean of the last ${gain.rounds === 1 ? "round" : gain.rounds + " rounds shown"}, on ${history.split} examples${gain.examples ? ` (${gain.examples})` : ""}. `
        + (text ? `Served now: ${text}.` : "");
  }
  document.title = `${gain ? difference(gain.mean, metric) + points + " \u00b7 " : ""}${status.name} \u00b7 Kith`;
  chart("#answer", (width, memory) => drawCurve(history, width, memory));
  const last = [...history.round.keys()].slice(-kLast).reverse();
  $("#answer details").hidden = false;
  $("#answer table").replaceChildren(
    element("thead", {}, element("tr", {}, ...["round", "when", "with the others", "alone", "served", "averaged with"].map(head => element("th", {scope: "col"}, head)))),
    element("tbody", {}, ...last.map(i => element("tr", {}, element("th", {scope: "row"}, String(history.round[i])), element("td", {}, clock(history.time[i])),
      element("td", {class: "number"}, quality(history.served[i], metric)), element("td", {class: "number"}, quality(history.alone[i], metric)),
      element("td", {}, history.model[i]), element("td", {}, history.circle[i].map(k => history.names[k]).join(", ") || "nobody")))));
}

function drawCurve(history, width, memory) {
  const height = Math.min(320, Math.max(210, width * .42)), left = 52, right = width - 12, top = 24, bottom = height - 40, count = history.round.length;
  const all = [...history.served, ...history.alone].filter(isNumber), {metric} = history;
  let low = Math.min(...all), high = Math.max(...all);
  if (!all.length) [low, high] = [0, 1];
  const pad = (high - low || Math.abs(high) * .02 || .01) * .08;
  low -= pad; high += pad;
  const first = history.round[0], last = history.round.at(-1);
  const x = i => last === first ? (left + right) / 2 : left + (history.round[i] - first) / (last - first) * (right - left);
  const y = value => bottom - (value - low) / (high - low) * (bottom - top);
  const svg = element("svg", {width, height, viewBox: `0 0 ${width} ${height}`});
  const factor = isPercent(metric) ? 100 : 1;
  for (const value of ticks(low * factor, high * factor, 5)) {
    svg.append(element("line", {class: "grid", x1: left, x2: right, y1: y(value / factor), y2: y(value / factor)}), element("text", {x: left - 8, y: y(value / factor) + 4, "text-anchor": "end"}, minus(String(+value.toPrecision(6)))));
  }
  for (const round of ticks(first, last, width / 100).filter(Number.isInteger)) {
    const at = last === first ? x(0) : left + (round - first) / (last - first) * (right - left);
    svg.append(element("text", {x: at, y: bottom + 17, "text-anchor": at > right - 24 ? "end" : "middle"}, String(round)));
  }
  svg.append(element("line", {class: "axis", x1: left, x2: right, y1: bottom, y2: bottom}), element("text", {x: (left + right) / 2, y: height - 4, "text-anchor": "middle"}, "round"),
             element("text", {x: 0, y: 12}, metricName(metric) + (isPercent(metric) ? ", %" : "")));
  svg.append(element("path", {class: "alone", d: pathOf(history.alone, x, y)}), element("path", {class: "served", d: pathOf(history.served, x, y)}));
  if (count === 1) {
    if (isNumber(history.served[0])) svg.append(element("circle", {class: "point", cx: x(0), cy: y(history.served[0]), r: 4}));
    if (isNumber(history.alone[0])) svg.append(element("circle", {class: "dot", cx: x(0), cy: y(history.alone[0]), r: 4}));
  }
  svg.append(element("line", {class: "served", x1: right - 204, x2: right - 180, y1: 9, y2: 9}), element("text", {class: "strong", x: right - 174, y: 13}, "with the others"),
             element("line", {class: "alone", x1: right - 66, x2: right - 42, y1: 9, y2: 9}), element("text", {class: "strong", x: right - 36, y: 13}, "alone"));
  const cursor = element("line", {class: "cursor", y1: top, y2: bottom, visibility: "hidden"});
  svg.append(cursor);
  svg.setAttribute("aria-label", `${metricName(metric)} over rounds ${first} to ${last}: with the others ${quality(history.served.at(-1), metric)}, alone ${quality(history.alone.at(-1), metric)} at the end. Arrow keys go through the rounds.`);
  const show = i => {
    cursor.setAttribute("x1", x(i)); cursor.setAttribute("x2", x(i)); cursor.setAttribute("visibility", "visible");
    return [x(i), (top + bottom) / 2, [`round ${history.round[i]}`, `with the others ${quality(history.served[i], metric)}`, `alone ${quality(history.alone[i], metric)}`, `served: ${history.model[i]}`, `averaged with ${history.circle[i].length}`]];
  };
  const at = px => { let best = 0; for (let i = 1; i < count; ++i) if (Math.abs(x(i) - px) < Math.abs(x(best) - px)) best = i; return best; };
  svg.addEventListener("pointerleave", () => cursor.setAttribute("visibility", "hidden"));
  return explorable(svg, memory, count, at, show);
}

// ---- My circle ----

const kRows = 30;  // members in the picture: those who were in it most

function drawCircle() {
  const {history, status} = known, members = status.last_round?.members ?? [];
  const names = members.map(member => member.name + (isNumber(member.weight) ? ` (weight ${fixed(member.weight, 2)})` : ""));
  $("#circle .now").textContent = !status.last_round ? "Nobody yet." : names.length ? `In the last round: ${names.join(", ")}.` : "Nobody: no member's model helped in the last round. That is normal in the first rounds.";
  if (!history?.names.length) { $("#circle .chart").replaceChildren(); return; }
  const times = history.names.map(() => 0);
  for (const circle of history.circle) for (const k of circle) ++times[k];
  const rows = [...times.keys()].sort((a, b) => times[b] - times[a]).slice(0, kRows), hidden = history.names.length - rows.length;
  chart("#circle", (width, memory) => {
    const left = Math.min(150, width * .3), right = width - 8, size = 16, top = 4, bottom = top + rows.length * size, count = history.round.length, step = (right - left) / count;
    const svg = element("svg", {width, height: bottom + 34, viewBox: `0 0 ${width} ${bottom + 34}`});
    rows.forEach((k, row) => {
      svg.append(element("text", {class: "strong", x: left - 6, y: top + row * size + 12, "text-anchor": "end"}, shorten(history.names[k], Math.floor(left / 7))),
                 element("line", {class: "grid", x1: left, x2: right, y1: top + (row + 1) * size - .5, y2: top + (row + 1) * size - .5}));
      for (let i = 0, from = -1; i <= count; ++i) {  // a rectangle for each time that it was in
        const within = i < count && history.circle[i].includes(k);
        if (within && from < 0) from = i;
        if (!within && from >= 0) { svg.append(element("rect", {class: "cell", x: left + from * step, y: top + row * size + 2, width: Math.max(1, (i - from) * step), height: size - 5})); from = -1; }
      }
    });
    svg.append(element("text", {x: left, y: bottom + 15}, `round ${history.round[0]}`), element("text", {x: right, y: bottom + 15, "text-anchor": "end"}, String(history.round.at(-1))));
    if (hidden > 0) svg.append(element("text", {x: left, y: bottom + 30}, `and ${hidden} more, who were in it less often`));
    svg.setAttribute("aria-label", "Who was averaged with over the rounds: " + rows.slice(0, 8).map(k => `${history.names[k]} in ${times[k]} of ${count}`).join(", "));
    const show = i => [left + (i + .5) * step, bottom / 2, [`round ${history.round[i]}`, history.circle[i].map(k => history.names[k]).join(", ") || "nobody"]];
    return explorable(svg, memory, count, px => Math.max(0, Math.min(count - 1, Math.floor((px - left) / step))), show);
  });
}

// ---- Every member ----

const troubleOf = peer => peer.ignored ? `Ignored: ${peer.ignored.help}` : peer.trouble ? peer.trouble.help : peer.charter && peer.charter.state !== "ours" ? `Follows ${peer.charter.state === "older" ? "an older" : "another"} version of the charter.` : "";

function whisker(opinion) {
  if (!isNumber(opinion?.rho)) return element("span", {class: "soft"}, "not judged");
  const {rho, low, high} = opinion, x = value => 4 + (Math.max(-1, Math.min(2, value)) + 1) / 3 * 92, svg = element("svg", {width: 100, height: 14, viewBox: "0 0 100 14", "aria-hidden": "true"});
  svg.append(element("line", {class: "zero", x1: x(0), x2: x(0), y1: 0, y2: 14}));
  if (isNumber(low) && isNumber(high)) svg.append(element("line", {class: "whisker", x1: x(low), x2: x(high), y1: 7, y2: 7}));
  svg.append(element("circle", {class: rho < 0 ? "point harm" : "point", cx: x(rho), cy: 7, r: 3.5}));
  return element("div", {}, svg, `${fixed(rho, 2)}` + (isNumber(low) && isNumber(high) ? ` [${fixed(low, 2)}, ${fixed(high, 2)}]` : ""));
}

function drawPeers() {
  const which = $("#which").value, text = $("#filter").value.toLowerCase();
  const rank = peer => peer.averaged ? 0 : troubleOf(peer) ? 2 : 1;
  const rows = known.peers.filter(peer => (which === "all" || (which === "in" && peer.averaged) || (which === "out" && !peer.averaged) || (which === "trouble" && troubleOf(peer)))
                                          && (peer.name.toLowerCase().includes(text) || peer.id.startsWith(text)))
                          .sort((a, b) => rank(a) - rank(b) || (b.opinion?.rho ?? -9) - (a.opinion?.rho ?? -9) || a.name.localeCompare(b.name, "en", {numeric: true}));
  $("#shown").textContent = known.peers.length ? `${rows.length} of ${known.peers.length}` : "This node is the only member; kith invite brings in others.";
  const now = Date.now() / 1000, head = [["member"], ["circle"], ["influence"], ["connection"], ["its round", 1], ["round trip", 1], ["in", 1], ["out", 1], ["why"]];
  $("#peers table").replaceChildren(
    element("thead", {}, element("tr", {}, ...head.map(([name, number]) => element("th", {scope: "col", class: number ? "number" : null}, name)))),
    element("tbody", {}, ...rows.map(peer => element("tr", {},
      element("th", {scope: "row", title: peer.id}, peer.name),
      element("td", {class: peer.averaged ? "in" : ""}, peer.averaged ? "in" : "out"),
      element("td", {class: "influence"}, whisker(peer.opinion)),
      element("td", {class: peer.connected ? "" : "bad"}, `${peer.connected ? "connected" : "offline"} ${duration(now - peer.since)}`),
      element("td", {class: "number"}, peer.snapshot ? String(peer.snapshot.round) : "\u2013"),
      element("td", {class: "number"}, isNumber(peer.round_trip_ms) ? fixed(peer.round_trip_ms, 1) + "\u2009ms" : "\u2013"),
      element("td", {class: "number"}, bytes(peer.bytes_in), element("div", {class: "soft"}, bytes(peer.bytes_in_per_second) + "/s")),
      element("td", {class: "number"}, bytes(peer.bytes_out), element("div", {class: "soft"}, bytes(peer.bytes_out_per_second) + "/s")),
      element("td", {class: "why"}, troubleOf(peer) || peer.opinion?.reason || "")))));
}

function drawNetwork() {
  const {peers, status} = known;
  chart("#network", width => {
    const size = Math.min(width, 460), middle = size / 2, labels = peers.length <= 40, radius = middle - (labels ? 70 : 14);
    const weights = new Map((status.last_round?.members ?? []).map(member => [member.id, member.weight]));
    const svg = element("svg", {width: size, height: size, viewBox: `0 0 ${size} ${size}`, role: "img",
                                "aria-label": `${status.name} averages with ${weights.size} of ${peers.length} members, and is connected with ${peers.filter(peer => peer.connected).length}`});
    const kind = peer => peer.averaged ? "averaged" : peer.connected ? "" : "broken", dots = [];
    [...peers].sort((a, b) => a.averaged - b.averaged || a.name.localeCompare(b.name, "en", {numeric: true})).forEach((peer, i) => {
      const angle = 2 * Math.PI * i / peers.length - Math.PI / 2, x = middle + radius * Math.cos(angle), y = middle + radius * Math.sin(angle);
      if (labels || kind(peer) !== "broken") svg.append(element("line", {class: "edge " + kind(peer), x1: middle, y1: middle, x2: x, y2: y, "stroke-width": peer.averaged ? 1.5 + 6 * (weights.get(peer.id) ?? 0) : 1}));
      dots.push(element("circle", {class: "dot " + kind(peer), cx: x, cy: y, r: labels ? 7 : 4}, element("title", {}, `${peer.name}: ${peer.averaged ? "averaged with" : peer.connected ? "connected" : "offline"}`)));
      if (labels) dots.push(element("text", {class: "strong", x: middle + (radius + 12) * Math.cos(angle), y: middle + (radius + 14) * Math.sin(angle) + 4, "text-anchor": Math.abs(Math.cos(angle)) < .3 ? "middle" : Math.cos(angle) > 0 ? "start" : "end"}, shorten(peer.name, 9)));
    });
    svg.append(...dots, element("circle", {class: "dot self", cx: middle, cy: middle, r: 10}, element("title", {}, status.name)));
    return svg;
  });
}

// ---- What left, who belongs, this node ----

function list(selector, facts) {
  $(selector + " dl").replaceChildren(...facts.filter(([, value]) => value !== null && value !== undefined && value !== "").flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, String(value))]));
}

function drawFacts() {
  const {status} = known, privacy = status.last_round?.privacy, {charter} = status;
  list("#left", [
    ["snapshots of its model", `${status.published}, each sealed to the members of then`],
    ["bytes sent", `${bytes(status.bytes_out)} since it runs, what it passed on for others included`],
    ["bytes received", bytes(status.bytes_in)],
    ["privacy spent", privacy ? `epsilon ${fixed(privacy.epsilon, 2)}${isNumber(privacy.budget) ? ` of ${fixed(privacy.budget, 2)}` : ""}, delta ${privacy.delta}` + (privacy.published ? "" : "; nothing is published any more") : "no promise is made (privacy.noise is 0)"],
    ["examples", "none: they never leave this node's worker"],
  ]);
  list("#charter", [
    ["consortium", charter.consortium], ["members", `${status.members}, of whom ${status.connected} of the others are connected`], ["charter", `version ${charter.number}`],
    ["fingerprint", charter.fingerprint], ["expires", charter.expires],
  ]);
  list("#node", [
    ["doing", `${status.phase}${status.progress ? `, epoch ${status.progress.epoch} of ${status.progress.epochs}` : ""}`],
    ["round", `${status.finished_round}${status.rounds ? ` of ${status.rounds}` : ""} finished`], ["task", status.task.name], ["strategy", status.strategy],
    ["examples", `${status.examples.train} to train on, ${status.examples.validation} to judge with, ${status.examples.test} to test with`],
    ["parameters", status.parameters.toLocaleString()], ["runs for", duration(status.uptime_seconds)], ["kith", status.version], ["id", status.id], ["worker restarts", status.counters.worker_restarts],
  ]);
  $("#name").textContent = status.name;
  $("#where").textContent = `${status.consortium} \u00b7 ${status.task.name} \u00b7 round ${status.finished_round}`;
  $("#alarms").hidden = !status.alarms.length;
  $("#alarms ul").replaceChildren(...status.alarms.map(alarm => element("li", {class: alarm.severity}, element("b", {}, alarm.severity), alarm.what, element("span", {class: "soft"}, alarm.help))));
}

let shownApplications = "";
function drawApplications() {
  const waiting = known.invitations.filter(one => one.id), key = JSON.stringify([waiting, access]);
  if (key === shownApplications) return;  // the buttons stay under who is about to press one
  shownApplications = key;
  $("#applications").replaceChildren(...(waiting.length ? waiting.map(applicationItem) : [element("li", {class: "soft"}, "None waits.")]));
}
function applicationItem(one) {
  const item = element("li", {}, element("div", {}, element("strong", {}, one.name), one.state === "refused" ? " (refused)" : "", element("div", {class: "soft"}, `applied ${clock(one.applied)}; addresses ${one.addresses.join(", ") || "none"}`), element("code", {}, one.id)));
  const button = (text, kind, then) => { const made = element("button", {type: "button", class: kind}, text); made.addEventListener("click", then); return made; };
  item.append(button("Approve\u2026", "yes", () => approve(one)));
  if (one.state !== "refused") {
    if (access === "admin") item.append(button("Deny\u2026", "danger", () => deny(one)));
    else item.append(element("span", {class: "soft"}, "to deny it, open the page with the admin token"));
  }
  return item;
}

const groupsOf = id => element("ol", {class: "groups", "aria-label": "the id in groups"}, ...id.split("-").map(group => element("li", {}, group)));

// The node key does not lie with the running node: who has it signs on the command line.
function approve(one) {
  confirmed(`Take in ${one.name}?`, "", [
    element("p", {}, "Ring its operator up, at a number that you know, and compare every group of its id. An invitation can be stolen; the id cannot."),
    groupsOf(one.id),
    element("p", {}, "If all are the same, sign it in where this node's key is:"),
    element("pre", {}, `kith approve --dir NODE ${one.number} --id ${one.id}`),
    element("p", {class: "soft"}, "The running node does not read the node key, so that nobody who gets into it, or at this page, can admit members."),
  ], null);
}
function deny(one) {
  confirmed(`Refuse ${one.name}?`, "Deny", [element("p", {}, "It is told so. kith approve takes it in after all."), groupsOf(one.id)], () => change("/v1/deny", {who: one.number}));
}

function confirmed(title, yes, body, act) {
  const dialog = $("#confirm"), button = $("#confirm .yes"), trouble = $("#confirm .bad");
  $("#confirm-title").textContent = title;
  $("#confirm .body").replaceChildren(...body);
  trouble.textContent = "";
  button.hidden = !act;
  button.textContent = yes;
  $("#confirm .no").textContent = act ? "Cancel" : "Close";
  button.onclick = async () => {
    button.disabled = true;
    try { await act(); dialog.close(); refresh("status", "invitations"); } catch (error) { trouble.textContent = error.message; }
    button.disabled = false;
  };
  dialog.showModal();
}

function draw() {
  if (!known.status) return;
  for (const part of [drawFacts, drawAnswer, drawCircle, drawPeers, drawNetwork, drawApplications]) part();
}

$("#which").addEventListener("change", drawPeers);
$("#filter").addEventListener("input", drawPeers);
$("#ask-token").addEventListener("submit", event => {
  event.preventDefault();
  sessionStorage.setItem("token", $("#token").value.trim());
  $("#token").value = "";
  listen();
});
setInterval(() => { if (!document.hidden && !isOld && lastHeard) refresh("status", "peers"); }, 15000);  // rates change without a word
listen();
