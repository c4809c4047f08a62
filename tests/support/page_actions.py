"""What a person does with a page, and what a script in the page finds out about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SLIDE = """
const done = arguments[0], stage = document.querySelector('.compare'), box = stage.getBoundingClientRect();
const line = stage.querySelector('.line'), inner = stage.querySelector('.over');
let count = 0, began = 0, moved = new Set();
const step = (now) => {
  if (count === 10) { began = now; moved = new Set(); }
  if (count > 10) moved.add(inner.style.transform);
  if (count === 100) { done({rate: 90000 / (now - began), places: moved.size}); return; }
  const x = box.left + box.width * (0.5 + 0.45 * Math.sin(count / 7)), y = box.top + 50;
  stage.dispatchEvent(new PointerEvent('pointermove', {clientX: x, clientY: y, pointerId: 1, pointerType: 'mouse'}));
  count += 1;
  requestAnimationFrame(step);
};
requestAnimationFrame(step);
"""
"""Moves the divider for 90 frames; tells the frames a second and the places it has been at."""

LOW_CONTRAST = """
const parts = (text) => text.match(/[\\d.]+/g).map(Number);
const linear = (v) => v <= 10.3 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const behind = (node) => {
  for (; node; node = node.parentElement) {
    const colour = parts(getComputedStyle(node).backgroundColor);
    if (colour.length === 3 || colour[3] > 0.5) return colour;
  }
  return [255, 255, 255];
};
const found = [];
for (const node of document.querySelectorAll('main *, header *, footer')) {
  if (!(node instanceof HTMLElement) || node.closest('.compare') || node.disabled) continue;
  const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
  if (!own || !node.offsetParent) continue;
  const [a, b] = [light(parts(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) found.push(node.outerHTML.slice(0, 80));
}
return found.slice(0, 5);
"""
"""The first texts whose contrast is below 4.5 (WCAG 2.1, AA)."""


def open_page(browser: Any, path: Path, fragment: str = "") -> None:
    browser.get("about:blank")
    browser.get(f"file://{path}{fragment}")


def loaded_in(browser: Any) -> float:
    """Seconds from the click to the end of loading, scripts run and rows drawn."""
    facts = "const t = performance.getEntriesByType('navigation')[0]; return t.loadEventEnd / 1000"
    return float(browser.execute_script(facts))


def rows(browser: Any) -> list[list[str]]:
    """The cells of the table as they are shown."""
    script = "return [...document.querySelectorAll('#rows tr')].map(r => [...r.children].map(c => c.innerText))"
    found: list[list[str]] = browser.execute_script(script)
    return found


def text(browser: Any, selector: str) -> str:
    return str(browser.find_element("css selector", selector).text)


def press(browser: Any, *keys: str) -> None:
    from selenium.webdriver import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


def wait_for_picture(browser: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    ready = "const i = document.querySelector('.compare .after'); return i && i.complete && i.naturalWidth > 0"
    WebDriverWait(browser, 10).until(lambda page: page.execute_script(ready))


def settle(browser: Any) -> None:
    """Wait until what was asked for is drawn."""
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
