"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const stage = document.querySelector(".compare");
  const where = document.getElementById("where");
  let charts = null, compare = null, current = 0;
  const told = (picture) => `Frame ${picture.frame.toLocaleString("en")} · ${picture.time} · shot ${picture.shot} · ${picture.why.join(", ")}`;

  const show = async (index, asked) => {
    current = index;
    const picture = data.pictures[index];
    document.querySelectorAll(".strip button").forEach((button, number) => {
      button.setAttribute("aria-pressed", String(number === index));
      if (number === index) {
        const strip = button.parentElement;
        if (button.offsetLeft < strip.scrollLeft || button.offsetLeft + button.offsetWidth > strip.scrollLeft + strip.clientWidth) {
          strip.scrollLeft = button.offsetLeft - 20;
        }
      }
    });
    where.textContent = told(picture) + (asked !== undefined && asked !== picture.frame ? ` (nearest picture to frame ${asked.toLocaleString("en")})` : "");
    markProfile(picture.frame);
    if (charts) charts.point(asked ?? picture.frame);
    const name = `Frame ${picture.frame} at ${picture.time}`;
    await compare.show(picture, { before: `${name}, input`, after: `${name}, restored` });
  };
  const nearest = (frame, shot) => {
    let best = 0;
    const far = (picture) => Math.abs(picture.frame - frame) + (shot === undefined || picture.shot === shot ? 0 : 1e9);
    data.pictures.forEach((picture, index) => { if (far(picture) < far(data.pictures[best])) best = index; });
    return best;
  };
  const go = (frame, shot) => {
    if (!data.pictures.length) {
      if (charts) charts.point(frame);
      return;
    }
    show(nearest(frame, shot), frame);
    document.getElementById("look").scrollIntoView({ block: "start" });
  };
  const markProfile = (frame) => {
    if (!data.profile) return;
    const y = String(frame - data.profile.first + 0.5);
    document.querySelectorAll(".profile .now").forEach((line) => { line.setAttribute("y1", y); line.setAttribute("y2", y); });
  };

  if (stage && data.pictures.length) {
    compare = makeCompare(stage, data.width, data.height);
    const scale = document.getElementById("scale");
    compare.listen((view) => { scale.textContent = Math.round(view.scale * window.devicePixelRatio * 100) + " %"; });
    document.getElementById("fit").addEventListener("click", () => compare.fit());
    document.getElementById("one").addEventListener("click", () => compare.pixels(1));
    document.getElementById("four").addEventListener("click", () => compare.pixels(4));
    document.getElementById("closer").addEventListener("click", () => compare.times(1.5));
    document.getElementById("wider").addEventListener("click", () => compare.times(1 / 1.5));
    document.querySelectorAll(".strip button").forEach((button, index) => {
      button.querySelector("img").src = data.pictures[index].small;
      button.addEventListener("click", () => show(index));
    });
    document.querySelector(".strip").addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = Math.min(data.pictures.length - 1, Math.max(0, current + step));
      show(next);
      document.querySelectorAll(".strip button")[next].focus();
      event.preventDefault();
    });
  }
  if (data.charts.length) {
    charts = makeCharts(document.querySelector(".charts"), data, (index) => go(data.points.frame[index], data.points.shot[index]));
  }
  if (data.profile) {
    document.querySelectorAll(".profile .strata").forEach((strata) => {
      strata.querySelector("img").src = data.profile[strata.dataset.of];
      strata.addEventListener("click", (event) => {
        const box = strata.getBoundingClientRect();
        const share = Math.min(0.9999, Math.max(0, (event.clientY - box.top) / box.height));
        go(data.profile.first + Math.floor(share * (data.profile.stop - data.profile.first)));
      });
    });
    const marks = document.getElementById("marks");
    marks.addEventListener("click", () => {
      const on = marks.getAttribute("aria-pressed") !== "true";
      marks.setAttribute("aria-pressed", String(on));
      document.querySelectorAll(".profile").forEach((profile) => profile.classList.toggle("bare", !on));
    });
  }
  document.querySelectorAll("[data-frame]").forEach((link) => link.addEventListener("click", (event) => {
    event.preventDefault();
    go(Number(link.dataset.frame), Number(link.dataset.shot));
  }));
  if (compare) {
    const asked = /frame=(\d+)/.exec(location.hash);
    show(asked ? nearest(Number(asked[1])) : data.first, asked ? Number(asked[1]) : undefined);
  }
})();
