// The live page: events as they happen, who is there now; pause and filters. Text only, no markup.
"use strict";
(() => {
  const place = document.getElementById("live");
  if (!place || typeof EventSource === "undefined") return;
  const at = (id) => document.getElementById(id);
  const [list, present, pause, state, lamp, filters] = ["events", "present", "pause", "state", "lamp", "filters"].map(at);
  const MOST = 200, MOST_WAITING = 1000;
  const words = JSON.parse(place.dataset.words);
  const suffix = place.dataset.suffix ? `?${place.dataset.suffix}` : "";
  const inZone = (options) => new Intl.DateTimeFormat("en-GB", { ...options, timeZone: place.dataset.zone });
  const clock = inZone({ timeStyle: "medium" });
  const day = inZone({ day: "numeric", month: "short" });
  const full = inZone({ dateStyle: "full", timeStyle: "long" });
  let waiting = [], paused = false, late = 0, seen = null, stale = false;

  const link = (one) => (one.person ? `/people/${one.person}` : `/visitors/${one.visitor}`) + suffix;
  const called = (one) => one.name || `Visitor ${one.visitor.slice(1)}`;
  function who(element, one) {
    const anchor = element.querySelector("a");
    if (!one.person && !one.visitor) return anchor.replaceWith("Somebody");
    anchor.href = link(one);
    if (one.name) anchor.title = one.name;
    anchor.firstChild.textContent = called(one);
  }

  // ---------------------------------------------------------------- events
  function row(one) {
    const item = at("t-event").content.firstElementChild.cloneNode(true);
    const [verb, kind] = words[one.kind] ?? [one.kind.replaceAll("_", " "), "other"];
    const about = kind === "forms" && one.form ? one.form : one.title;
    item.dataset.kind = kind;
    item.dataset.page = one.path;
    item.dataset.known = one.person ? "1" : "";
    const time = item.querySelector("time");
    time.dateTime = one.at;
    const moment = new Date(one.at);
    const today = day.format(moment) === day.format(new Date());
    time.textContent = (today ? "" : `${day.format(moment)}, `) + clock.format(moment);
    time.title = full.format(moment);
    who(item, one);
    item.querySelector(".verb").textContent = verb;
    item.querySelector("b").textContent = about || one.path;
    item.querySelector(".what .soft").textContent = about ? one.path : "";
    item.querySelector(".tag").hidden = !one.quarantined;
    item.classList.toggle("doubtful", one.quarantined);
    return item;
  }

  const wanted = (item) => {
    const { kind, page, known } = filters.elements;
    return (
      (!kind.value || item.dataset.kind === kind.value) &&
      (!page.value || item.dataset.page.toLowerCase().includes(page.value.toLowerCase())) &&
      (!known.checked || item.dataset.known === "1")
    );
  };
  const empty = () => {
    const rows = [...list.children];
    at("quiet").hidden = rows.length > 0;
    at("unfit").hidden = !rows.length || rows.some((item) => !item.hidden);
  };
  function sift() {
    for (const item of list.children) item.hidden = !wanted(item);
    empty();
  }

  // The filters stand in the address: a reload, and whoever is sent it, sees the same.
  const chosen = (field) => (field.type === "checkbox" ? (field.checked ? "1" : "") : field.value);
  function note() {
    const here = new URL(location.href);
    for (const field of filters.elements) {
      if (chosen(field)) here.searchParams.set(field.name, chosen(field));
      else here.searchParams.delete(field.name);
    }
    history.replaceState(null, "", here);
  }

  function show(events) {
    for (const one of events) {
      const item = row(one);
      item.hidden = !wanted(item);
      item.classList.add("fresh");
      list.prepend(item);
    }
    while (list.children.length > MOST) list.lastElementChild.remove();
    empty();
  }

  function tell() {
    pause.setAttribute("aria-pressed", String(paused));
    const more = waiting.length + late;
    pause.textContent = paused ? (more ? `${more} new: go on` : "Go on") : "Pause";
  }

  // ---------------------------------------------------------------- who is there
  function stay(text) {
    const minutes = Math.floor((Date.now() - new Date(text)) / 60000);
    return minutes > 0 ? `for ${minutes} min` : "just came";
  }

  function showPresent() {
    if (!seen) return;
    present.replaceChildren(
      ...seen.people.map((one) => {
        const item = at("t-present").content.firstElementChild.cloneNode(true);
        who(item, one);
        item.querySelector("b").textContent = Math.round(one.score);
        item.querySelector(".where").textContent = [one.page || "–", stay(one.since), one.source, one.country]
          .filter(Boolean)
          .join(" · ");
        item.classList.toggle("doubtful", one.quarantined);
        return item;
      }),
    );
    at("count").textContent = seen.people.length + seen.more;
    at("nobody").hidden = seen.people.length > 0;
    at("more").hidden = !seen.more;
    at("more").textContent = `and ${seen.more} more`;
  }

  // ---------------------------------------------------------------- the stream
  const source = new EventSource(place.dataset.stream);
  const live = (on, text) => {
    lamp.classList.toggle("on", on);
    state.textContent = text;
  };
  source.onopen = () => live(true, "Everything shows the moment it happens.");
  source.onerror = () =>
    source.readyState === EventSource.CLOSED
      ? live(false, "The connection was refused: reload the page.")
      : live(false, "The connection was lost; it comes back by itself and misses nothing.");
  source.onmessage = (event) => {
    const one = JSON.parse(event.data);
    if (!paused) return show([one]);
    waiting.push(one);
    if (waiting.length > MOST_WAITING) {
      waiting.shift();
      late += 1;
    }
    tell();
  };
  source.addEventListener("reset", (event) => {
    // A list that somebody reads stays as it is, unless somebody in it was erased.
    if (paused && JSON.parse(event.data).why === "gap") {
      late += waiting.length;
      stale = true;
    } else {
      list.replaceChildren();
      empty();
      late = 0;
    }
    waiting = [];
    tell();
  });
  source.addEventListener("now", (event) => {
    seen = JSON.parse(event.data);
    showPresent();
  });
  setInterval(showPresent, 30000);
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && location.reload());

  pause.addEventListener("click", () => {
    paused = !paused;
    if (!paused) {
      if (stale) list.replaceChildren();
      stale = false;
      show(waiting);
      waiting = [];
      late = 0;
    }
    tell();
  });
  filters.addEventListener("input", () => {
    note();
    sift();
  });
  at("unfiltered").addEventListener("click", () => {
    for (const field of filters.elements) {
      if (field.type === "checkbox") field.checked = false;
      else field.value = "";
    }
    note();
    sift();
    filters.elements.kind.focus();
  });
  filters.addEventListener("submit", (event) => event.preventDefault());
  sift();
  pause.hidden = filters.hidden = false;
})();
