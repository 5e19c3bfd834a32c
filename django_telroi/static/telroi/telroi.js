// Optional script of the cards. Every step works without it. It updates countdowns, polls the status of a call and
// ignores a second click. A card in a page of the site is updated in place: other forms keep values.
(() => {
  "use strict";

  const POLL_INTERVAL = 2000, SLOW_AFTER = 3000, FREE_AFTER = 45000; // milliseconds

  const clock = (seconds) => {
    const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    const shown = parts[0] ? parts : parts.slice(1);
    return shown.map((part, place) => (place ? String(part).padStart(2, "0") : part)).join(":");
  };

  // Returns a function for the age of a card in seconds. It uses two clocks: performance.now() is never set back, and
  // Date.now() continues while the computer sleeps. The age of the cards of the loaded page starts with its response.
  // The start time is an attribute, so that a copy of the card, as of Turbo, keeps it.
  const ageOf = (card) => {
    const [navigation] = performance.getEntriesByType("navigation");
    const before = isFirstLoad && navigation ? performance.now() - navigation.responseStart : 0;
    card.dataset.telroiSince ||= `${performance.now() - before} ${Date.now() - before}`;
    const [steady, clock] = card.dataset.telroiSince.split(" ");
    return () => Math.max(performance.now() - steady, Date.now() - clock) / 1000;
  };

  // Calls `each` with the seconds that are left, once per second, and then `then`.
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

  // Without this script all buttons are visible, and the server rejects a request that is too early.
  const countDown = (card, age) => {
    const { telroiReadyIn, telroiReady, telroiStep } = card.dataset;
    if (!telroiReadyIn) return;
    const clocks = card.querySelectorAll("[data-telroi-wait]");
    show(card, "when-ready", false);
    show(card, "until-ready", true);
    const tick = (left) => clocks.forEach((shown) => (shown.textContent = clock(left)));
    until(Number(telroiReadyIn), card, age, tick, async () => {
      show(card, "until-ready", false);
      show(card, "when-ready", true);
      clocks.forEach((shown) => shown.closest(".telroi-note")?.setAttribute("hidden", ""));
      // Without the code field, a card has other texts after the wait, or a longer wait. Offline it stays as it is.
      const fresh = (telroiStep !== "code" && (await refresh(card))) || card;
      if (fresh === card || !fresh.dataset.telroiReadyIn) announce(fresh, telroiReady);
    });
  };

  const localTimes = (card) => {
    const day = (moment) => new Date(moment).setHours(0, 0, 0, 0);
    card.querySelectorAll("time[datetime]").forEach((time) => {
      const isTomorrow = day(time.dateTime) > day(Date.now());
      if (isTomorrow !== "telroiTomorrow" in time.dataset) return;
      const style = { hour: "numeric", minute: "2-digit" };
      time.textContent = new Date(time.dateTime).toLocaleTimeString([...navigator.languages], style);
    });
  };

  // The live region is outside the card and stays. Screen readers announce changes only then.
  const announce = (card, text) => {
    card.parentElement.querySelector("[role=status]").textContent = text;
  };

  // Copies the proofs of the fresh page to the forms of this page. Returns false if the pages have different forms. Then
  // the whole page must be reloaded. With `isNew`, the errors of the ProofFields are outdated. Their ids are Django's.
  const copyProofs = (page, isNew) => {
    // A script of the site may have added forms, which does not matter without proofs.
    if (![document, page].some((root) => root.querySelector("[data-telroi-proof]"))) return true;
    const formsOf = (root) => [...root.querySelectorAll("form")].filter((form) => !form.closest("[data-telroi-card]"));
    const forms = formsOf(document);
    const fresh = formsOf(page);
    if (forms.length !== fresh.length) return false;
    forms.forEach((form, place) => {
      form.querySelectorAll("[data-telroi-proof]").forEach((proof) => proof.remove());
      const proofs = fresh[place].querySelectorAll("[data-telroi-proof]");
      const idOf = ({ name }) => form.elements[name]?.id || `id_${name}`;
      if (isNew) proofs.forEach((proof) => document.getElementById(`${idOf(proof)}_error`)?.remove());
      form.append(...proofs);
    });
    return true;
  };

  // Replaces the card. Focus in another form stays. Unless `asked`, a page of a site keeps its place and focus.
  const renew = async (card, url, asked) => {
    const mayFocus = asked || !("telroiInline" in card.dataset) || card.contains(document.activeElement);
    const fresh = await replace(card, url);
    if (!fresh) return;
    const isFree = mayFocus && document.activeElement === document.body;
    if (isFree) focusOn(fresh, { preventScroll: !asked });
    // A screen reader reads the focused field, not its title.
    const title = titleOf(fresh).textContent;
    const isRead = document.activeElement === titleOf(fresh) || (isFree && title === titleOf(card).textContent);
    announce(fresh, isRead ? "" : title);
  };

  const titleOf = (card) => card.querySelector(".telroi-title");

  // The page whose response has the card: this one, or a fragment of it that the site loads with a script of its own.
  const sourceOf = (card) => new URL(card.dataset.telroiInline || location.href, location.href);

  const focusOn = (card, options) =>
    ["[aria-invalid=true]", "input.telroi-input", ".telroi-title"].map((part) => card.querySelector(part)).find(Boolean).focus(options);

  // Updates the card of a page that was prefetched or comes from the browser's cache, as it may be old. Keeps
  // typed values and focus. Without a connection nothing changes.
  const refresh = async (card) => {
    const hadFocus = card.contains(document.activeElement);
    const fresh = await replace(card, sourceOf(card)).catch(() => {});
    if (!fresh) return;
    if (fresh.dataset.telroiStep === card.dataset.telroiStep) {
      const inputs = fresh.querySelectorAll(".telroi-input");
      card.querySelectorAll(".telroi-input").forEach((typed, place) => {
        if (typed.value && inputs[place]?.name === typed.name) inputs[place].value = typed.value;
      });
    }
    if (hadFocus) focusOn(fresh);
    return fresh;
  };

  const replace = async (card, url) => {
    const response = await fetch(url, { cache: "no-store", credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.querySelector(`#${card.parentElement.id} [data-telroi-card]`);
    const isDone = ({ dataset }) => dataset.telroiStep === "done";
    if (!response.ok || !fresh || !copyProofs(page, isDone(fresh) && !isDone(card))) return void location.reload();
    fresh.querySelectorAll("[autofocus]").forEach((part) => part.removeAttribute("autofocus"));
    if (!("telroiInline" in card.dataset)) document.title = page.title;
    delete fresh.dataset.telroiAhead;
    card.replaceWith(fresh);
    activate(fresh);
    return fresh;
  };

  const follow = (card) => {
    const poll = async () => {
      if (!card.isConnected) return;
      try {
        const response = await fetch(card.dataset.telroiStatus, { cache: "no-store", credentials: "same-origin" });
        const current = await response.json();
        if (current.step !== card.dataset.telroiStep) return await renew(card, sourceOf(card));
      } catch {
        // The network failed: poll again.
      }
      setTimeout(poll, POLL_INTERVAL);
    };
    setTimeout(poll, POLL_INTERVAL);
  };

  // A form may have a button with a value, such as a suggested number. Only the pressed one is sent.
  const press = (form, button) => {
    form.querySelector("[data-telroi-pressed]")?.removeAttribute("data-telroi-pressed");
    if (button?.name) button.setAttribute("data-telroi-pressed", "");
  };

  // Says that a call takes long, if the form is still on its way.
  const slowTimers = new WeakMap();
  const tellIfSlow = (card, form) => {
    if (!form.querySelector("[data-telroi-call]")) return;
    const tell = () => {
      if (!form.isConnected) return;
      const { telroiSlow } = card.dataset;
      form.append(Object.assign(document.createElement("p"), { className: "telroi-hint telroi-slow", textContent: telroiSlow }));
      announce(card, telroiSlow);
    };
    slowTimers.set(form, setTimeout(tell, SLOW_AFTER));
  };

  // The button that was pressed: the suggested number, or the last one, which the Enter key stands for.
  const buttonOf = (form) =>
    form.querySelector("[data-telroi-pressed]") ?? form.querySelector("button:not([name], [aria-hidden])");

  const setBusy = (form, isBusy) => {
    clearTimeout(slowTimers.get(form));
    form.querySelector(".telroi-slow")?.remove();
    const button = buttonOf(form);
    form.toggleAttribute("data-telroi-sent", isBusy);
    button.classList.toggle("telroi-busy", isBusy);
    if (!button.dataset.telroiBusy) return;
    if (isBusy) button.dataset.telroiIdle = button.textContent;
    button.textContent = isBusy ? button.dataset.telroiBusy : button.dataset.telroiIdle;
  };

  const warn = (card, form, text) => {
    setBusy(form, false);
    announce(card, ""); // it says that the form is on its way
    form.querySelector("[role=alert]")?.remove();
    const note = Object.assign(document.createElement("p"), { className: "telroi-note telroi-bad", textContent: text });
    note.setAttribute("role", "alert");
    form.prepend(note);
  };

  const submitInPlace = async (card, form) => {
    const body = new FormData(form);
    const pressed = form.querySelector("[data-telroi-pressed]");
    if (pressed) body.append(pressed.name, pressed.value);
    let response;
    try {
      const headers = { "X-Telroi-In-Place": "1" };
      response = await fetch(form.action, { method: "POST", body, headers, credentials: "same-origin" });
    } catch {
      return warn(card, form, card.dataset.telroiOffline);
    }
    try {
      const result = await response.json();
      if (result.token) document.querySelectorAll("[data-telroi-card] [name=csrfmiddlewaretoken]").forEach((field) => (field.value = result.token));
      if (result.problem) return warn(card, form, result.problem);
      const url = new URL(result.location, location.href);
      const source = sourceOf(card);
      if (url.pathname + url.search === source.pathname + source.search) await renew(card, url, true);
      else location.assign(url);
    } catch {
      location.reload();
    }
  };

  // The server knows the names of countries in some languages only, the browser in all.
  const nameCountries = (card) => {
    const choice = card.querySelector("select.telroi-select");
    if (!choice) return;
    const { value } = choice;
    const [none, ...countries] = choice.options;
    try {
      const { lang } = card.parentElement;
      const names = new Intl.DisplayNames(lang, { type: "region", fallback: "none" });
      for (const each of countries) each.text = each.text.replace(/^.*(?= \()/, (known) => names.of(each.value) ?? known);
      none.after(...countries.sort((one, other) => one.text.localeCompare(other.text, lang)));
      choice.value = value;
    } catch {
      // An old browser, or a page without a valid language: the names of the server stay.
    }
  };

  // Sends the code with its last digit, if the site wants it. Each code is sent once, so that it can be corrected.
  const sendLastDigit = (card) => {
    const input = card.querySelector("[data-telroi-digits]");
    if (!input) return;
    // The hint is true only with the script. It is read last, after the error and the note.
    const texts = `${input.getAttribute("aria-describedby") ?? ""} ${card.querySelector("[data-telroi-last]").id}`;
    input.setAttribute("aria-describedby", [...new Set(texts.trim().split(" "))].join(" "));
    let sent = "";
    input.addEventListener("input", () => {
      const digits = input.value.replace(/[\s-]/g, "");
      if (digits.length !== Number(input.dataset.telroiDigits) || !/^\p{Nd}+$/u.test(digits) || digits === sent) return;
      sent = digits;
      input.form.requestSubmit();
    });
  };

  const activate = (card) => {
    if (active.has(card)) return;
    active.add(card);
    const age = ageOf(card);
    const { telroiStep, telroiEnds } = card.dataset;
    show(card, "with-script", true);
    show(card, "without-script", false);
    countDown(card, age);
    localTimes(card);
    nameCountries(card);
    sendLastDigit(card);
    card.querySelectorAll("[data-telroi-sent]").forEach((form) => setBusy(form, false));
    if (["waiting", "calling-again"].includes(telroiStep)) follow(card);
    if (telroiStep === "waiting") until(SLOW_AFTER / 1000, card, age, () => {}, () => announce(card, card.dataset.telroiSlow));
    if (telroiEnds) until(Number(telroiEnds), card, age, () => {}, () => renew(card, sourceOf(card)).catch(() => {}));
    // While it is captured, so before a script of the site that sends forms itself, such as htmx with hx-boost. Two
    // requests would be two tries of the code.
    card.addEventListener("submit", (event) => {
      const form = event.target;
      if (event.defaultPrevented) return;
      const isSent = form.hasAttribute("data-telroi-sent");
      const isInline = "telroiInline" in card.dataset;
      if (isSent || isInline) {
        event.preventDefault();
        event.stopPropagation();
      }
      if (isSent) return;
      press(form, event.submitter);
      setBusy(form, true);
      announce(card, form.querySelector("[data-telroi-busy]")?.dataset.telroiBusy ?? buttonOf(form).textContent);
      tellIfSlow(card, form);
      if (isInline) submitInPlace(card, form);
      else setTimeout(setBusy, FREE_AFTER, form, false); // after a stop
    }, { capture: true });
    if ("telroiAhead" in card.dataset || (isFirstLoad && isCached())) refresh(card);
  };

  // Returns whether the back button loaded the page from the HTTP cache.
  const isCached = () => {
    const [navigation] = performance.getEntriesByType("navigation");
    return navigation?.type === "back_forward" && navigation.transferSize === 0;
  };

  // Turbo, htmx and similar libraries change the page. They may add cards later, and may run this script several times.
  if (window.telroiCards) return;
  const active = (window.telroiCards = new WeakSet());
  const activateAll = () => document.querySelectorAll("[data-telroi-card]").forEach(activate);
  let isFirstLoad = document.readyState !== "complete";
  const start = () => {
    activateAll();
    isFirstLoad = false;
    new MutationObserver(activateAll).observe(document, { childList: true, subtree: true });
  };
  // A prerendered page sends no requests until it is shown.
  if (document.prerendering) document.addEventListener("prerenderingchange", start, { once: true });
  else start();
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    document.querySelectorAll("[data-telroi-sent]").forEach((form) => setBusy(form, false));
    document.querySelectorAll("[data-telroi-card]").forEach(refresh);
  });
})();
