"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = Object.fromEntries(data.columns.map((name, index) => [name, index]));
  const PER_PAGE = 100;
  const body = document.getElementById("rows");
  const find = document.getElementById("find");
  const heads = [...document.querySelectorAll("thead button")];
  const segments = [...document.querySelectorAll("[data-state]")];
  const shown = { key: "state", down: false, state: "", text: "", page: 0 };
  const STATES = { failed: "Failed", left: "Left", done: "Restored" };
  const order = { failed: 0, left: 1, done: 2 };
  const searched = data.rows.map((row) => (row[at.name] + "\n" + row[at.source] + "\n" + row[at.reason]).toLowerCase());
  let found = [];

  const number = (value, digits = 0) =>
    value === null || value === undefined ? "–" : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const duration = (seconds) => {
    if (seconds === null) return "–";
    if (seconds < 90) return number(seconds, seconds < 10 ? 1 : 0) + " s";
    return seconds < 5400 ? number(seconds / 60, 1) + " min" : number(seconds / 3600, 1) + " h";
  };
  const make = (tag, text, css) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (css) node.className = css;
    return node;
  };
  const cell = (row, column) => {
    const value = row[at[column.key]];
    const node = make("td", undefined, column.css);
    if (column.key === "state") node.append(make("span", STATES[value], "pill " + value));
    else if (column.key === "name") {
      const link = make("a", value);
      link.href = "videos/" + row[at.page] + ".html";
      node.append(link, make("div", row[at.source], "small"));
      if (row[at.reason]) node.append(make("div", row[at.reason], "reason"));
    } else if (column.key === "flags" && value) {
      node.append(make("span", String(value), "pill flag"));
    } else node.textContent = column.key === "seconds" ? duration(value) : number(value, column.digits);
    return node;
  };

  const compare = (one, two) => {
    const index = at[shown.key];
    let [a, b] = [data.rows[one][index], data.rows[two][index]];
    if (shown.key === "state") [a, b] = [order[a], order[b]];
    let result;
    if (a === null || b === null) return (a === null) - (b === null) || one - two; // unknown goes last, either way
    if (typeof a === "string") result = a.localeCompare(b, "en", { numeric: true });
    else result = a - b;
    return (shown.down ? -result : result) || one - two;
  };
  const search = () => {
    const words = shown.text.toLowerCase().split(/\s+/).filter(Boolean);
    found = [];
    data.rows.forEach((row, index) => {
      if (shown.state === "flagged" ? !(row[at.flags] > 0) : shown.state && row[at.state] !== shown.state) return;
      if (words.every((word) => searched[index].includes(word))) found.push(index);
    });
    found.sort(compare);
    shown.page = Math.min(shown.page, Math.max(0, Math.ceil(found.length / PER_PAGE) - 1));
  };
  const draw = () => {
    const first = shown.page * PER_PAGE;
    const rows = found.slice(first, first + PER_PAGE).map((index) => {
      const line = make("tr");
      line.append(...data.shown.map((column) => cell(data.rows[index], column)));
      return line;
    });
    if (!rows.length) {
      const line = make("tr"), nothing = make("td", data.rows.length ? "No video is like that." : "No video is known of yet.");
      nothing.colSpan = data.shown.length;
      line.append(nothing);
      rows.push(line);
    }
    body.replaceChildren(...rows);
    const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
    document.getElementById("count").textContent = number(found.length) + (found.length === 1 ? " video" : " videos");
    document.getElementById("page").textContent = "page " + number(shown.page + 1) + " of " + number(pages);
    document.getElementById("back").disabled = shown.page === 0;
    document.getElementById("on").disabled = shown.page + 1 >= pages;
    for (const head of heads) {
      const cell = head.closest("th");
      if (head.dataset.key === shown.key) cell.setAttribute("aria-sort", shown.down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
    for (const button of segments) button.setAttribute("aria-pressed", String(button.dataset.state === shown.state));
  };
  const remember = () => {
    const words = new URLSearchParams();
    if (shown.text) words.set("find", shown.text);
    if (shown.state) words.set("state", shown.state);
    if (shown.key !== "state" || shown.down) words.set("sort", (shown.down ? "-" : "") + shown.key);
    if (shown.page) words.set("page", String(shown.page + 1));
    try { history.replaceState(null, "", "#" + words); } catch { /* some browsers forbid it on files */ }
  };
  const recall = () => {
    const words = new URLSearchParams(location.hash.slice(1));
    shown.text = words.get("find") || "";
    shown.state = words.get("state") || "";
    const sort = words.get("sort") || "state";
    shown.down = sort.startsWith("-");
    shown.key = sort.replace(/^-/, "");
    if (!(shown.key in at)) shown.key = "state";
    shown.page = Math.max(0, (parseInt(words.get("page"), 10) || 1) - 1);
    find.value = shown.text;
  };
  const change = (changes) => {
    Object.assign(shown, changes);
    search();
    draw();
    remember();
  };

  let waiting = 0;
  find.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => change({ text: find.value, page: 0 }), 80);
  });
  for (const head of heads) {
    head.addEventListener("click", () => change({ key: head.dataset.key, down: head.dataset.key === shown.key && !shown.down, page: 0 }));
  }
  for (const button of segments) button.addEventListener("click", () => change({ state: button.dataset.state, page: 0 }));
  for (const button of document.querySelectorAll("[data-find]")) {
    button.addEventListener("click", () => {
      find.value = button.dataset.find;
      change({ text: find.value, state: "", page: 0 });
      find.focus();
    });
  }
  document.getElementById("back").addEventListener("click", () => change({ page: shown.page - 1 }));
  document.getElementById("on").addEventListener("click", () => change({ page: shown.page + 1 }));
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== find) { event.preventDefault(); find.focus(); }
  });
  window.addEventListener("hashchange", () => { recall(); search(); draw(); });
  recall();
  search();
  draw();
})();
