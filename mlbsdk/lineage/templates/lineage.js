"use strict";
(() => {
  document.documentElement.classList.add("js");
  const data = JSON.parse(document.getElementById("data").textContent);
  const graph = document.getElementById("graph");
  const wires = document.getElementById("wires");
  const capture = document.getElementById("capture");
  const panel = document.getElementById("panel");
  const search = document.getElementById("search");
  const results = document.getElementById("results");
  const cards = data.tables.map((_, t) => document.getElementById(`t${t}`));
  const rows = (t) => data.tables[t].columns.map((_, c) => document.getElementById(`c${t}-${c}`));
  const RAW = "the raw row and its request";
  let open = null;     // number of the table that is open
  let picked = null;   // {columns: [numbers], leaves: [keys]} that a click holds
  let leaves = new Map();  // key of a place in the capture -> its element
  let above = new Map();   // the same keys -> the elements that the place is below
  let drawn = [];      // {wire, column, key}

  // Elements are only ever made of text: nothing that the data holds becomes markup.
  const made = (tag, content, name) => {
    const one = document.createElement(tag);
    if (name) one.className = name;
    for (const part of [content].flat()) if (part !== null && part !== undefined) one.append(part);
    return one;
  };

  // "a.b[*]['x','y'].c" -> ["a", "b[*]['x','y']", "c"]: brackets may hold dots.
  const steps = (path) => {
    const found = [""];
    let depth = 0, quote = "";
    for (const char of path) {
      if (quote) { if (char === quote) quote = ""; }
      else if (depth && (char === "'" || char === '"')) quote = char;
      else if (char === "[") depth += 1;
      else if (char === "]") depth -= 1;
      if (char === "." && !depth && !quote) found.push(""); else found[found.length - 1] += char;
    }
    return found.reduce((all, step) => {  // ".*" belongs to what it opens
      if (step === "*" && all.length) all[all.length - 1] += ".*"; else if (step) all.push(step);
      return all;
    }, []);
  };

  const keysOf = (column) => column.kind === "request"
    ? [`\u0000${column.text}`]
    : column.paths.map((number) => data.paths[number]);

  function drawCapture(keys) {
    capture.replaceChildren(made("h2", "The capture"));
    leaves = new Map();
    above = new Map();
    const root = { below: new Map() };
    for (const key of keys) {
      let node = root;
      const parts = key.startsWith("\u0000") ? [RAW, key.slice(1)] : key === "" ? ["the whole document"] : steps(key);
      for (const part of parts) {
        if (!node.below.has(part)) node.below.set(part, { below: new Map() });
        node = node.below.get(part);
      }
      node.key = key;
    }
    const show = (node, over) => {
      for (const [part, child] of node.below) {
        const isLeaf = child.key !== undefined;
        const one = made(isLeaf ? "button" : "span", part, isLeaf ? "node leaf" : "node");
        one.style.setProperty("--depth", over.length);
        one.title = child.key && !child.key.startsWith("\u0000") ? child.key : part;
        if (isLeaf) {
          const key = child.key;
          one.type = "button";
          leaves.set(key, one);
          above.set(key, over);
          one.addEventListener("mouseenter", () => lightLeaf(key));
          one.addEventListener("mouseleave", settle);
          one.addEventListener("click", () => {
            if (open === null) { const t = data.tables.findIndex((table) => table.place === key); if (t >= 0) openTable(t); }
            else { picked = { columns: columnsFrom(key), keys: [key] }; settle(); tellPath(key); }
          });
        }
        capture.append(one);
        show(child, [...over, one]);
      }
    };
    show(root, []);
    // Beside the open table, so that its lines are short.
    const top = open === null ? 0 : cards[open].offsetTop - capture.offsetTop;
    capture.style.paddingTop = `${Math.max(0, top)}px`;
  }

  const columnsFrom = (key) => data.tables[open].columns.flatMap((one, c) => keysOf(one).includes(key) ? [c] : []);

  function curve(from, to, kind, wide) {
    const box = graph.getBoundingClientRect();
    const a = from.getBoundingClientRect(), b = to.getBoundingClientRect();
    const x1 = a.right - box.left + 2, y1 = a.top + a.height / 2 - box.top;
    const x2 = b.left - box.left - 2, y2 = b.top + b.height / 2 - box.top;
    const bend = Math.max(30, (x2 - x1) / 2);
    const wire = document.createElementNS("http://www.w3.org/2000/svg", "path");
    wire.setAttribute("d", `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`);
    wire.setAttribute("class", `k-${kind}${wide ? " wide" : ""}`);
    wires.append(wire);
    return wire;
  }

  function draw() {
    wires.replaceChildren();
    drawn = [];
    if (open === null) {
      data.tables.forEach((table, t) => {
        drawn.push({ wire: curve(leaves.get(table.place), cards[t], "value", true), column: t, key: table.place });
      });
      return;
    }
    const elements = rows(open);
    data.tables[open].columns.forEach((column, c) => {
      for (const key of keysOf(column)) {
        drawn.push({ wire: curve(leaves.get(key), elements[c], column.kind, false), column: c, key });
      }
    });
  }

  function layOut() {
    const keys = open === null ? data.tables.map((table) => table.place) : data.tables[open].columns.flatMap(keysOf);
    drawCapture([...new Set(keys)].sort((a, b) => (a === "") - (b === "") ? (b === "") - (a === "") : 0));
    draw();
    settle();
  }

  // What is lit: the columns and places of the pointer, else those that a click holds.
  function light(columns, keys) {
    const isAny = columns.length + keys.length > 0;
    graph.classList.toggle("picking", isAny);
    for (const each of graph.querySelectorAll(".on, .used, .way")) each.classList.remove("on", "used", "way");
    if (!isAny) return;
    const lit = new Set(keys), chosen = new Set(columns);
    for (const each of drawn) {
      if (lit.has(each.key) && chosen.has(each.column)) { each.wire.classList.add("on"); wires.append(each.wire); }
    }
    for (const key of lit) {
      leaves.get(key)?.classList.add("on");
      for (const each of above.get(key) || []) each.classList.add("way");
    }
    if (open === null) return;
    const elements = rows(open), table = data.tables[open];
    for (const c of chosen) {
      elements[c].classList.add("on");
      for (const name of table.columns[c].uses) {
        const used = table.columns.findIndex((one) => one.name === name);
        if (used >= 0 && !chosen.has(used)) elements[used].classList.add("used");
      }
    }
  }
  const settle = () => light(picked ? picked.columns : [], picked ? picked.keys : []);
  const lightColumn = (c) => light([c], keysOf(data.tables[open].columns[c]));
  const lightLeaf = (key) => open === null
    ? light(data.tables.flatMap((table, t) => table.place === key ? [t] : []), [key])
    : light(columnsFrom(key), [key]);

  const entry = (list, name, content) => list.append(made("dt", name), made("dd", content));

  function tellColumn(c) {
    const table = data.tables[open], column = table.columns[c];
    const list = made("dl", []);
    entry(list, "Type", column.type + (column.nullable ? "" : ", never null") + (column.key ? ", part of the primary key" : ""));
    if (column.description) entry(list, "Description", column.description);
    const way = made("div", []);
    const step = (content, kind) => way.append(made("div", content, `step k-${kind}`));
    for (const key of keysOf(column)) {
      step(key.startsWith("\u0000") ? `${RAW}: ${key.slice(1)}` : made("code", key), column.kind === "expression" ? "value" : column.kind);
    }
    if (column.kind === "expression") {
      if (column.uses.length) step(["columns ", made("code", column.uses.join(", "))], "value");
      step(made("pre", column.text), "expression");
    } else if (column.kind !== "value") step(data.kinds[column.kind], column.kind);
    else if (column.text) step(column.text, "value");
    step(made("b", `${table.name}.${column.name}`), column.kind);
    entry(list, "From the capture to here", way);
    if (column.rules.length) {
      entry(list, "Rules", column.rules.map((name) => {
        const rule = table.rules[name] || {};
        const fate = rule.failed === undefined ? "" : rule.failed ? `: ${rule.failed} rows failed` : ": held";
        return made("div", [made("b", name), ` ${rule.severity || ""}`, made("span", fate, rule.failed ? "bad" : "good"),
          rule.asks ? made("pre", rule.asks) : null, rule.reason ? made("span", rule.reason, "soft") : null]);
      }));
    }
    panel.replaceChildren(made("h2", column.name), list);
    panel.classList.add("picked");
  }

  function tellPath(key) {
    const list = made("dl", []);
    const told = columnsFrom(key).map((c) => {
      const button = made("button", data.tables[open].columns[c].name);
      button.type = "button";
      button.addEventListener("click", () => pick(c));
      return made("div", button);
    });
    entry(list, `Columns of ${data.tables[open].name}`, told);
    const number = data.paths.indexOf(key);
    const others = data.tables.flatMap((table, t) => t === open || number < 0 ? [] :
      table.columns.filter((one) => one.paths.includes(number)).map((one) => made("div", `${table.name}.${one.name}`)));
    if (others.length) entry(list, "Columns of other tables", others.slice(0, 40));
    panel.replaceChildren(made("h2", key.startsWith("\u0000") ? RAW : key), list);
    panel.classList.add("picked");
  }

  function tellAll() {
    const legend = made("div", Object.entries({ value: "a value, as it is", expression: "an expression", position: "a position or key", request: "the request or raw row" })
      .map(([kind, text]) => made("span", [made("span", "", `dot k-${kind}`), text])), "legend");
    panel.replaceChildren(
      made("h2", open === null ? "From the capture to the tables" : data.tables[open].name),
      made("p", open === null
        ? "Each line leads from the items of the capture that give rows to their table. Open a table to see its columns."
        : "Point at a column or a path to see its way; click to hold it.", "soft"),
      legend);
    panel.classList.remove("picked");
  }

  function pick(c) {
    picked = { columns: [c], keys: keysOf(data.tables[open].columns[c]) };
    settle();
    tellColumn(c);
    history.replaceState(null, "", `#${encodeURIComponent(`${data.tables[open].name}.${data.tables[open].columns[c].name}`)}`);
  }

  function openTable(t, c) {
    open = t;
    picked = null;
    cards.forEach((card, number) => {
      card.querySelector("details").open = number === t;
      card.toggleAttribute("data-open", number === t);
    });
    layOut();
    tellAll();
    history.replaceState(null, "", t === null ? "#" : `#${encodeURIComponent(data.tables[t].name)}`);
    if (t === null) return;
    if (c !== undefined) {
      pick(c);
      rows(t)[c].scrollIntoView({ block: "center" });
    } else cards[t].scrollIntoView({ block: "start" });
  }

  cards.forEach((card, t) => {
    card.querySelector("summary").addEventListener("click", (event) => {
      event.preventDefault();
      openTable(open === t ? null : t);
    });
    card.addEventListener("mouseenter", () => { if (open === null) light([t], [data.tables[t].place]); });
    card.addEventListener("mouseleave", settle);
    rows(t).forEach((row, c) => {
      row.addEventListener("mouseenter", () => { lightColumn(c); if (!picked) tellColumn(c); });
      row.addEventListener("mouseleave", settle);
      row.querySelector("button").addEventListener("focus", () => lightColumn(c));
      row.querySelector("button").addEventListener("click", () => pick(c));
    });
  });

  // Every word has to be somewhere in what is found.
  function found(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (...parts) => words.every((word) => parts.some((part) => part.toLowerCase().includes(word)));
    const names = [], columns = [], paths = [];
    data.tables.forEach((table, t) => {
      if (fits(table.name)) names.push({ text: table.name, more: `${table.columns.length} columns`, go: () => openTable(t) });
      table.columns.forEach((column, c) => {
        const from = column.paths.map((number) => data.paths[number]);
        if (!fits(table.name, column.name, column.description, ...from)) return;
        const isName = words.every((word) => column.name.toLowerCase().includes(word));
        (isName ? columns : paths).push({ text: `${table.name}.${column.name}`, more: from[0] || column.text, go: () => openTable(t, c) });
      });
    });
    return [...names, ...columns, ...paths];
  }

  search.addEventListener("input", () => {
    const all = search.value.trim() ? found(search.value) : [];
    results.hidden = !search.value.trim();
    results.replaceChildren(...all.slice(0, 60).map((one) => {
      const button = made("button", [one.text, " ", made("span", one.more, "soft")]);
      button.type = "button";
      button.addEventListener("click", () => { results.hidden = true; one.go(); });
      return made("li", button);
    }), made("li", all.length > 60 ? `and ${all.length - 60} more` : all.length ? "" : "nothing has that name", "soft"));
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { search.value = ""; results.hidden = true; }
    if (event.key === "Enter") results.querySelector("button")?.click();
  });
  document.addEventListener("click", (event) => { if (!event.target.closest(".find")) results.hidden = true; });
  document.getElementById("overview").addEventListener("click", () => openTable(null));
  let pause;
  addEventListener("resize", () => { clearTimeout(pause); pause = setTimeout(layOut, 60); });

  // #schema.table or #schema.table.column
  function followAddress() {
    let wanted = "";
    try { wanted = decodeURIComponent(location.hash.slice(1)); } catch { /* not ours */ }
    const t = data.tables.findIndex((one) => wanted === one.name || wanted.startsWith(`${one.name}.`));
    if (t < 0) return openTable(data.tables.length === 1 ? 0 : null);
    const c = data.tables[t].columns.findIndex((one) => `${data.tables[t].name}.${one.name}` === wanted);
    openTable(t, c < 0 ? undefined : c);
  }
  addEventListener("hashchange", followAddress);
  followAddress();
})();
