"use strict";
// Draws the entries: a lane for each task, the loop below, and one await at a time, step by step.
//
// It reads the trace events of json.rs, makes lanes of segments (polled, ready, waiting) and marks
// of them, and draws only what is in view: of all that falls on one pixel, the first.

const LABELS = 200, AXIS = 26, MAP = 22, LOOP = 74, TOP = AXIS + MAP;
const $ = (id) => document.getElementById(id);

// ---------------------------------------------------------------- What has happened

// A program that is killed while it writes leaves a torn entry, and no end.
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return JSON.parse(text.slice(0, text.lastIndexOf(",\n")) + "]");
  }
}

function read(entries) {
  const lanes = new Map();
  const lane = (id) => {
    if (!lanes.has(id)) {
      lanes.set(id, { id, name: id === 0 ? "loop" : id === 1 ? "main" : "task-" + (id - 1), site: "",
        segments: [], marks: [], fds: new Set(), open: null, reason: null, begins: Infinity, ends: Infinity });
    }
    return lanes.get(id);
  };
  const trace = { lanes, arrows: [], awaits: [], program: "", isCut: false, count: 0, end: 0 };
  const close = (it, at) => {
    if (it.open) { it.open.to = at; it.segments.push(it.open); it.open = null; }
  };
  const open = (it, kind, at, more) => { close(it, at); it.open = { lane: it, kind, from: at, to: at, ...more }; };
  let select = null, ready = [], fired = null;
  for (const { name, ph, tid, ts, dur, args } of entries) {
    if (ph === "M") {
      if (name === "process_name") trace.program = args.name;
      if (name === "thread_name") lane(tid).name = args.name;
      continue;
    }
    if (ph === "s" || ph === "f") continue;
    trace.count += 1;
    if (name === "cut") { trace.isCut = true; continue; }
    trace.end = Math.max(trace.end, ts + (dur || 0));
    const it = lane(tid);
    it.begins = Math.min(it.begins, ts);
    const site = args && args.at;
    if (name === "poll" && ph === "B") {
      open(it, "poll", ts, { woken: it.woken });
      if (it.woken) {
        it.woken.poll = it.open;
        trace.arrows.push({ from: it.woken.lane, at: it.woken.at, to: it, until: ts, wake: it.woken });
      }
      if (it.awaits && it.woken) {
        trace.awaits.push({ ...it.awaits, wake: it.woken, poll: it.open });
        it.awaits = null;
      }
      it.reason = it.woken = null;
    } else if (name === "poll") {
      const isReady = args && args.is_ready;
      if (it.open) it.open.isReady = isReady;
      const poll = it.open;
      close(it, ts);
      if (isReady) it.ends = ts;
      else {
        open(it, it.woken ? "ready" : "wait", ts, { reason: it.reason });
        it.awaits = it.reason && { lane: it, reason: it.reason, arm: it.armed, first: poll, wait: it.open };
        it.open.poll = poll;
        it.armed = null;
      }
    } else if (name === "select") {
      select = { lane: it, kind: "select", from: ts, to: ts + dur, ...args, ready };
      it.segments.push(select);
      ready = [];
      fired = null;
    } else if (name === "wake") {
      const woken = lane(args.task);
      const wake = { ...args, lane: it, name, at: ts, select, cause: null };
      if (tid === 0 && args.thread === undefined && select) {
        wake.cause = args.fd === undefined ? fired : select.ready.find((mark) => mark.fd === args.fd);
      }
      it.marks.push(wake);
      woken.woken = wake;
      if (woken.open && woken.open.kind === "wait") {
        woken.open.wake = wake;
        open(woken, "ready", ts, {});
      }
    } else {
      const mark = { ...args, lane: it, name, at: ts, site };
      it.marks.push(mark);
      if (args && args.fd !== undefined) it.fds.add(args.fd);
      if (name === "spawn") {
        const child = lane(args.task);
        child.site = site;
        child.begins = ts;
        child.woken = mark;
        open(child, "ready", ts, {});
      } else if (["would-block", "timer", "join", "wait"].includes(name)) it.reason = mark;
      else if (name === "arm") it.armed = mark;
      else if (name === "ready") ready.push(mark);
      else if (name === "timer-fired") fired = mark;
      else if (name === "done" || name === "cancelled") { close(it, ts); it.ends = ts; }
    }
  }
  for (const it of lanes.values()) {
    if (it.open) it.open.isOpen = true;
    close(it, trace.end);
    if (it.ends === Infinity) it.ends = trace.end;
    it.segments.sort((a, b) => a.from - b.from);
    it.marks.sort((a, b) => a.at - b.at);
  }
  lane(0);
  return trace;
}

// Time as it is drawn: a long sleep takes no more room than what happens before and after it.
function squeezed(trace, isWanted) {
  const times = [];
  for (const it of trace.lanes.values()) {
    for (const segment of it.segments) times.push(segment.from, segment.to);
    for (const mark of it.marks) times.push(mark.at);
  }
  const sorted = Float64Array.from(times).sort();
  const from = [0], to = [0], sleeps = [];
  const gaps = sorted.slice(1).map((at, i) => at - sorted[i]).filter((gap) => gap > 0).sort();
  const limit = isWanted && gaps.length ? 12 * gaps[gaps.length >> 1] : Infinity;
  let last = sorted[0] || 0, shift = 0;
  from[0] = last; to[0] = last;
  for (const at of sorted) {
    const gap = at - last;
    if (gap > limit * 2) {
      from.push(last); to.push(last - shift);
      shift += gap - limit * (1 + Math.log2(gap / limit) / 4);
      from.push(at); to.push(at - shift);
      sleeps.push({ begins: to[to.length - 2], to: at - shift, took: gap });
    }
    last = at;
  }
  from.push(last + 1); to.push(last + 1 - shift);
  const map = (xs, ys) => (x) => {
    const i = Math.min(Math.max(after(xs, x, (value) => value), 1), xs.length - 1);
    const width = xs[i] - xs[i - 1];
    return width > 0 ? ys[i - 1] + ((x - xs[i - 1]) * (ys[i] - ys[i - 1])) / width : ys[i - 1] + x - xs[i - 1];
  };
  const place = map(from, to);
  for (const it of trace.lanes.values()) {
    for (const segment of it.segments) { segment.x0 = place(segment.from); segment.x1 = place(segment.to); }
    for (const mark of it.marks) mark.x = place(mark.at);
    it.x0 = place(Math.min(it.begins, last)); it.x1 = place(it.ends);
  }
  for (const arrow of trace.arrows) { arrow.x0 = place(arrow.at); arrow.x1 = place(arrow.until); }
  trace.arrows.sort((a, b) => a.x1 - b.x1);
  const begin = to[0], end = Math.max(place(trace.end), begin + 1);
  return { begin, end, place, time: map(to, from), sleeps };
}

// The index of the first item whose key is beyond `x`.
function after(items, x, key) {
  let low = 0, high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (key(items[middle]) > x) high = middle; else low = middle + 1;
  }
  return low;
}

function span(micros) {
  if (micros >= 1e6) return +(micros / 1e6).toPrecision(4) + " s";
  if (micros >= 1e3) return +(micros / 1e3).toPrecision(4) + " ms";
  return +micros.toPrecision(3) + " µs";
}

function waitsFor(reason) {
  if (!reason) return "waits";
  switch (reason.name) {
    case "would-block": return `waits to ${reason.to} fd ${reason.fd}`;
    case "timer": return `waits for a timer, ${span(reason.in)}`;
    case "join": return `waits for ${nameOf(reason.task)} to end`;
    default: return `waits for ${reason.what}`;
  }
}

// ---------------------------------------------------------------- What is to be seen

let trace, time, view, rows = [], scroll = 0, wanted = "", wantedFd = null, chosen = 0, steps = [], colours = {};
const nameOf = (id) => (trace.lanes.get(id) || { name: "task-" + (id - 1) }).name;
const canvas = $("lanes"), pen = canvas.getContext("2d");
let width = 0, height = 0, row = 34;

const toX = (x) => LABELS + ((x - view.from) * (width - LABELS)) / (view.to - view.from);
const fromX = (px) => view.from + ((px - LABELS) * (view.to - view.from)) / (width - LABELS);
// Below the last lane, or at the bottom if there are too many of them.
const loopTop = () => Math.min(height - LOOP, TOP + rows.length * row + 10);

function matches(it) {
  if (wantedFd !== null) return it.fds.has(wantedFd);
  return !wanted || (it.name + " " + it.site).toLowerCase().includes(wanted);
}

// The lanes that match and are alive in view.
function listRows() {
  rows = [];
  for (const it of trace.lanes.values()) {
    if (it.id !== 0 && matches(it) && it.x0 <= view.to && it.x1 >= view.from) rows.push(it);
  }
  rows.sort((a, b) => a.id - b.id);
  row = Math.max(34, Math.min(64, Math.floor((height - LOOP - TOP - 10) / (rows.length || 1))));
  scroll = Math.max(0, Math.min(scroll, rows.length * row - (loopTop() - TOP)));
  for (const it of trace.lanes.values()) it.y = null;
  rows.forEach((it, i) => { it.y = TOP + i * row - scroll + row / 2; });
  trace.lanes.get(0).y = loopTop() + LOOP / 2 + 4;
}

function show(from, to) {
  const least = 0.02, whole = time.end - time.begin;
  const length = Math.min(Math.max(to - from, least), whole * 1.06);
  const middle = (from + to) / 2;
  from = Math.max(time.begin - whole * 0.03, Math.min(middle - length / 2, time.end + whole * 0.03 - length));
  view = { from, to: from + length };
  later();
}

const zoom = (factor, at = (view.from + view.to) / 2) =>
  show(at - (at - view.from) * factor, at + (view.to - at) * factor);
const all = () => show(time.begin - (time.end - time.begin) * 0.03, time.end + (time.end - time.begin) * 0.03);

let isDue = false;
function later() {
  if (!isDue) { isDue = true; requestAnimationFrame(() => { isDue = false; draw(); }); }
}

// ---------------------------------------------------------------- Drawing

function text(words, x, y, colour, room, align = "left") {
  pen.fillStyle = colour;
  pen.textAlign = align;
  if (room !== undefined && pen.measureText(words).width > room) {
    const letters = Math.floor((words.length * room) / pen.measureText(words).width) - 1;
    if (letters < 4) return;
    words = words.slice(0, letters) + "…";
  }
  pen.fillText(words, x, y);
}

// Calls `each` for the items in view, once for each pixel.
function inView(items, begin, end, each) {
  const pixel = (view.to - view.from) / (width - LABELS);
  let i = Math.max(0, after(items, view.from, begin) - 1);
  while (i < items.length && begin(items[i]) <= view.to) {
    const item = items[i];
    if (end(item) >= view.from) each(item);
    if (end(item) - begin(item) < pixel) {
      i = Math.max(i + 1, after(items, begin(item) + pixel * 0.75, begin));
    } else i += 1;
  }
}

// How many of them are in view.
const count = (items, key) => after(items, view.to, key) - after(items, view.from, key);

function bar(segment, y, tall, colour) {
  const x0 = Math.max(toX(segment.x0), LABELS), x1 = Math.min(toX(segment.x1), width);
  pen.fillStyle = colour;
  pen.fillRect(x0, y - tall / 2, Math.max(x1 - x0, 1), tall);
  return [x0, x1];
}

function drawSegments(it) {
  inView(it.segments, (segment) => segment.x0, (segment) => segment.x1, (segment) => {
    if (segment.kind === "wait") {
      const [x0, x1] = bar(segment, it.y, 4, colours.wait);
      if (x1 - x0 > 60) text(waitsFor(segment.reason), x0 + 6, it.y - 8, colours.faint, x1 - x0 - 12);
    } else if (segment.kind === "ready") bar(segment, it.y, 10, colours.ready);
    else if (segment.kind === "poll") {
      const [x0, x1] = bar(segment, it.y, 20, colours.poll);
      if (row > 50 && x1 - x0 > 60) text("poll " + span(segment.to - segment.from), x0, it.y + 23, colours.faint, x1 - x0);
    } else {
      pen.globalAlpha = 0.85;
      const [x0, x1] = bar(segment, it.y - 6, 18, colours.select);
      pen.globalAlpha = 1;
      const words = `${segment.backend}, ${span(segment.to - segment.from)}: ${segment.events}`;
      if (x1 - x0 > 36) text(words, x0 + 5, it.y - 2, "#fff", x1 - x0 - 8);
    }
  });
}

const MARKS = { "would-block": "block", timer: "block", join: "block", wait: "block", arm: "arm", disarm: "arm",
  ready: "event", "timer-fired": "event", wake: "wake", spawn: "ink", done: "poll", cancelled: "bad" };

function drawMarks(it) {
  let words = -Infinity;
  // From far away, only the ends of tasks say something.
  const isFar = count(it.marks, (mark) => mark.x) > (width - LABELS) / 12;
  inView(it.marks, (mark) => mark.x, (mark) => mark.x, (mark) => {
    const x = toX(mark.x);
    if (x < LABELS || (isFar && mark.name !== "done" && mark.name !== "cancelled")) return;
    const isOther = wantedFd !== null && mark.fd !== undefined && mark.fd !== wantedFd;
    pen.globalAlpha = isOther ? 0.25 : 1;
    pen.fillStyle = colours[mark.has_panicked ? "bad" : MARKS[mark.name]] || colours.ink;
    const y = it.id === 0 ? it.y + 13 : it.y;
    pen.beginPath();
    if (mark.name === "done" || mark.name === "cancelled") pen.rect(x - 4, y - 4, 8, 8);
    else pen.arc(x, y, 3.5, 0, 7);
    pen.fill();
    pen.lineWidth = 1;
    pen.strokeStyle = colours.ground;
    pen.stroke();
    if (it.id === 0 && x > words) {
      const label = mark.fd !== undefined ? `${mark.name} fd ${mark.fd}` : mark.name;
      text(label, x, y + 15, colours.faint, undefined, "center");
      words = x + pen.measureText(label).width + 8;
    }
    pen.globalAlpha = 1;
  });
}

function curve(x0, y0, x1, y1, colour, line) {
  const bend = Math.min(Math.max(Math.abs(x1 - x0) / 2, 6), 60);
  pen.strokeStyle = pen.fillStyle = colour;
  pen.lineWidth = line;
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1, y1);
  pen.stroke();
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x1 - 6, y1 - 3.5);
  pen.lineTo(x1 - 6, y1 + 3.5);
  pen.fill();
}

function drawArrows() {
  let drawn = 0;
  if (count(trace.arrows, (arrow) => arrow.x1) > 800) return 0;
  pen.save();
  pen.beginPath();
  pen.rect(LABELS, TOP, width - LABELS, height - TOP);
  pen.clip();
  const taken = new Set();
  inView(trace.arrows, (arrow) => arrow.x1, (arrow) => arrow.x1, (arrow) => {
    if (arrow.to.y === null || arrow.from.y === null) return;
    const x0 = toX(arrow.x0), x1 = toX(arrow.x1);
    const key = Math.round(x1 / 6) + " " + arrow.to.id;
    if (taken.has(key)) return;
    taken.add(key);
    const y0 = arrow.from.id === 0 ? arrow.from.y + 13 : arrow.from.y;
    pen.globalAlpha = 0.4;
    curve(x0, y0, x1, arrow.to.y, arrow.wake.name === "spawn" ? colours.faint : colours.wake, 1.2);
    const cause = arrow.wake.cause;
    if (cause) curve(toX(cause.x), y0, x0, y0, colours.event, 1.2);
    drawn += 1;
  });
  pen.restore();
  pen.globalAlpha = 1;
  return drawn;
}

function drawAxis() {
  pen.fillStyle = colours.panel;
  pen.fillRect(0, 0, width, TOP);
  for (const sleep of time.sleeps) {
    const x0 = Math.max(toX(sleep.begins), LABELS), x1 = Math.min(toX(sleep.to), width);
    if (x1 - x0 < 30) continue;
    text(`⋯ ${span(sleep.took)} ⋯`, (x0 + x1) / 2, MAP + 17, colours.select, x1 - x0, "center");
  }
  let free = LABELS;
  for (let x = LABELS + 4; x < width; x += 130) {
    const at = time.time(fromX(x));
    const isAsleep = time.sleeps.some((sleep) => x + 70 > toX(sleep.begins) && x < toX(sleep.to) && toX(sleep.to) - toX(sleep.begins) >= 30);
    if (at >= 0 && x >= free && !isAsleep) {
      text(span(at), x + 4, MAP + 17, colours.faint);
      pen.fillStyle = colours.line;
      pen.fillRect(x, MAP + 6, 1, height);
      free = x + 80;
    }
  }
  // The map of it all.
  const bins = trace.bins, room = width - LABELS, most = trace.most;
  pen.fillStyle = colours.poll;
  for (let i = 0; i < bins.length; i += 1) {
    if (bins[i]) {
      const tall = 2 + (MAP - 5) * Math.sqrt(bins[i] / most);
      pen.fillRect(LABELS + (i * room) / bins.length, MAP - tall, room / bins.length + 0.5, tall);
    }
  }
  const of = (x) => LABELS + ((x - time.begin) * room) / (time.end - time.begin);
  pen.strokeStyle = colours.ink;
  pen.lineWidth = 1.5;
  const x0 = Math.max(of(view.from), LABELS + 1), x1 = Math.min(of(view.to), width - 1);
  pen.strokeRect(x0, 1, Math.max(x1 - x0, 3), MAP - 1);
  text("everything", 12, 16, colours.faint);
  text("time since the start", 12, MAP + 17, colours.faint);
}

function drawSteps() {
  if (!steps.length) return;
  // From far away, the first one says where it is.
  const isFar = toX(steps[steps.length - 1].x) - toX(steps[0].x) < 60;
  // The way of the finger.
  pen.save();
  pen.beginPath();
  pen.rect(LABELS, TOP, width - LABELS, height - TOP);
  pen.clip();
  for (let i = 1; i < steps.length && !isFar; i += 1) {
    const [from, to] = [steps[i - 1], steps[i]];
    if (from.lane.y === null || to.lane.y === null || (from.lane === to.lane && to.lane.id !== 0)) continue;
    const y = (step) => step.lane.y + (step.lane.id === 0 ? step.dy : 0);
    pen.setLineDash(from.lane !== to.lane && to.what === "select" ? [3, 4] : []);
    curve(toX(from.x), y(from), toX(to.x), y(to), colours[to.colour], 2.5);
  }
  pen.setLineDash([]);
  pen.restore();
  let last = -Infinity, lift = 0;
  steps.forEach((step, i) => {
    const y = step.lane.y;
    if (y === null || (isFar && i > 0)) return;
    const x = toX(step.x);
    if (x < LABELS || x > width || (step.lane.id !== 0 && (y < TOP || y > loopTop()))) return;
    const base = step.lane.id === 0 ? y + step.dy : y;
    lift = x - last < 20 && step.lane === (steps[i - 1] || step).lane ? lift + 1 : 0;
    last = x;
    const at = base - 19 - lift * 3;
    pen.strokeStyle = pen.fillStyle = colours[step.colour];
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.moveTo(x, base);
    pen.lineTo(x + lift * 19, at + 9);
    pen.stroke();
    pen.beginPath();
    pen.arc(x + lift * 19, at, 9.5, 0, 7);
    pen.fill();
    text(String(i + 1), x + lift * 19, at + 4, "#fff", undefined, "center");
  });
}

function draw() {
  const ratio = devicePixelRatio || 1;
  const box = canvas.getBoundingClientRect();
  width = box.width; height = box.height;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.font = "12px system-ui, sans-serif";
  listRows();
  pen.fillStyle = colours.ground;
  pen.fillRect(0, 0, width, height);
  rows.forEach((it, i) => {
    if (i % 2 === 0) {
      pen.fillStyle = colours.band;
      pen.fillRect(0, it.y - row / 2, width, row);
    }
  });
  drawAxis();
  const seen = rows.filter((it) => it.y > TOP - row && it.y < loopTop() + row);
  pen.save();
  pen.beginPath();
  pen.rect(0, TOP, width, loopTop() - TOP);
  pen.clip();
  for (const it of seen) { drawSegments(it); drawMarks(it); }
  for (const it of seen) {
    text(it.name, 12, it.site ? it.y - 2 : it.y + 4, colours.ink, LABELS - 24);
    const file = it.site.split("/").pop();
    if (file) text(file, 12, it.y + 12, colours.faint, LABELS - 24);
  }
  pen.restore();
  const loop = trace.lanes.get(0);
  pen.fillStyle = colours.panel;
  pen.fillRect(0, loopTop(), width, LOOP);
  pen.fillStyle = colours.ground;
  pen.fillRect(0, loopTop() + LOOP, width, height);
  pen.fillStyle = colours.line;
  pen.fillRect(0, loopTop() + LOOP, width, 1);
  pen.fillRect(0, loopTop(), width, 1);
  pen.fillRect(LABELS - 1, 0, 1, height);
  drawSegments(loop);
  const arrows = drawArrows();
  drawMarks(loop);
  pen.fillStyle = colours.panel;
  pen.fillRect(0, loopTop() + 1, LABELS - 1, LOOP);
  text("the loop", 12, loop.y - 6, colours.ink);
  text("select, then wake", 12, loop.y + 9, colours.faint);
  drawSteps();
  if (rows.length * row > loopTop() - TOP) {
    const tall = loopTop() - TOP, part = tall / (rows.length * row);
    pen.fillStyle = colours.line;
    pen.fillRect(width - 6, TOP + scroll * part, 5, Math.max(tall * part, 16));
  }
  // For those who test this page.
  Object.assign(document.body.dataset, { lanes: rows.length, arrows, length: (view.to - view.from).toFixed(3) });
  document.body.dataset.milliseconds ??= Math.round(performance.now()); // since it was opened
}

// ---------------------------------------------------------------- One await, step by step

function follow(index, isToZoom) {
  const list = $("steps");
  list.replaceChildren();
  steps = [];
  chosen = (index + trace.awaits.length) % (trace.awaits.length || 1);
  const it = trace.awaits[chosen];
  $("which").textContent = it ? `Await ${chosen + 1} of ${trace.awaits.length}` : "No await has ended yet";
  $("previous").disabled = $("next").disabled = trace.awaits.length < 2;
  if (!it) return later();
  const { lane, reason, arm, wake, poll } = it, name = lane.name;
  const step = (what, colour, at, x, where, words, dy = 13) => steps.push({ what, colour, at, x, lane: where, words, dy });
  const loop = trace.lanes.get(0);
  const isArmed = arm && arm.fd === reason.fd && arm.at >= reason.at;
  if (reason.name === "would-block") {
    step("would block", "block", reason.at, reason.x, lane,
      `${name} wants to ${reason.to} fd ${reason.fd} at ${reason.site}: it would block.` + (isArmed ? "" : " The selector watches it already."));
  } else step(reason.name, "block", reason.at, reason.x, lane, `${name} ${waitsFor(reason)}${reason.site ? ", at " + reason.site : ""}.`);
  if (isArmed) step("arm", "arm", arm.at, arm.x, lane, `The selector is told to watch fd ${arm.fd}, and goes on watching: the next wait needs no arm.`);
  const select = wake.select;
  if (wake.cause && select) {
    step("select", "select", select.from, select.x0, loop,
      `Nobody is ready, so the thread asks ${select.backend}, and gets an answer after ${span(select.to - select.from)}.`, -6);
    const cause = wake.cause;
    if (cause.name === "ready") step("ready", "event", cause.at, cause.x, loop, `The kernel reports fd ${cause.fd}, to ${cause.to}.`);
    else step("timer fired", "event", cause.at, cause.x, loop, "The deadline has passed.");
  }
  const who = wake.thread ? `The thread ${wake.thread}` : wake.lane.id === 0 ? "The reactor" : wake.lane.name;
  step("wake", "wake", wake.at, wake.x, wake.lane, `${who} calls the waker: ${name} is put into the ready queue.`);
  step("poll", "poll", poll.from, poll.x0, lane, `${name} is polled again, and goes on where it waited.`);
  const end = poll.isReady && lane.marks.findLast((mark) => mark.name === "done");
  if (end) step("done", "poll", end.at, end.x, lane, `${name} is done.`);
  let last = steps[0].at;
  steps.forEach((one, i) => {
    const item = document.createElement("li"), number = document.createElement("b"), box = document.createElement("div");
    number.textContent = i + 1;
    number.style.background = colours[one.colour];
    const head = document.createElement("em"), when = document.createElement("time"), words = document.createElement("p");
    head.textContent = one.what;
    when.textContent = i ? "+" + span(one.at - last) : span(one.at);
    words.textContent = one.words;
    last = one.at;
    box.append(when, head, words);
    item.append(number, box);
    item.onclick = () => { const half = (view.to - view.from) / 2; reveal(one.lane); show(one.x - half, one.x + half); };
    list.append(item);
  });
  if (isToZoom) {
    const from = Math.min(it.first.x0, steps[0].x), to = Math.max(poll.x1, steps[steps.length - 1].x);
    const margin = (to - from) * 0.12 + 0.5;
    show(from - margin, to + margin);
    reveal(lane);
  }
  later();
}

function reveal(lane) {
  if (lane.id === 0) return;
  listRows();
  const i = rows.indexOf(lane);
  const room = loopTop() - TOP;
  if (i >= 0 && (i * row < scroll || (i + 1) * row > scroll + room)) scroll = i * row - room / 2;
}

// ---------------------------------------------------------------- The hand

function laneAt(y) {
  if (y >= loopTop()) return trace.lanes.get(0);
  return y > TOP ? rows[Math.floor((y - TOP + scroll) / row)] : undefined;
}

function pointed(x, y) {
  const it = laneAt(y);
  if (!it || x < LABELS) return null;
  const at = fromX(x), near = fromX(x + 6) - at;
  let mark = null;
  for (let i = after(it.marks, at - near, (one) => one.x); i < it.marks.length && it.marks[i].x < at + near; i += 1) {
    if (!mark || Math.abs(it.marks[i].x - at) < Math.abs(mark.x - at)) mark = it.marks[i];
  }
  const i = after(it.segments, at, (one) => one.x0) - 1;
  const segment = i >= 0 && it.segments[i].x1 >= at - near / 3 ? it.segments[i] : null;
  return { it, mark: it.id !== 0 || y > it.y + 2 ? mark : null, segment };
}

function describe({ it, mark, segment }) {
  if (mark) {
    const more = [];
    if (mark.fd !== undefined) more.push(`fd ${mark.fd}${mark.to ? " to " + mark.to : ""}`);
    if (mark.task !== undefined) more.push(nameOf(mark.task));
    if (mark.thread) more.push("from the thread " + mark.thread);
    if (mark.what) more.push(mark.what + (mark.holder ? " that " + nameOf(mark.holder) + " holds" : ""));
    if (mark.in !== undefined) more.push("in " + span(mark.in));
    return `${it.name}: ${mark.name} ${more.join(", ")}\nat ${span(mark.at)}${mark.site ? "\n" + mark.site : ""}`;
  }
  if (!segment) return it.site ? `${it.name}\nspawned at ${it.site}` : it.name;
  const took = span(segment.to - segment.from);
  switch (segment.kind) {
    case "poll": return `${it.name} is polled\nfor ${took}, at ${span(segment.from)}\n${segment.isReady ? "and ends" : "and then waits"}`;
    case "ready": return `${it.name} is ready\nand waits for its turn for ${took}`;
    case "wait": return `${it.name} ${waitsFor(segment.reason)}\n${segment.isOpen ? "to the end, " : "for "}${took}${segment.reason && segment.reason.site ? "\n" + segment.reason.site : ""}`;
    default: return `select: ${segment.backend}, ${segment.timeout === undefined ? "for ever" : "for at most " + span(segment.timeout)}\n${segment.events} events after ${took}`;
  }
}

function listen() {
  let drag = null;
  canvas.onpointerdown = (event) => {
    drag = { x: event.offsetX, y: event.offsetY, view: { ...view }, scroll, isMap: event.offsetY < MAP, hasMoved: false };
    canvas.setPointerCapture(event.pointerId);
    if (drag.isMap) jump(event.offsetX);
  };
  const jump = (px) => {
    const middle = time.begin + ((px - LABELS) * (time.end - time.begin)) / (width - LABELS), half = (view.to - view.from) / 2;
    show(middle - half, middle + half);
  };
  canvas.onpointermove = (event) => {
    const tip = $("tip");
    if (drag) {
      if (drag.isMap) return jump(event.offsetX);
      const dx = event.offsetX - drag.x, dy = event.offsetY - drag.y;
      drag.hasMoved ||= Math.abs(dx) + Math.abs(dy) > 4;
      if (!drag.hasMoved) return;
      const moved = (dx * (drag.view.to - drag.view.from)) / (width - LABELS);
      scroll = drag.scroll - dy;
      tip.hidden = true;
      return show(drag.view.from - moved, drag.view.to - moved);
    }
    const found = pointed(event.offsetX, event.offsetY);
    tip.hidden = !found;
    if (found) {
      tip.textContent = describe(found);
      tip.style.left = Math.min(event.offsetX + 14, width - tip.offsetWidth - 8) + "px";
      tip.style.top = Math.min(event.offsetY + 16, height - tip.offsetHeight - 8) + "px";
    }
  };
  canvas.onpointerup = (event) => {
    if (drag && !drag.hasMoved && !drag.isMap) {
      const found = pointed(event.offsetX, event.offsetY);
      const segment = found && found.segment;
      const index = segment ? trace.awaits.findIndex((it) => it.wait === segment || it.poll === segment || it.wake === segment.woken) : -1;
      if (index >= 0) follow(index, false);
    }
    drag = null;
  };
  canvas.onpointerleave = () => { $("tip").hidden = true; };
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const step = event.deltaY * (event.deltaMode === 1 ? 20 : 1);
    if (event.offsetX < LABELS || event.shiftKey) { scroll += event.shiftKey ? event.deltaX || step : step; later(); }
    else zoom(Math.exp(Math.max(-120, Math.min(step, 120)) / 250), fromX(event.offsetX));
  }, { passive: false });
  addEventListener("keydown", (event) => {
    if (event.target === $("find")) return;
    const part = (view.to - view.from) / 6;
    const keys = {
      "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1 / 0.6), 0: all,
      ArrowLeft: () => show(view.from - part, view.to - part), ArrowRight: () => show(view.from + part, view.to + part),
      ArrowUp: () => { scroll -= row * 3; later(); }, ArrowDown: () => { scroll += row * 3; later(); },
      n: () => follow(chosen + 1, true), p: () => follow(chosen - 1, true),
    };
    if (keys[event.key] && !event.ctrlKey && !event.metaKey) { keys[event.key](); event.preventDefault(); }
  });
  $("in").onclick = () => zoom(0.6);
  $("out").onclick = () => zoom(1 / 0.6);
  $("all").onclick = all;
  $("next").onclick = () => follow(chosen + 1, true);
  $("previous").onclick = () => follow(chosen - 1, true);
  $("find").oninput = () => {
    wanted = $("find").value.trim().toLowerCase();
    const fd = /^fd\s*=?\s*(\d+)$/.exec(wanted);
    wantedFd = fd ? Number(fd[1]) : null;
    scroll = 0;
    later();
  };
  $("squeeze").onchange = () => { arrange(); follow(chosen, true); };
  addEventListener("resize", later);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { paint(); follow(chosen, false); });
}

function paint() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["ground", "band", "line", "ink", "faint", "poll", "ready", "wait", "select", "block", "arm", "event", "wake", "bad", "panel"]) {
    colours[name] = style.getPropertyValue("--" + name).trim();
  }
}

function arrange() {
  time = squeezed(trace, $("squeeze").checked);
  trace.bins = new Uint32Array(600);
  for (const it of trace.lanes.values()) {
    for (const { x0, kind } of it.segments) {
      if (kind === "poll") trace.bins[Math.min(599, Math.floor(((x0 - time.begin) * 600) / (time.end - time.begin)))] += 1;
    }
  }
  trace.most = trace.bins.reduce((a, b) => Math.max(a, b), 1);
}

addEventListener("DOMContentLoaded", () => {
  trace = read(parse($("entries").textContent));
  paint();
  arrange();
  const box = canvas.getBoundingClientRect();
  width = box.width; height = box.height;
  const tasks = [...trace.lanes.keys()].filter((id) => id > 1).length;
  $("about").textContent = `${trace.program}: ${tasks} tasks, ${trace.count.toLocaleString("en")} events in ${span(trace.end)}`
    + (trace.isCut ? "; cut here: a page holds no more" : "");
  all();
  listen();
  // The first await on a handle is what people come for.
  const first = trace.awaits.findIndex((it) => it.reason.name === "would-block" && it.lane.id > 1 && it.wake.cause);
  const any = trace.awaits.findIndex((it) => it.reason.name === "would-block" && it.wake.cause);
  follow(first >= 0 ? first : Math.max(any, 0), true);
  draw();
});
