// Keys, copying and charts. Every page works without this file; it adds comfort only.
"use strict";
(() => {
  const find = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // ---------------------------------------------------------------- copying
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const text = find(button.dataset.copy)?.textContent.trim() ?? "";
    const label = find(".label", button) ?? button;
    const before = label.textContent;
    try {
      await navigator.clipboard.writeText(text);
      label.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(find(button.dataset.copy));
      label.textContent = "Press Ctrl+C";
    }
    setTimeout(() => (label.textContent = before), 2000);
  });

  // A menu closes when something else is clicked, or by Escape.
  const menus = () => all("details.sites[open], details.pop[open]");
  // Also when the focus goes on: what has it is never behind a menu.
  for (const name of ["click", "focusin"]) {
    document.addEventListener(name, (event) => {
      for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
    });
  }

  // A link to something folded unfolds it.
  const unfold = () => {
    const place = location.hash && document.getElementById(location.hash.slice(1));
    if (place && place.matches("details")) place.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();

  // A choice that changes what a page shows needs no button.
  document.addEventListener("change", (event) => {
    if (event.target.closest("[data-submits]")) event.target.form?.requestSubmit();
    const every = event.target.closest("[data-checks]");
    if (every) for (const box of all(every.dataset.checks)) box.checked = every.checked;
  });

  for (const place of all(".tabs, .main-nav")) {
    const now = find("[aria-current]", place);
    if (now) place.scrollLeft = now.offsetLeft - place.offsetLeft - (place.clientWidth - now.offsetWidth) / 2;
  }

  // ---------------------------------------------------------------- staying where one was
  const keep = (name, value) => {
    try {
      if (value) sessionStorage.setItem(name, value);
      else sessionStorage.removeItem(name);
    } catch {} // no storage: one starts at the top, as without this file
  };
  const kept = (name) => {
    try {
      return sessionStorage.getItem(name);
    } catch {
      return null;
    }
  };

  // The way back from a person leads to the list as it was left.
  const siteOf = (url) => url.searchParams.get("site");
  const here = new URL(location.href);
  if (here.pathname === "/people") {
    for (const name of ["said", "about", "done", "unchanged", "refused"]) here.searchParams.delete(name);
    keep("list", here.pathname + here.search);
  }
  for (const link of all("a[data-list]")) {
    const list = kept("list");
    if (list && siteOf(new URL(list, here)) === siteOf(new URL(link.href))) link.href = list;
  }

  // Who asked for the search on another page has it in hand here.
  if (kept("search")) find('.tools input[type="search"]')?.focus();
  keep("search", "");

  // A form that leads back to its own page leads back to the place it was sent from.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || !form.closest("main")) return;
    keep("place", JSON.stringify([location.pathname, scrollY, form.getAttribute("action")]));
  });
  const [path, y, action] = JSON.parse(kept("place") ?? "[]");
  keep("place", "");
  const news = find("main > .said");
  if (news && path === location.pathname) {
    const form = all("main form").filter((one) => one.getAttribute("action") === action).pop();
    // To the button, never into a field: there the keys of this page would be letters.
    form && find("button", form)?.focus({ preventScroll: true });
    if (y > news.offsetTop) {
      scrollTo(0, y);
      news.classList.add("above");
    }
  }

  // What came of a deed has the focus, once: its button may be gone or off meanwhile.
  function toNews() {
    const news = find("[data-focus]");
    news?.removeAttribute("data-focus");
    news?.focus();
  }
  document.addEventListener("htmx:after:swap", toNews);
  toNews();

  // ---------------------------------------------------------------- keys
  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");
  const rows = () => all("[data-row]").filter((row) => row.offsetParent);
  let chord = 0;

  function step(by) {
    const list = rows();
    if (!list.length) return;
    const now = list.findIndex((row) => row.contains(document.activeElement));
    const next = list[Math.max(0, Math.min(list.length - 1, now < 0 ? 0 : now + by))];
    const link = next.matches("a, summary") ? next : find("a, summary", next);
    link?.focus();
    next.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      for (const menu of menus()) {
        menu.open = false;
        find("summary", menu).focus();
      }
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const pressed = event.key;
    if (chord && performance.now() - chord < 1500) {
      chord = 0;
      const link = find(`.main-nav [data-key="${CSS.escape(pressed)}"]`);
      if (link) {
        event.preventDefault();
        link.click();
      }
      return;
    }
    chord = 0;
    if (pressed === "g") chord = performance.now();
    else if (pressed === "j") step(1);
    else if (pressed === "k") step(-1);
    else if (pressed === "?") find("#keys")?.showModal();
    else if (pressed === "/") {
      event.preventDefault();
      const field = find('input[type="search"]');
      if (field) field.focus();
      else {
        keep("search", "1");
        find('.main-nav [data-key="p"]')?.click();
      }
    }
  });

  // ---------------------------------------------------------------- charts
  // Numbers stand in a table beside every chart; the chart is drawn from them.
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function draw(figure) {
    const data = JSON.parse(find("script[type='application/json']", figure).textContent);
    const place = find(".plot", figure);
    const axis = {
      stroke: css("--soft"),
      grid: { stroke: css("--line"), width: 1 },
      ticks: { show: false },
      font: "12px system-ui, sans-serif",
    };
    const colours = [css("--accent"), css("--soft"), css("--cool")];
    const days = data.series[0].values.map((_, index) => index);
    const label = (index) => data.labels[index] ?? "";
    const plot = new uPlot(
      {
        width: place.clientWidth,
        height: Number(figure.dataset.height) || 220,
        cursor: { y: false, points: { size: 7 } },
        legend: { live: true },
        hooks: {
          ready: [(u) => u.setLegend({ idx: days.length - 1 })],
          setCursor: [(u) => u.cursor.idx ?? u.setLegend({ idx: days.length - 1 })],
        },
        scales: { x: { time: false }, y: { range: (_, low, high) => [Math.min(0, low), high || 1] } },
        axes: [
          { ...axis, size: 30, grid: { show: false }, values: (_, ticks) => ticks.map((i) => (Number.isInteger(i) ? label(i) : "")) },
          { ...axis, size: 46, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6] },
        ],
        series: [
          { label: data.x, value: (_, index) => (index == null ? "" : data.titles?.[index] ?? label(index)) },
          ...data.series.map((one, index) => ({
            label: one.name,
            stroke: colours[index],
            width: index ? 1.5 : 2,
            dash: one.dashed ? [4, 4] : undefined,
            fill: index || one.plain ? undefined : `color-mix(in srgb, ${colours[0]} 12%, transparent)`,
            paths: one.steps ? uPlot.paths.stepped({ align: 1 }) : undefined,
            points: { show: days.length < 2 },
          })),
        ],
      },
      [days, ...data.series.map((one) => one.values)],
      place,
    );
    // In the next frame: a size set while sizes are being told is an error of the window.
    const fit = () => {
      const width = place.clientWidth;
      if (width && width !== plot.width) plot.setSize({ width, height: plot.height });
    };
    new ResizeObserver(() => requestAnimationFrame(fit)).observe(place);
    return plot;
  }

  const drawn = new Map();
  function drawAll() {
    if (typeof uPlot === "undefined") return;
    for (const [figure, plot] of drawn) {
      if (!figure.isConnected) {
        plot.destroy();
        drawn.delete(figure);
      }
    }
    for (const figure of all("figure.chart")) {
      if (!drawn.has(figure)) drawn.set(figure, draw(figure));
    }
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const [figure, plot] of drawn) {
      plot.destroy();
      drawn.delete(figure);
      find(".plot", figure).replaceChildren();
    }
    drawAll();
  });
  document.addEventListener("htmx:after:swap", drawAll);
  drawAll();
})();
