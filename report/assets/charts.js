"use strict";
/* Charts of figures over the measured frames. The frames stand side by side whatever lies between them; bands are shots,
   dashed lines are seams. `pick(index)` is called when a point is chosen, `point(index)` marks one. */
function makeCharts(root, data, pick) {
  const HIGH = 130, TOP = 10, BOTTOM = 20, LEFT = 46;
  let WIDE = 1000; // pixels of the screen, so that nothing is stretched; drawn again when it changes
  const points = data.points, count = points.frame.length;
  const x = (index) => LEFT + ((index + 0.5) * (WIDE - LEFT)) / count;
  const svg = (tag, facts, parent) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(facts)) node.setAttribute(name, value);
    if (parent) parent.append(node);
    return node;
  };
  const make = (tag, text, css) => Object.assign(document.createElement(tag), { textContent: text, className: css || "" });
  const short = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
  let markers = [], current = 0;

  const bounds = (values) => {
    const known = values.filter((value) => value !== null);
    let [low, most] = known.length ? [Math.min(...known), Math.max(...known)] : [0, 1];
    const room = Math.max((most - low) * 0.12, most * 0.02, 1e-6);
    return [Math.max(0, low - room), most + room];
  };
  const bands = (picture, flagged) => {
    for (let start = 0; start < count; ) {
      let stop = start;
      while (stop < count && points.shot[stop] === points.shot[start]) stop++;
      const left = x(start - 0.5), wide = x(stop - 0.5) - left, shot = points.shot[start];
      if (flagged.has(shot)) svg("rect", { class: "flagged", x: left, y: TOP, width: wide, height: HIGH - TOP - BOTTOM }, picture);
      else if (data.bandOf[shot] % 2 === 0) svg("rect", { class: "shot", x: left, y: TOP, width: wide, height: HIGH - TOP - BOTTOM }, picture);
      if (wide > 44) svg("text", { x: left + 4, y: HIGH - 5 }, picture).textContent = "shot " + shot;
      start = stop;
    }
    points.seam.forEach((seam, index) => {
      if (seam) svg("line", { class: "seam", x1: x(index - 0.5), x2: x(index - 0.5), y1: TOP, y2: HIGH - BOTTOM }, picture);
    });
  };
  const lineOf = (picture, series, y) => {
    let path = "", open = false;
    series.values.forEach((value, index) => {
      const apart = index && (points.frame[index] !== points.frame[index - 1] + 1 || points.shot[index] !== points.shot[index - 1]);
      if (value === null) { open = false; return; }
      const next = series.values[index + 1];
      if ((!open || apart) && (next === null || next === undefined || points.frame[index + 1] !== points.frame[index] + 1)) {
        svg("circle", { class: series.css, cx: x(index), cy: y(value), r: 3 }, picture); // alone: a line would not be seen
      }
      path += (open && !apart ? "L" : "M") + x(index).toFixed(1) + " " + y(value).toFixed(1);
      open = true;
    });
    svg("path", { class: series.css, d: path, "vector-effect": "non-scaling-stroke" }, picture);
  };
  const draw = (chart) => {
    const box = make("div", "", "chart"), head = make("div", "", "head");
    head.append(make("b", chart.title), make("span", chart.about));
    for (const series of chart.series) head.append(make("span", series.name, "key" + (series.css === "input" ? " in" : "")));
    const picture = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, "aria-hidden": "true" });
    const [low, most] = bounds(chart.series.flatMap((series) => series.values));
    const y = (value) => TOP + ((most - value) / (most - low)) * (HIGH - TOP - BOTTOM);
    bands(picture, new Set(data.flagged));
    for (const share of [0.1, 0.5, 0.9]) {
      const value = low + (most - low) * share;
      svg("line", { class: "grid", x1: LEFT, x2: WIDE, y1: y(value), y2: y(value) }, picture);
      svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, picture).textContent = short(value);
    }
    for (const series of chart.series) lineOf(picture, series, y);
    for (const photo of data.photos) {
      const index = points.frame.indexOf(photo);
      if (index >= 0) svg("path", { class: "photo", d: `M${x(index)} ${TOP + 6}l-5 -8h10z` }, picture);
    }
    markers.push(svg("line", { class: "now", y1: 0, y2: HIGH - BOTTOM }, picture));
    box.append(head, picture);
    box.tabIndex = 0;
    box.setAttribute("role", "slider");
    box.setAttribute("aria-label", `${chart.title}, ${chart.about}. Arrow keys move from frame to frame, Enter shows the frame.`);
    box.setAttribute("aria-valuemin", "0");
    box.setAttribute("aria-valuemax", String(count - 1));
    const indexAt = (event) => {
      const along = event.clientX - picture.getBoundingClientRect().left;
      return Math.min(count - 1, Math.max(0, Math.floor(((along - LEFT) / (WIDE - LEFT)) * count)));
    };
    box.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse") hover(indexAt(event)); });
    picture.addEventListener("click", (event) => pick(indexAt(event)));
    box.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? 10 : 1;
      if (event.key === "ArrowRight" || event.key === "ArrowUp") hover(Math.min(count - 1, current + step));
      else if (event.key === "ArrowLeft" || event.key === "ArrowDown") hover(Math.max(0, current - step));
      else if (event.key === "Home") hover(0);
      else if (event.key === "End") hover(count - 1);
      else if (event.key === "Enter" || event.key === " ") pick(current);
      else return;
      event.preventDefault();
    });
    root.append(box);
  };
  const readout = root.parentElement.querySelector(".readout");
  const tell = (index) => {
    const parts = [`Frame ${points.frame[index].toLocaleString("en")}`, points.time[index], `shot ${points.shot[index]}`];
    for (const chart of data.charts) {
      const values = chart.series.filter((series) => series.values[index] !== null);
      if (values.length) parts.push(`${chart.title.toLowerCase()} ${values.map((s) => `${short(s.values[index])}${chart.unit}${values.length > 1 ? ` (${s.name})` : ""}`).join(", ")}`);
    }
    if (points.seam[index]) parts.push("at a seam");
    return parts.join(" · ");
  };
  const hover = (index) => {
    current = index;
    const text = tell(index);
    readout.textContent = text;
    for (const marker of markers) { marker.setAttribute("x1", x(index)); marker.setAttribute("x2", x(index)); }
    for (const box of root.children) {
      box.setAttribute("aria-valuenow", String(index));
      box.setAttribute("aria-valuetext", text);
    }
  };
  const drawAll = () => {
    const focused = [...root.children].indexOf(document.activeElement);
    WIDE = Math.max(240, root.clientWidth);
    markers = [];
    root.replaceChildren();
    data.charts.forEach(draw);
    hover(current);
    if (focused >= 0) root.children[focused].focus({ preventScroll: true });
  };
  new ResizeObserver(() => { if (Math.abs(root.clientWidth - WIDE) > 1) drawAll(); }).observe(root);
  drawAll();
  return {
    point(frame) {
      let best = 0;
      points.frame.forEach((other, index) => { if (Math.abs(other - frame) < Math.abs(points.frame[best] - frame)) best = index; });
      hover(best);
    },
  };
}
