from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_runs import big_index, big_video

from report.provenance import recorded_shots
from report.rendering import embedded_json
from report.wording import duration, figure, plural, size, timecode

NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(1)>&\u2028'\""
FETCHING = re.compile(r"""(?:src|href|action|poster)\s*=\s*["']?(?!data:|#|\.\./index\.html|index\.html)([^"'\s>]+)""")


class Checker(HTMLParser):
    """Collects what a page would fetch, and elements without what people need who do not see it."""

    def __init__(self) -> None:
        super().__init__()
        self.lacking: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        if tag == "img" and "alt" not in facts:
            self.lacking.append("img without alt")
        if tag in ("svg",) and not ("aria-hidden" in facts or "aria-label" in facts):
            self.lacking.append("svg without a name")
        if tag == "input" and "aria-label" not in facts:
            self.lacking.append("input without a label")
        if tag == "th" and "scope" not in facts:
            self.lacking.append("th without scope")
        if facts.get("style"):
            self.lacking.append(f"{tag} with a style of its own, which the page's policy forbids")
        if facts.get("id"):
            self.ids.append(str(facts["id"]))


@pytest.mark.parametrize("page", [big_index(30), big_video(160, 120)], ids=["index", "video"])
def test_a_page_stands_alone_and_names_everything(page: bytes) -> None:
    text = page.decode()
    body = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", text, flags=re.S)
    assert not FETCHING.findall(body)
    assert "http://" not in body and "https://" not in body
    assert "@import" not in text and "url(" not in text
    assert "default-src 'none'" in text and "unsafe" not in text
    checker = Checker()
    checker.feed(body)
    assert checker.lacking == []
    assert len(checker.ids) == len(set(checker.ids))
    assert '<html lang="en">' in text and text.count("<h1>") == 1 and "<main" in text


def test_figures_of_a_provenance_file_are_shown() -> None:
    text = big_video(160, 120).decode()
    assert '<th scope="col" class="num">ciede2000</th>' in text and '<td class="num">1.25</td>' in text
    assert text.count("departs from its input in places (maps)") == 2, "in the list of flags, and in the shot's row"
    assert "more detail than its input can bear, up to 3.0 percent" in text
    assert "made small again, it differs from its input" not in text, "a map without any difference shows nothing"
    assert text.count('fill-opacity="1.0"') == 1 and text.count('fill-opacity="0.5"') == 1
    assert "first frame" not in text
    assert '<th scope="col" class="num">downscale dB</th>' in text


def test_the_page_of_a_run_that_failed_in_part_says_how_to_try_again() -> None:
    told = "<code>reelift retry &#39;/run one&#39;</code>"
    assert told in big_index(30, "/run one").decode()
    assert "reelift retry" not in big_index(3).decode()


@pytest.mark.parametrize("strange", [None, {}, {"shots": 3}, {"shots": [1, {"shot": "x"}, {"shot": 0, "a": [1]}]}])
def test_a_provenance_in_another_form_is_no_obstacle(strange: dict[str, Any] | None) -> None:
    assert recorded_shots(strange).names == ()


def test_hostile_names_stay_text() -> None:
    text = big_video(160, 120, source=NASTY, output=NASTY).decode()
    assert "<img src=x" not in text and "<script>alert" not in text
    assert text.count("</script>") == 1 + 4  # the data, and the four scripts of the page


@given(st.text())
def test_data_in_a_page_come_out_as_they_went_in(text: str) -> None:
    embedded = str(embedded_json({"text": text + NASTY}))
    assert not set(embedded) & set("<>&\u2028\u2029")
    assert json.loads(embedded)["text"] == text + NASTY


def test_numbers_that_json_lacks_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        embedded_json([float("nan")])


def test_wording() -> None:
    assert [duration(s) for s in (0.5, 12, 600, 7200, 700_000)] == ["0.5 s", "12 s", "10.0 min", "2.0 h", "8.1 days"]
    assert [timecode(ms) for ms in (0, 61_007, 3_723_004, -40)] == ["0:00.000", "1:01.007", "1:02:03.004", "-0:00.040"]
    assert [size(n) for n in (5, 12_345, 3_400_000_000)] == ["5 bytes", "12 kB", "3.4 GB"]
    assert figure(None) == "–" and figure(1.25, 1) == "1.2" and plural("flag", 1) == "flag"
