"""The pages in a real browser: they sort, filter, slide, zoom and lead to frames; quickly, and without any network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from headless import keep_screenshot, open_browser, resize
from made_up_runs import ORIGIN, big_index, big_video
from page_actions import LOW_CONTRAST, SLIDE, loaded_in, open_page, press, rows, settle, text, wait_for_picture

pytestmark = pytest.mark.slow

RATE = 30
"""Frames a second that the divider must reach."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    for count in (1000, 10_000):
        (folder / f"{count}.html").write_bytes(big_index(count))
    for count in (0, 1):
        (folder / f"{count}.html").write_bytes(big_index(count, ORIGIN))
    (folder / "video.html").write_bytes(big_video())
    return folder


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with open_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(chromium: Any) -> Iterator[Any]:
    """The browser; afterwards no page may have complained, or asked for anything but itself."""
    resize(chromium, 1280, 900)
    chromium.get_log("performance")
    yield chromium
    assert [entry["message"] for entry in chromium.get_log("browser")] == []
    messages = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    asked = {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
    assert sum(url.startswith("file:") for url in asked) == len([url for url in asked if url.endswith(".html")])


def test_a_thousand_videos_load_in_a_second(browser: Any, pages: Path, record_property: Any) -> None:
    open_page(browser, pages / "1000.html")
    seconds = min(loaded_in(browser) for _ in range(3) if open_page(browser, pages / "1000.html") is None)
    record_property("seconds", seconds)
    print(f"1000 videos: {seconds:.3f} s")
    assert len(rows(browser)) == 100 and rows(browser)[0][0] == "Failed"
    assert seconds < 1
    keep_screenshot(browser, "index-wide-light")
    resize(browser, 390, 800, dark=True)
    keep_screenshot(browser, "index-narrow-dark")


def test_ten_thousand_videos_sort_filter_and_page(browser: Any, pages: Path) -> None:
    open_page(browser, pages / "10000.html")
    seconds = loaded_in(browser)
    print(f"10000 videos: {seconds:.3f} s")
    assert seconds < 3
    names = [row[1].splitlines()[0] for row in rows(browser)]
    assert names[0] == "reel 00003" and names == sorted(names) and len(names) == 100
    browser.find_element("css selector", "thead button[data-key=consistency]").click()
    assert rows(browser)[0][7] == "30.0" and "consistency" in browser.current_url
    browser.find_element("css selector", "thead button[data-key=consistency]").click()
    assert rows(browser)[0][7] == "49.0"
    head = browser.find_element("css selector", "th[aria-sort]")
    assert head.get_attribute("aria-sort") == "descending"
    browser.find_element("css selector", "button[data-state=left]").click()
    assert {row[0] for row in rows(browser)} == {"Left"}
    browser.find_element("css selector", "button[data-state='']").click()
    browser.execute_script("document.activeElement.blur()")
    press(browser, "/")
    press(browser, *"reel 0777")
    browser.execute_async_script("setTimeout(arguments[0], 300)")
    wanted = {"reel 00777", *(f"reel 0777{digit}" for digit in range(10))}
    assert {row[1].splitlines()[0] for row in rows(browser)} == wanted
    assert text(browser, "#count") == "11 videos"
    address = browser.current_url
    open_page(browser, Path(address.removeprefix("file://").partition("#")[0]), "#" + address.partition("#")[2])
    assert len(rows(browser)) == 11, "the address remembers what was looked for"
    open_page(browser, pages / "10000.html", "#page=100")
    assert text(browser, "#page") == "page 100 of 100" and len(rows(browser)) == 100
    browser.find_element("css selector", "[data-find]").click()
    assert {row[0] for row in rows(browser)} == {"Failed"}


def test_the_divider_moves_smoothly(browser: Any, pages: Path) -> None:
    open_page(browser, pages / "video.html")
    wait_for_picture(browser)
    runs = [browser.execute_async_script(SLIDE) for _ in range(2)]
    best = max(runs, key=lambda run: run["rate"])
    print(f"divider: {best['rate']:.1f} frames a second, {best['places']} places in 90 frames")
    assert best["places"] > 60, "the divider did not follow"
    assert best["rate"] >= RATE


def divider(browser: Any) -> int:
    return int(browser.find_element("css selector", ".compare").get_attribute("aria-valuenow"))


def test_mouse_touch_and_keys_move_the_divider(browser: Any, pages: Path) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    open_page(browser, pages / "video.html")
    wait_for_picture(browser)
    stage = browser.find_element("css selector", ".compare")
    browser.execute_script("arguments[0].scrollIntoView()", stage)
    wide = stage.size["width"]
    ActionChains(browser).move_to_element_with_offset(stage, wide // 4, 0).perform()
    settle(browser)
    assert abs(divider(browser) - 75) <= 1
    ActionChains(browser).move_to_element_with_offset(stage, -wide // 4, 0).click().perform()
    ActionChains(browser).move_to_element_with_offset(stage, 0, 0).perform()
    settle(browser)
    assert abs(divider(browser) - 25) <= 1, "a click holds the divider"
    for keys, place in ((Keys.HOME, 0), (Keys.ARROW_RIGHT, 2), (Keys.PAGE_UP, 12), (Keys.END, 100)):
        press(browser, keys)
        settle(browser)
        assert divider(browser) == place
    assert stage.get_attribute("aria-valuetext") == "100 percent input, 0 percent restored"
    box = stage.rect
    top = box["y"] - browser.execute_script("return window.scrollY") + 60
    for kind, x in (("touchStart", 0.9), ("touchMove", 0.6), ("touchMove", 0.3)):
        point = [{"x": box["x"] + box["width"] * x, "y": top}]
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": point})
        settle(browser)
    assert abs(divider(browser) - 30) <= 1
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_zoom_goes_to_pixels_and_stays_in_the_picture(browser: Any, pages: Path) -> None:
    from selenium.webdriver import ActionChains

    open_page(browser, pages / "video.html")
    wait_for_picture(browser)
    stage = browser.find_element("css selector", ".compare")
    browser.find_element("id", "four").click()
    settle(browser)
    assert text(browser, "#scale") == "400 %" and "pixels" in stage.get_attribute("class")
    shown = browser.execute_script("return document.querySelector('.after').getBoundingClientRect().width")
    assert shown == pytest.approx(4 * 1440)
    browser.execute_script("arguments[0].scrollIntoView()", stage)
    before = browser.execute_script("return document.querySelector('.after').getBoundingClientRect().left")
    ActionChains(browser).move_to_element_with_offset(stage, 200, 0).click_and_hold().move_by_offset(
        -80, 10
    ).release().perform()
    settle(browser)
    after = browser.execute_script("return document.querySelector('.after').getBoundingClientRect().left")
    assert after - before == pytest.approx(-80, abs=2)
    one = "const b = document.querySelector('.before').getBoundingClientRect(); return b.left"
    assert browser.execute_script(one) == pytest.approx(after), "both pictures move together"
    keep_screenshot(browser, "video-pixels")
    browser.find_element("id", "fit").click()
    settle(browser)
    inside = (
        "const s = arguments[0].getBoundingClientRect(), i = document.querySelector('.after').getBoundingClientRect();"
    )
    assert browser.execute_script(inside + "return i.left >= s.left - 1 && i.right <= s.right + 1", stage)


def test_charts_profile_and_flags_lead_to_frames(browser: Any, pages: Path) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    open_page(browser, pages / "video.html")
    wait_for_picture(browser)
    assert text(browser, "#where").startswith("Frame 30 ") and "furthest from its input" in text(browser, "#where")
    charts = browser.find_elements("css selector", ".chart")
    assert len(charts) == 3
    seams = browser.find_elements("css selector", ".chart:first-child line.seam")
    assert len(seams) == 1 and browser.find_elements("css selector", ".profile line.seam")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", charts[0])
    charts[0].send_keys(Keys.HOME)
    assert text(browser, ".readout").startswith("Frame 0 ")
    for _ in range(9):
        press(browser, Keys.ARROW_RIGHT)
    assert charts[0].get_attribute("aria-valuetext").startswith("Frame 9 ")
    press(browser, Keys.ENTER)
    wait_for_picture(browser)
    assert text(browser, "#where").startswith("Frame 9 ") and "seam" in text(browser, "#where")
    picture = charts[1].find_element("css selector", "svg")
    ActionChains(browser).move_to_element_with_offset(picture, picture.size["width"] // 2 - 4, 0).click().perform()
    assert "nearest picture to frame 39" in text(browser, "#where")
    strata = browser.find_element("css selector", ".profile .strata")
    ActionChains(browser).move_to_element_with_offset(strata, 0, -strata.size["height"] // 2 + 2).click().perform()
    assert text(browser, "#where").startswith("Frame 4 ")
    flags = browser.find_elements("css selector", "#flags ~ ul a")
    assert len(flags) == 3
    flags[1].click()
    assert "shot 1" in text(browser, "#where")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False)])
def test_pages_fit_every_width_in_light_and_dark(browser: Any, pages: Path, width: int, dark: bool) -> None:
    for name in ("video", "1000", "1", "0"):
        resize(browser, width, 900, dark)
        open_page(browser, pages / f"{name}.html")
        settle(browser)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        head = "return document.querySelector('header.top').offsetHeight"
        assert browser.execute_script(head) < 80, "a long path is one line of the head"
        assert browser.execute_script(LOW_CONTRAST) == []
        keep_screenshot(browser, f"{f'index-{name}' if name.isdigit() else name}-{width}-{'dark' if dark else 'light'}")


def test_the_figures_are_those_of_the_frame_that_is_shown(browser: Any, pages: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    open_page(browser, pages / "video.html")
    wait_for_picture(browser)
    assert text(browser, "#where").startswith("Frame 30 ") and text(browser, ".readout").startswith("Frame 30 ")
    browser.find_elements("css selector", ".strip button")[2].send_keys(Keys.ARROW_LEFT)
    assert text(browser, "#where").startswith("Frame 9 ") and text(browser, ".readout").startswith("Frame 9 ")
    open_page(browser, pages / "video.html", "#frame=12")
    wait_for_picture(browser)
    assert text(browser, "#where").startswith("Frame 9 ") and text(browser, ".readout").startswith("Frame 12 ")


def test_a_run_without_videos_says_so(browser: Any, pages: Path) -> None:
    open_page(browser, pages / "0.html")
    assert rows(browser) == [["No video is known of yet."]]
    open_page(browser, pages / "1.html", "#find=nothing")
    assert rows(browser) == [["No video is like that."]]


def test_the_theme_can_be_chosen(browser: Any, pages: Path) -> None:
    open_page(browser, pages / "1000.html")
    colour = "return getComputedStyle(document.body).backgroundColor"
    light = browser.execute_script(colour)
    theme = browser.find_element("id", "theme")
    theme.click()
    assert theme.text == "Theme: light" and browser.execute_script(colour) == light
    theme.click()
    assert theme.text == "Theme: dark" and browser.execute_script(colour) != light
    theme.click()
    assert theme.text == "Theme: system"
