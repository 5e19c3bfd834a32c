// The phone beside the form. It rings when a call is placed. A click answers it, then it reads the code twice and hangs
// up. The code comes from the site. The progress of the call is in sessionStorage, because every step of the form
// reloads the page.

import { Ringer } from "./ringer.js";
import { Voice } from "./voice.js";

const POLL_INTERVAL = 1000; // milliseconds
const RINGS_FOR_SECONDS = 60;

const handset = document.getElementById("handset");
const words = handset.dataset; // in the language of the page. The call may have another language
const parts = Object.fromEntries([...handset.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
const soundIcon = parts.sound.querySelector("use");
const ringer = new Ringer();
const voice = new Voice();
const wide = matchMedia("(min-width: 60rem)");

let call = null;
let phase = "off";
let reading = new AbortController();

function show(next) {
  phase = next;
  handset.dataset.phase = next;
  const onCall = next === "ringing" || next === "reading";
  if (!onCall) leaveKeys();
  parts.lock.hidden = next !== "idle";
  parts.call.hidden = next === "idle";
  parts.keys.hidden = !onCall;
  parts.answer.hidden = next !== "ringing";
  parts.label.textContent = next === "ringing" ? words.decline : words.hangUp;
  parts.code.hidden = next !== "reading" && next !== "ended";
  parts.state.textContent = words[next] ?? "";
  parts.via.textContent = words.via;
}

// If a button with the focus disappears, move the focus to the code field.
function leaveKeys() {
  if (parts.keys.contains(document.activeElement)) codeField()?.focus({ preventScroll: true });
}

function codeField() {
  return document.querySelector('input[autocomplete="one-time-code"]');
}

// The script of the call: the words, and the digit that each of them shows.

function script({ code, says }) {
  return says.flatMap((intro, turn) => [
    { turn, says: intro, digit: -1, pace: 1300 },
    ...[...code].map((digit, place) => ({ turn, says: digit, digit: place, pace: 750 })),
  ]);
}

function layDigits(code) {
  parts.digits.replaceChildren(
    ...[...code].map(() => Object.assign(document.createElement("span"), { textContent: "•" })),
  );
}

function uncover(beat) {
  const again = beat.turn === 1;
  if (beat.digit < 0) quote(beat.says);
  parts.turn.textContent = again ? words.secondTurn : words.firstTurn;
  [...parts.digits.children].forEach((span, place) => {
    const heard = again || place <= beat.digit;
    span.textContent = heard ? call.code[place] : "•";
    span.className = place === beat.digit ? "spoken" : heard ? "heard" : "";
  });
}

function quote(says) {
  parts.says.textContent = `“${says}”`;
  parts.says.lang = call.language;
  parts.says.dir = "auto";
}

async function read(from) {
  reading = new AbortController();
  const { signal } = reading;
  const beats = script(call);
  layDigits(call.code);
  show("reading");
  uncover(beats[Math.max(0, from - 1)]);
  for (let step = from; step < beats.length; step += 1) {
    const beat = beats[step];
    remember({ phase: "reading", step });
    await voice.say(beat.says, { pace: beat.pace, language: call.language, begun: () => signal.aborted || uncover(beat) });
    if (signal.aborted) return;
  }
  end("ended");
}

// Actions of the person.

function answer() {
  ringer.stop();
  const field = wide.matches ? codeField() : null;
  read(0);
  (field ?? parts.decline).focus({ preventScroll: true });
}

function hangUp() {
  end(phase === "ringing" ? "declined" : "ended");
}

function end(how) {
  stop();
  remember({ ...recall(), phase: how });
  showEnd(how);
}

// Digits that were read stay visible. The others stay hidden.
function showEnd(how) {
  show(how);
  if (how !== "ended") {
    parts.via.textContent = words.again;
    return;
  }
  layDigits(call.code);
  uncover(script(call)[recall().step]);
  parts.says.textContent = words.heard;
  parts.says.lang = "";
  parts.turn.textContent = "";
}

function stop() {
  reading.abort();
  ringer.stop();
  voice.stop();
}

// Calls from the site.

function take(next) {
  stop();
  call = next;
  if (!call) return show("idle");
  const before = recall();
  if (before.phase === "reading") return read(before.step);
  if (before.phase) return showEnd(before.phase);
  return ring();
}

function ring() {
  if (call.age > RINGS_FOR_SECONDS) return end("missed");
  ringer.start();
  return show("ringing");
}

async function poll() {
  tellTime();
  if (document.hidden) return;
  const next = await newestCall().catch(() => call);
  if (next?.id !== call?.id) take(next);
  if (phase === "ringing" && next.age > RINGS_FOR_SECONDS) end("missed");
}

async function newestCall() {
  const response = await fetch(handset.dataset.callUrl, { headers: { Accept: "application/json" } });
  return (await response.json()).call;
}

function remember(progress) {
  sessionStorage.setItem("handset", JSON.stringify({ id: call.id, ...progress }));
}

function recall() {
  const progress = JSON.parse(sessionStorage.getItem("handset") ?? "{}");
  return progress.id === call.id ? progress : {};
}

// The lock screen and the sound.

function tellTime() {
  const now = new Date();
  const language = document.documentElement.lang;
  parts.clock.textContent = now.toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hour12: false });
  parts.date.textContent = now.toLocaleDateString(language, { weekday: "long", day: "numeric", month: "long" });
}

function setSound(on) {
  localStorage.setItem("handset-sound", on ? "on" : "off");
  parts.sound.setAttribute("aria-pressed", String(on));
  soundIcon.setAttribute("href", soundIcon.getAttribute("href").replace(/#.*/, on ? "#sound" : "#silent"));
  ringer.audible = on;
  voice.audible = on;
  if (!on) voice.stop();
}

parts.answer.addEventListener("click", answer);
parts.decline.addEventListener("click", hangUp);
parts.sound.addEventListener("click", () => setSound(!ringer.audible));
window.addEventListener("pagehide", stop);
document.addEventListener("visibilitychange", poll);

parts.hint.textContent = words.hint;
setSound(localStorage.getItem("handset-sound") !== "off");
show("idle");
poll();
setInterval(poll, POLL_INTERVAL);
