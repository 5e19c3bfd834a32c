// Makes the cards livelier; every step works without it. Countdowns tick, a waiting card follows its call, a second
// click does nothing, and a card that was dropped into a page changes in place, so that other forms keep what was typed.
(() => {
  "use strict";

  const LOOK_EVERY = 2000;

  const clock = (seconds) => {
    const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    const shown = parts[0] ? parts : parts.slice(1);
    return shown.map((part, place) => (place ? String(part).padStart(2, "0") : part)).join(":");
  };

  // How long ago a card was made, in seconds. Two clocks: one that nobody sets back, and one that goes on while the
  // machine sleeps. The page's own cards are as old as its answer, however late this script came; the mark outlives a
  // copy of the card, as Turbo keeps them.
  const ageOf = (card) => {
    const [answer] = performance.getEntriesByType("navigation");
    const before = isPagesOwn && answer ? performance.now() - answer.responseStart : 0;
    card.dataset.telroiSince ||= `${performance.now() - before} ${Date.now() - before}`;
    const [steady, clock] = card.dataset.telroiSince.split(" ");
    return () => Math.max(performance.now() - steady, Date.now() - clock) / 1000;
  };

  const until = (seconds, card, age, each, then) => {
    const step = () => {
      if (!card.isConnected) return;
      const left = Math.max(0, seconds - age());
      each(Math.ceil(left));
      if (left) setTimeout(step, ((left * 1000 - 1) % 1000) + 1);
      else then();
    };
    step();
  };

  const show = (card, part, isShown) =>
    card.querySelectorAll(`[data-telroi-${part}]`).forEach((shown) => (shown.hidden = !isShown));

  // Without this script everything can be seen and pressed, and the server says when it is too early.
  const countDown = (card, age) => {
    const { telroiReadyIn, telroiReady } = card.dataset;
    if (!telroiReadyIn) return;
    const clocks = card.querySelectorAll("[data-telroi-wait]");
    show(card, "when-ready", false);
    show(card, "until-ready", true);
    until(Number(telroiReadyIn), card, age, (left) => clocks.forEach((shown) => (shown.textContent = clock(left))), () => {
      show(card, "until-ready", false);
      show(card, "when-ready", true);
      clocks.forEach((shown) => shown.closest(".telroi-note")?.setAttribute("hidden", ""));
      say(card, telroiReady);
    });
  };

  const localTimes = (card) => {
    const day = (moment) => new Date(moment).setHours(0, 0, 0, 0);
    card.querySelectorAll("time[datetime]").forEach((time) => {
      const isTomorrow = day(time.dateTime) > day(Date.now());
      if (isTomorrow !== "telroiTomorrow" in time.dataset) return;
      const style = { hour: "numeric", minute: "2-digit" };
      time.textContent = new Date(time.dateTime).toLocaleTimeString(document.documentElement.lang || [], style);
    });
  };

  // The live region stays where it is while the card beside it changes: only then is it read out.
  const say = (card, words) => {
    card.parentElement.querySelector("[role=status]").textContent = words;
  };

  // A proof that the fresh page has belongs into the form that the person is filling in. Where the page shows other
  // forms by now, it has to be loaded as a whole; the return value says whether it has not.
  const handOverProofs = (page) => {
    const formsOf = (root) => [...root.querySelectorAll("form")].filter((form) => !form.closest("[data-telroi-card]"));
    const forms = formsOf(document);
    const fresh = formsOf(page);
    if (forms.length !== fresh.length) return false;
    forms.forEach((form, place) => {
      form.querySelectorAll("[data-telroi-proof]").forEach((proof) => proof.remove());
      form.append(...fresh[place].querySelectorAll("[data-telroi-proof]"));
    });
    return true;
  };

  // Puts the card of the page at `url`, as it stands there now, in the place of this one. Whoever is typing in another
  // form is not interrupted.
  const renew = async (card, url) => {
    const fresh = await replace(card, url);
    if (!fresh) return;
    if (document.activeElement === document.body) focusOn(fresh);
    else say(fresh, fresh.querySelector(".telroi-title").textContent);
  };

  const focusOn = (card) =>
    ["[aria-invalid=true]", ".telroi-input", ".telroi-title"].map((part) => card.querySelector(part)).find(Boolean).focus();

  // For a page that is older than it looks, because it was fetched in advance or comes out of the browser's memory. Its
  // card may show what is over by now. What was typed stays, and so does the focus. Without a connection nothing changes.
  const refresh = async (card) => {
    const hadFocus = card.contains(document.activeElement);
    const fresh = await replace(card, location.href).catch(() => {});
    if (!fresh) return;
    if (fresh.dataset.telroiStep === card.dataset.telroiStep) {
      const inputs = fresh.querySelectorAll(".telroi-input");
      card.querySelectorAll(".telroi-input").forEach((typed, place) => {
        if (typed.value && inputs[place]?.name === typed.name) inputs[place].value = typed.value;
      });
    }
    if (hadFocus) focusOn(fresh);
  };

  const replace = async (card, url) => {
    const reply = await fetch(url, { cache: "no-store", credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    const fresh = page.querySelector(`#${card.parentElement.id} [data-telroi-card]`);
    if (!reply.ok || !fresh || !handOverProofs(page)) return void location.reload();
    fresh.querySelectorAll("[autofocus]").forEach((part) => part.removeAttribute("autofocus"));
    if (!("telroiInline" in card.dataset)) document.title = page.title;
    delete fresh.dataset.telroiAhead;
    card.replaceWith(fresh);
    enliven(fresh);
    return fresh;
  };

  const follow = (card) => {
    const look = async () => {
      if (!card.isConnected) return;
      try {
        const reply = await fetch(card.dataset.telroiStatus, { cache: "no-store", credentials: "same-origin" });
        const now = await reply.json();
        if (now.step !== card.dataset.telroiStep) return await renew(card, location.href);
      } catch {
        // No network for a moment: look again.
      }
      setTimeout(look, LOOK_EVERY);
    };
    setTimeout(look, LOOK_EVERY);
  };

  const setBusy = (form, isBusy) => {
    const button = form.querySelector("button");
    form.toggleAttribute("data-telroi-sent", isBusy);
    button.classList.toggle("telroi-busy", isBusy);
    if (!button.dataset.telroiBusy) return;
    if (isBusy) button.dataset.telroiIdle = button.textContent;
    button.textContent = isBusy ? button.dataset.telroiBusy : button.dataset.telroiIdle;
  };

  const warn = (form, words) => {
    form.querySelector("[role=alert]")?.remove();
    const note = Object.assign(document.createElement("p"), { className: "telroi-note telroi-bad", textContent: words });
    note.setAttribute("role", "alert");
    form.prepend(note);
  };

  const sendInPlace = async (card, form) => {
    let reply;
    try {
      reply = await fetch(form.action, {
        method: "POST",
        body: new FormData(form),
        headers: { "X-Telroi-In-Place": "1" },
        credentials: "same-origin",
      });
    } catch {
      setBusy(form, false);
      return warn(form, card.dataset.telroiOffline);
    }
    try {
      const told = await reply.json();
      if (told.problem) {
        setBusy(form, false);
        return warn(form, told.problem);
      }
      const url = new URL(told.location, location.href);
      if (url.pathname + url.search === location.pathname + location.search) await renew(card, url);
      else location.assign(url);
    } catch {
      location.reload();
    }
  };

  const enliven = (card) => {
    if (alive.has(card)) return;
    alive.add(card);
    const age = ageOf(card);
    const { telroiStep, telroiEnds } = card.dataset;
    show(card, "with-script", true);
    show(card, "without-script", false);
    countDown(card, age);
    localTimes(card);
    card.querySelectorAll("[data-telroi-sent]").forEach((form) => setBusy(form, false));
    if (["waiting", "calling-again"].includes(telroiStep)) follow(card);
    if (telroiEnds) until(Number(telroiEnds), card, age, () => {}, () => renew(card, location.href).catch(() => {}));
    card.addEventListener("submit", (event) => {
      const form = event.target;
      if (form.hasAttribute("data-telroi-sent")) return event.preventDefault();
      setBusy(form, true);
      if (!("telroiInline" in card.dataset)) return;
      event.preventDefault();
      sendInPlace(card, form);
    });
    if ("telroiAhead" in card.dataset || (isPagesOwn && isStored())) refresh(card);
  };

  // Whether the back button brought an answer that the browser had stored.
  const isStored = () => {
    const [answer] = performance.getEntriesByType("navigation");
    return answer?.type === "back_forward" && answer.transferSize === 0;
  };

  // Cards that come later are found too: Turbo, htmx and the like change the page and may run this script once or often.
  if (window.telroiCards) return;
  const alive = (window.telroiCards = new WeakSet());
  const enlivenAll = () => document.querySelectorAll("[data-telroi-card]").forEach(enliven);
  let isPagesOwn = document.readyState !== "complete";
  const start = () => {
    enlivenAll();
    isPagesOwn = false;
    new MutationObserver(enlivenAll).observe(document, { childList: true, subtree: true });
  };
  // A page that is prerendered asks nothing until it is shown.
  if (document.prerendering) document.addEventListener("prerenderingchange", start, { once: true });
  else start();
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    document.querySelectorAll("[data-telroi-sent]").forEach((form) => setBusy(form, false));
    document.querySelectorAll("[data-telroi-card]").forEach(refresh);
  });
})();
