"""The tables and pictures of measured figures are those of docs/benchmarks.json."""

import re
import shutil

import pytest

from scripts.figures import DOCS, Figure, digest, load, make, placed, record


def test_the_page_shows_what_is_kept():
    page = (DOCS / "benchmarks.md").read_text()
    for section, figures in load().items():
        assert placed(page, section, figures) == page, "run `python -m scripts.figures`"
        assert digest(figures) in (DOCS / f"benchmarks-{section}.svg").read_text(), "run `python -m scripts.figures`"
    assert sorted(re.findall(r"<!-- (\w+): made by", page)) == sorted(load()), "no table on the page is empty"


def test_another_figure_makes_another_page_and_picture(tmp_path):
    for name in ("benchmarks.md", "benchmarks.json"):
        shutil.copy(DOCS / name, tmp_path)
    before = (tmp_path / "benchmarks.md").read_text()
    figures = [Figure("something done", 10.0, "/s", goal=20), Figure("something else", 30.0, "/s", 20, 5, 7, 2.5)]
    record("replay", figures, tmp_path)
    text, picture = (tmp_path / "benchmarks.md").read_text(), (tmp_path / "benchmarks-replay.svg").read_text()
    assert load(tmp_path)["replay"] == figures
    assert "| something done | 10 /s | **missed**: 20 |" in text
    assert "| something else | 30 /s | 20 | 5 | 7 MiB | 2.5 |" in text
    assert text.replace(text[text.index("<!-- replay") :], "") == before.replace(
        before[before.index("<!-- replay") :], ""
    )
    assert digest(figures) in picture
    make(tmp_path)
    assert (tmp_path / "benchmarks-replay.svg").read_text() == picture, "the same bytes for the same figures"


def test_what_should_be_little_misses_its_goal_when_it_is_much():
    assert Figure("a wait", 51.0, "ms", 50, most=True).cells()[1:3] == ("51 ms", "**missed**: ≤ 50")
    assert Figure("a wait", 4.91, "ms", 50, most=True).cells()[1:3] == ("4.91 ms", "≤ 50")


def test_a_section_without_a_place_is_refused():
    with pytest.raises(SystemExit, match="no place"):
        placed("no markers", "replay", [])
