"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  // ---------------------------------------------------------------- choices
  const form = document.getElementById("filters");
  const names = form ? all("select", form).map((select) => select.name) : [];
  const chosen = Object.fromEntries(names.map((name) => [name, ""]));

  function takeFromAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    for (const name of names) {
      const select = form.elements[name];
      const value = given.get(name) || "";
      select.value = [...select.options].some((option) => option.value === value) ? value : "";
    }
  }

  function keepInAddress() {
    const kept = new URLSearchParams(Object.entries(chosen).filter(([, value]) => value));
    if (String(kept) || location.hash.includes("=")) {
      try { history.replaceState(null, "", "#" + kept); } catch { /* in a frame */ }
    }
  }

  function choose() {
    for (const name of names) {
      chosen[name] = form.elements[name].value;
      form.elements[name].classList.toggle("set", chosen[name] !== "");
    }
    form.querySelector("[type=reset]").hidden = names.every((name) => !chosen[name]);
    keepInAddress();
    answer();
    all(".scroll[data-answers]").forEach(filterTable);
    filterBlocks();
    all("article.long").forEach(markLong);
    for (const drawn of views.values()) tell(drawn);
  }

  // ---------------------------------------------------------------- the answer
  const answers = read("answers");

  function answer() {
    const place = document.getElementById("answer");
    if (!place) return;
    const shown = answers.filter((row) =>
      ["device", "model", "rule"].every((name) => !chosen[name] || row[name] === chosen[name]));
    place.replaceChildren(...(shown.length === 1 ? one(shown[0]) : several(shown)));
    document.querySelector("#which .nothing").hidden = shown.length > 0;
    const table = document.querySelector("#which article");
    if (table) table.hidden = shown.length === 0;
  }

  function one(row) {
    const strong = (text) => make("b", { textContent: text });
    const parts = [];
    const where = ` for ${row.model} with ${row.rule} on ${row.device}`;
    if (row.faster) {
      parts.push(make("p", { className: "big" }, "Use ",
        make("strong", { id: "recommended", textContent: row.strategy }), where, "."));
      parts.push(make("p", {}, strong(row.speedup), ` as fast as ${row.baseline}: 95 % interval `,
        strong(row.interval), ", noise floor ", strong(row.noise), "."));
    } else if (row.baseline) {
      parts.push(make("p", { className: "big" }, "Keep ",
        make("strong", { id: "recommended", textContent: row.strategy }), where, "."));
      parts.push(make("p", {},
        `No strategy is certainly faster by more than ${row.margin} and the noise floor, `, strong(row.noise), "."));
    } else {
      parts.push(make("p", { className: "big" }, "Use ",
        make("strong", { id: "recommended", textContent: row.strategy }), where, "."));
      parts.push(make("p", {}, "The baseline is not right here, so there is no speedup to give."));
    }
    parts.push(make("p", {}, "Verified right: ", row.verified, ". ",
      row.faster
        ? `An update takes ${row.update} instead of ${row.before}`
        : `An update takes ${row.update}`,
      ` (${row.samples}). Training step: ${row.step}.`));
    if (row.same.length) {
      parts.push(make("p", { className: "aside" }, `The same within ${row.margin}: `, row.same.join(", "), "."));
    }
    if (row.unclear.length) {
      const within = row.budget ? ` in ${row.budget}` : "";
      parts.push(make("details", { className: "aside" },
        make("summary", { textContent: `${row.unclear.length} could not be told apart${within}` }),
        make("p", { textContent: row.unclear.join(", ") }),
        ...(row.again ? [make("p", { textContent: "This would:" }), make("pre", {}, make("code", { textContent: row.again }))] : [])));
    }
    if (row.beware) {
      parts.push(make("p", { className: "aside bad" }, "Unlike the baseline, it ", row.beware, "."));
    }
    if (row.approximate.length) {
      parts.push(make("p", { className: "aside" }, "Approximate, and not ranked: ", row.approximate.join("; "), "."));
    }
    if (row.wrong.length) {
      parts.push(make("p", { className: "aside bad" }, "Wrong here, and not ranked: ", row.wrong.join(", "), "."));
    }
    if (row.twins) {
      parts.push(make("p", { className: "aside" }, "On this machine ", row.twins, "."));
    }
    if (row.contention) {
      parts.push(make("p", { className: "aside bad" },
        "Contended, the machine was busy: ", row.contention, ". Measure again before you rely on this."));
    }
    return parts;
  }

  function several(rows) {
    if (!rows.length) return [];
    const wins = new Map();
    let none = 0;
    for (const row of rows) {
      if (row.faster) wins.set(row.strategy, (wins.get(row.strategy) || 0) + 1);
      else none += 1;
    }
    const ranking = [...wins].sort((a, b) => b[1] - a[1]);
    const most = Math.max(none, ...ranking.map(([, number]) => number));
    const bar = (name, number, quiet) => make("li", {},
      make("span", { className: quiet ? "quiet-name" : "", textContent: name }),
      make("i", { style: `--share:${number / most}` }),
      make("b", { textContent: `${number}` }));
    const list = make("ol", { className: "wins" }, ...ranking.map(([name, number]) => bar(name, number, false)));
    if (none) list.append(bar("none beats the baseline", none, true));
    return [make("p", {}, `Fastest right strategy, in ${rows.length} blocks of model, rule and device. `,
      "Choose above to get the answer for yours."), list];
  }

  // ---------------------------------------------------------------- tables
  function labelTable(box) {
    const headings = JSON.parse(box.dataset.filters);
    for (const row of all("tbody tr:not(.gt_group_heading_row)", box)) {
      [...row.cells].forEach((cell, index) => {
        cell.dataset.label = headings[index] ?? "";
        const verdict = { verdict: 1 }[headings[index]];
        if (verdict) cell.dataset.verdict = cell.textContent;
      });
      const undecided = [...row.cells].some((cell) => ["same", "unclear"].includes(cell.dataset.verdict));
      if (undecided || /not ranked|none is faster/.test(row.textContent)) row.classList.add("dim");
    }
    if (box.closest(".truth")) {
      for (const cell of all("tbody td", box)) {
        if (cell.cellIndex) cell.dataset.outcome = ["wrong", "!", "error"].find((word) => cell.textContent.includes(word))?.replace("!", "wrong")
          || cell.textContent.split(/[\s,/]/)[0];
      }
    }
  }

  const shownText = (cell) => (cell.querySelector(".main") || cell).textContent.trim();

  function filterTable(box) {
    const headings = JSON.parse(box.dataset.filters);
    const columns = Object.entries(JSON.parse(box.dataset.answers))
      .filter(([, name]) => names.includes(name)).map(([heading, name]) => [headings.indexOf(heading), name]);
    const inBlock = box.closest(".block");
    let group = null;
    let groupPasses = true;
    for (const row of all("tbody tr", box)) {
      if (row.classList.contains("gt_group_heading_row")) {
        group = row;
        group.hidden = true;
        groupPasses = box.dataset.group !== "device" || !chosen.device || row.textContent.trim() === chosen.device;
        continue;
      }
      const passes = groupPasses && columns.every(([index, name]) => {
        if (index < 0) return true;
        if (name === "zeroing" && !chosen.zeroing) return !inBlock || shownText(row.cells[index]) === inBlock.dataset.zeroing;
        return !chosen[name] || shownText(row.cells[index]) === chosen[name];
      });
      row.hidden = !passes;
      if (passes && group) group.hidden = false;
    }
  }

  function filterBlocks() {
    const blocks = all("details.block");
    for (const block of blocks) {
      block.hidden = ["device", "model", "rule"].some((name) => chosen[name] && block.dataset[name] !== chosen[name]);
    }
    const shown = blocks.filter((block) => !block.hidden);
    if (shown.length === 1) shown[0].open = true;
  }

  // ---------------------------------------------------------------- figures
  const specifications = read("specifications");
  const datasets = read("datasets");
  const unpacked = new Map();
  const views = new Map();

  function rowsOf(name) {
    if (!unpacked.has(name)) {
      const columns = Object.entries(datasets[name]).map(([column, { values, rows }]) =>
        [column, rows ? rows.map((place) => values[place]) : values]);
      const length = columns.length ? columns[0][1].length : 0;
      unpacked.set(name, Array.from({ length }, (_, index) =>
        Object.fromEntries(columns.map(([column, values]) => [column, values[index]]))));
    }
    return unpacked.get(name);
  }

  function vegaIsHere() {
    if (!window.vegaEmbed) {
      const bundle = document.getElementById("vega");
      document.head.append(make("script", { type: "module", textContent: bundle.textContent }));
    }
    return new Promise((resolve) => {
      const look = () => (window.vegaEmbed ? resolve(window.vegaEmbed) : setTimeout(look, 10));
      look();
    });
  }

  const isDark = () => getComputedStyle(document.documentElement).getPropertyValue("--scheme").trim() === "dark";

  function colours(width) {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    const words = { labelColor: of("--ink-soft"), titleColor: of("--ink") };
    return {
      background: "transparent",
      font: of("--font"),
      view: { stroke: "transparent" },
      axis: { ...words, gridColor: of("--line"), domainColor: of("--line-strong"), tickColor: of("--line-strong"), labelFontSize: 11, labelLimit: 150 },
      header: { ...words, labelColor: of("--ink"), labelFontSize: 12, labelLimit: 320 },
      legend: { ...words, labelFontSize: 12, orient: "top", direction: "horizontal", columns: Math.max(1, Math.floor(width / 120)), titleOrient: "left", symbolSize: 90, offset: 4 },
    };
  }

  const outerWidth = (spec) => {
    const layers = spec.spec.layer || [spec.spec];
    const words = layers[0].encoding?.y?.field;
    if (!["strategy", "model", "zeroing"].includes(words)) return 58;
    const longest = Math.max(4, ...rowsOf(spec.data.name).map((row) => String(row[words] ?? "").length));
    return Math.min(150, 6.1 * longest) + 16;
  };

  function fit(name, width) {
    const spec = structuredClone(specifications[name]);
    spec.datasets = { [spec.data.name]: rowsOf(spec.data.name) };
    const gap = 18;
    const beside = outerWidth(spec);
    const least = Math.min(spec.usermeta.panel, width);
    const panels = new Set(rowsOf(spec.data.name).map((row) => row.panel)).size;
    const independent = spec.resolve?.scale?.y === "independent";
    // Axes beside every panel, or once at the left.
    const count = Math.max(1, Math.min(panels, Math.floor((width + gap) / (least + gap))));
    const taken = independent ? beside * count : beside;
    spec.columns = count;
    spec.spacing = gap;
    spec.spec.width = Math.max(90, Math.floor((width - taken - gap * (count - 1) - 6) / count));
    for (const parameter of spec.params) parameter.value = chosen[parameter.name.replace("chosen_", "")] ?? "";
    return spec;
  }

  async function draw(figure) {
    const canvas = figure.querySelector(".canvas");
    const name = figure.dataset.figure;
    const embed = await vegaIsHere();
    const width = Math.floor(canvas.clientWidth);
    views.get(name)?.result.finalize();
    const result = await embed(canvas, fit(name, width), {
      actions: false, renderer: "svg", config: colours(width - 90),
      tooltip: { theme: isDark() ? "dark" : "light" },
    });
    const drawn = { figure, result, width };
    views.set(name, drawn);
    markLong(figure);
    figure.dataset.drawn = "yes";
  }

  async function tell({ figure, result }) {
    for (const name of figure.dataset.filters.split(" ")) result.view.signal("chosen_" + name, chosen[name] ?? "");
    await result.view.runAsync();
    markLong(figure);
  }

  function markLong(figure) {
    const canvas = figure.querySelector(".canvas, .scroll");
    const more = figure.querySelector(".more");
    const most = window.innerWidth < 640 ? 820 : 1250;
    if (figure.dataset.open) return;
    const long = canvas.scrollHeight > most * 1.25 || (canvas.classList.contains("cut") && canvas.firstElementChild?.scrollHeight > most * 1.25);
    canvas.classList.toggle("cut", long);
    canvas.style.maxHeight = long ? most + "px" : "";
    more.hidden = !long;
    more.onclick = () => {
      figure.dataset.open = "yes";
      canvas.classList.remove("cut");
      canvas.style.maxHeight = "";
      more.hidden = true;
    };
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting && !entry.target.dataset.started) {
        entry.target.dataset.started = "yes";
        draw(entry.target);
      }
    }
  }, { rootMargin: "500px" });

  const redraw = () => views.forEach(({ figure }) => draw(figure));
  let pause;
  addEventListener("resize", () => {
    clearTimeout(pause);
    pause = setTimeout(() => views.forEach(({ figure, width }) => {
      if (Math.floor(figure.querySelector(".canvas").clientWidth) !== width) draw(figure);
    }), 200);
  });
  addEventListener("beforeprint", () => all("figure .more:not([hidden])").forEach((button) => button.click()));

  // ---------------------------------------------------------------- downloads
  const cellOf = (value) => {
    let text = value === null || value === undefined ? "" : String(value);
    // A spreadsheet takes these for a formula; an apostrophe makes them text.
    if (typeof value === "string" && /^\s*[=+\-@|%\t\r]/.test(text) && !/^[-+]?[\d.]+(e[-+]?\d+)?$/i.test(text)) text = "'" + text;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const csv = (lines) => lines.map((line) => line.map(cellOf).join(",")).join("\r\n") + "\r\n";

  function save(name, content, type) {
    const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
    const link = make("a", { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }

  async function saveFigure(figure, kind) {
    const name = figure.dataset.figure;
    if (kind === "csv") {
      const rows = rowsOf(specifications[name].data.name);
      const columns = Object.keys(rows[0] || {});
      save(`${name}.csv`, csv([columns, ...rows.map((row) => columns.map((column) => row[column]))]), "text/csv");
      return;
    }
    const { result } = views.get(name);
    if (kind === "svg") save(`${name}.svg`, await result.view.toSVG(), "image/svg+xml");
    else {
      const drawn = await result.view.toCanvas(2);
      drawn.toBlob((blob) => save(`${name}.png`, blob));
    }
  }

  function saveTable(name) {
    const table = document.querySelector(`.scroll[data-name="${CSS.escape(name)}"] table`);
    const text = (cell) => [...cell.childNodes].map((part) => part.textContent).join(" ").trim();
    const lines = all("tr", table).filter((row) => !row.hidden).map((row) => [...row.cells].map(text));
    save(`${name}.csv`, csv(lines), "text/csv");
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.table) saveTable(button.dataset.table);
    if (button?.dataset.save) saveFigure(button.closest("figure"), button.dataset.save);
  });

  // ---------------------------------------------------------------- light and dark
  const root = document.documentElement;
  const wish = (() => { try { return localStorage.getItem("gradbench-theme"); } catch { return null; } })();
  if (wish) root.dataset.theme = wish;
  const theme = document.getElementById("theme");
  const nameTheme = () => { theme.querySelector("span").textContent = isDark() ? "dark" : "light"; };
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("gradbench-theme", root.dataset.theme); } catch { /* not kept */ }
    nameTheme();
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { nameTheme(); redraw(); });
  nameTheme();

  // ---------------------------------------------------------------- start
  const contents = document.querySelector("nav ul");
  for (const section of all("main > section")) {
    const heading = section.querySelector("h1, h2");
    if (section.id !== "which") contents.append(make("li", {}, make("a", { href: "#" + section.id, textContent: heading.textContent })));
  }
  contents.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    event.preventDefault(); // the address holds the choices
    document.querySelector(link.getAttribute("href")).scrollIntoView({ behavior: "smooth" });
  });
  for (const block of all("pre[data-json] code")) {
    try { block.textContent = JSON.stringify(JSON.parse(block.textContent), null, 1); } catch { /* as it is */ }
  }
  all(".scroll").forEach(labelTable);
  if (form) {
    takeFromAddress();
    form.addEventListener("change", choose);
    form.addEventListener("reset", () => setTimeout(choose));
    addEventListener("hashchange", () => { takeFromAddress(); choose(); });
    choose();
  }
  all("article.long").forEach(markLong);
  all("figure").forEach((figure) => seen.observe(figure));
  all("details").forEach((part) => part.addEventListener("toggle", () => part.open && redrawWithin(part)));
  function redrawWithin(part) { all("figure", part).forEach((figure) => views.has(figure.dataset.figure) && draw(figure)); }
  document.body.dataset.ready = "yes";
  performance.mark("gradbench-ready");
})();
