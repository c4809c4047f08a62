"use strict";
/* A frame of the input over the same frame restored, with a divider between them.
   The divider follows mouse, touch and arrow keys; the view zooms to single pixels and can be moved. All changes are
   transforms, drawn once per animation frame, so that nothing is painted anew while the divider moves. */
function makeCompare(stage, width, height) {
  const MOST = 24, NEAR = 26;
  const before = stage.querySelector(".before"), after = stage.querySelector(".after");
  const over = stage.querySelector(".over"), inner = stage.querySelector(".inner"), line = stage.querySelector(".line");
  const sides = { left: stage.querySelector(".side.left"), right: stage.querySelector(".side.right") };
  const view = { split: 0.5, scale: 1, x: 0, y: 0, fit: 1 };
  const pointers = new Map();
  let wide = 1, high = 1, drag = null, pinned = false, asked = false, alone = false, told = () => {};
  for (const image of [before, after]) {
    image.style.width = width + "px";
    image.style.height = height + "px";
  }

  const clamp = (value, low, most) => Math.min(Math.max(value, low), most);
  const draw = () => {
    asked = false;
    const at = (alone ? 0 : view.split) * wide;
    const placed = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
    after.style.transform = before.style.transform = placed;
    over.style.transform = `translateX(${at - wide}px)`;
    inner.style.transform = `translateX(${wide - at}px)`;
    line.style.transform = `translateX(${at}px)`;
    sides.left.style.opacity = at < 70 ? 0 : 1;
    sides.right.style.opacity = wide - at < 90 ? 0 : 1;
    const percent = Math.round(view.split * 100);
    stage.setAttribute("aria-valuenow", String(percent));
    stage.setAttribute("aria-valuetext", `${percent} percent input, ${100 - percent} percent restored`);
    stage.classList.toggle("panning", zoomed());
    told(view);
  };
  const ask = () => {
    if (!asked) { asked = true; requestAnimationFrame(draw); }
  };
  const zoomed = () => view.scale > view.fit * 1.01;
  const keep = () => {
    const [w, h] = [width * view.scale, height * view.scale];
    view.x = w <= wide ? (wide - w) / 2 : clamp(view.x, wide - w, 0);
    view.y = h <= high ? (high - h) / 2 : clamp(view.y, high - h, 0);
  };
  const measure = () => {
    const whole = !zoomed();
    wide = stage.clientWidth || 1;
    high = Math.max(120, Math.min((wide * height) / width, window.innerHeight * 0.78));
    stage.style.height = high + "px";
    view.fit = Math.min(wide / width, high / height);
    if (whole || view.scale < view.fit) view.scale = view.fit;
    keep();
    ask();
  };
  const zoom = (scale, x = wide / 2, y = high / 2) => {
    const next = clamp(scale, view.fit, MOST);
    view.x = x - ((x - view.x) * next) / view.scale;
    view.y = y - ((y - view.y) * next) / view.scale;
    view.scale = next;
    stage.classList.toggle("pixels", next * window.devicePixelRatio >= 3);
    keep();
    ask();
  };
  const split = (value) => {
    view.split = clamp(value, 0, 1);
    ask();
  };
  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const [x, y] = place(event);
    try { stage.setPointerCapture(event.pointerId); } catch { /* a pointer that is gone already */ }
    pointers.set(event.pointerId, [x, y]);
    stage.focus({ preventScroll: true });
    const near = Math.abs(x - view.split * wide) < NEAR;
    drag = { pan: zoomed() && !near, x, y, moved: false, distance: spread() };
    if (!drag.pan && event.pointerType !== "mouse") split(x / wide);
    event.preventDefault();
  });
  const spread = () => {
    const [one, two] = [...pointers.values()];
    return two ? Math.hypot(one[0] - two[0], one[1] - two[1]) : 0;
  };
  stage.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    if (pointers.has(event.pointerId)) pointers.set(event.pointerId, [x, y]);
    if (pointers.size > 1) {
      const now = spread(), [one, two] = [...pointers.values()];
      if (drag && drag.distance) zoom((view.scale * now) / drag.distance, (one[0] + two[0]) / 2, (one[1] + two[1]) / 2);
      if (drag) drag = { ...drag, distance: now, moved: true };
      return;
    }
    if (drag) {
      drag.moved = drag.moved || Math.hypot(x - drag.x, y - drag.y) > 3;
      if (drag.pan) {
        view.x += x - drag.x;
        view.y += y - drag.y;
        drag.x = x;
        drag.y = y;
        keep();
        ask();
      } else split(x / wide);
    } else if (event.pointerType === "mouse" && !pinned && !zoomed()) split(x / wide);
  });
  const release = (event) => {
    pointers.delete(event.pointerId);
    if (pointers.size) return;
    if (drag && !drag.moved && event.pointerType === "mouse" && !zoomed() && event.type === "pointerup") {
      pinned = !pinned;
      split(place(event)[0] / wide);
    }
    drag = null;
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("dblclick", (event) => zoom(zoomed() ? view.fit : Math.max(4 / window.devicePixelRatio, view.fit * 2), ...place(event)));
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(view.scale * Math.exp(-event.deltaY / 200), ...place(event));
  }, { passive: false });
  stage.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 0.1 : 0.02;
    const pan = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }[event.key];
    if (event.altKey && pan) { view.x += pan[0]; view.y += pan[1]; keep(); ask(); }
    else if (event.key === "ArrowLeft" || event.key === "ArrowDown") split(view.split - step);
    else if (event.key === "ArrowRight" || event.key === "ArrowUp") split(view.split + step);
    else if (event.key === "PageDown") split(view.split - 0.1);
    else if (event.key === "PageUp") split(view.split + 0.1);
    else if (event.key === "Home") split(0);
    else if (event.key === "End") split(1);
    else if (event.key === "+" || event.key === "=") zoom(view.scale * 1.5);
    else if (event.key === "-") zoom(view.scale / 1.5);
    else if (event.key === "0") zoom(view.fit);
    else if (event.key === "1") zoom(1 / window.devicePixelRatio);
    else return;
    event.preventDefault();
  });
  new ResizeObserver(measure).observe(stage);
  measure();

  return {
    zoom, view,
    listen(listener) { told = listener; ask(); },
    fit() { zoom(view.fit); },
    pixels(times) { zoom(times / window.devicePixelRatio); },
    times(factor) { zoom(view.scale * factor); },
    async show(picture, alt) {
      alone = !picture.before;
      line.hidden = over.hidden = sides.left.hidden = alone;
      if (!alone) before.src = picture.before;
      after.src = picture.after;
      after.alt = alt.after;
      before.alt = alone ? "" : alt.before;
      await Promise.all([after, ...(alone ? [] : [before])].map((image) => image.decode().catch(() => {})));
      ask();
    },
  };
}
