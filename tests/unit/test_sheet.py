"""The recovery sheet says what it should, in letters that can be read, and inside its page."""

import re
import unicodedata
from datetime import date
from pathlib import Path

import matplotlib
import pytest
import segno

from ledger.errors import UnknownCode
from wallet import sheet as module
from wallet.keys import _MNEMONIC, entropy_to_words
from wallet.sheet import LANGUAGES, sheet

WEB = Path(__file__).parents[2] / "wallet/web/src/languages"
WORDS = entropy_to_words(bytes(range(32)))
DAY = date(2026, 11, 26)
LINE = re.compile(rb"BT /(Plain|Bold) (\d+) Tf ([\d.]+) ([\d.]+) Td \((.*?)\) Tj ET", re.DOTALL)
BOX = re.compile(rb"^([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re f$", re.MULTILINE)
EVERY = pytest.mark.parametrize("language", LANGUAGES)


def lines(pdf):
    """(font, size, x, y, text) of each line."""
    return [
        (font.decode(), int(size), float(x), float(y), re.sub(rb"\\(.)", rb"\1", text).decode("cp1252"))
        for font, size, x, y, text in LINE.findall(pdf)
    ]


MARKS = {"\u0308": "dieresis", "\u0301": "acute", "\u0303": "tilde"}
OTHERS = {
    "“": "quotedblleft", "”": "quotedblright", "„": "quotedblbase", "«": "guillemotleft", "»": "guillemotright",
    "ß": "germandbls",
}  # fmt: skip


def metrics(name):
    """The true widths of a font, which we did not write: by code in ASCII, by name for the rest."""
    found = {}
    for line in (Path(matplotlib.get_data_path()) / "fonts/pdfcorefonts" / name).read_text("latin-1").splitlines():
        if match := re.match(r"C (-?\d+) ; WX (\d+) ; N (\w+) ;", line):
            code, width, letter = match.groups()
            found[letter] = found[chr(max(int(code), 0))] = int(width)
    return found


FONTS = {"Plain": metrics("Helvetica.afm"), "Bold": metrics("Helvetica-Bold.afm")}


def extent(text, font, size):
    def name(letter):
        plain, *marks = unicodedata.normalize("NFD", letter)
        return OTHERS.get(letter) or plain + "".join(MARKS[mark] for mark in marks)

    return sum(FONTS[font][name(letter)] for letter in text) * size / 1000


@EVERY
def test_it_has_the_words_in_order_the_date_and_what_to_do(language):
    written = lines(sheet(WORDS, language, DAY))
    texts = LANGUAGES[language]
    assert written[0][4] == texts.title
    words = [text for font, size, *_, text in written if (font, size) == ("Bold", module.WORD)]
    assert words == WORDS.split()
    everything = " ".join(text for *_, text in written)
    assert "2026-11-26" in everything
    numbers = [int(text) for *_, text in written if text.strip().isdecimal()]
    assert numbers == list(range(1, 25))
    assert all(f"{number}." in everything for number in range(1, len(texts.steps) + 1))
    for paragraph in (*texts.about, texts.square, texts.back):
        assert paragraph in everything


@EVERY
def test_the_buttons_it_names_are_those_of_the_page(language):
    page = dict(re.findall(r'^  "([\w.]+)": "(.*)",$', (WEB / f"{language}.ts").read_text(), re.MULTILINE))
    texts = LANGUAGES[language]
    everything = " ".join(text for *_, text in lines(sheet(WORDS, language, DAY)))
    named = {name for step in texts.steps for name in re.findall(r"{(.+?)}", step)}
    assert named == texts.buttons.keys() == LANGUAGES["en"].buttons.keys()
    for name, said in texts.buttons.items():
        assert said == page[name]
        assert said in everything
    assert "{" not in everything


@EVERY
def test_it_can_be_read_and_nothing_leaves_the_page(language):
    pdf = sheet(WORDS, language, DAY)
    for font, size, x, y, text in lines(pdf):
        assert size >= 12, text
        assert x >= 56
        assert y >= 28
        assert x + extent(text, font, size) <= 595 - 56, text
    for x, y, width, height in BOX.findall(pdf):
        assert float(x) >= 56
        assert float(x) + float(width) <= 595 - 56 + 0.1
        assert float(y) + float(height) <= 842 - 56


def test_every_word_there_is_fits_its_column():
    widest = max(_MNEMONIC.wordlist, key=lambda word: extent(word, "Bold", module.WORD))
    pdf = sheet(" ".join([widest] * 24), "en", DAY)
    squares = min(float(x) for x, _, width, height in BOX.findall(pdf) if float(height) > 1)
    columns = sorted({x for font, size, x, _, text in lines(pdf) if text == widest and size == module.WORD})
    wide = extent(widest, "Bold", module.WORD)
    for start, end in zip(columns, [*(column - 20 for column in columns[1:]), squares - 4 * 3], strict=True):
        assert start + wide <= end, widest


def test_the_square_holds_the_words_as_text():
    squares = [tuple(map(float, box)) for box in BOX.findall(sheet(WORDS, "en", DAY))]
    squares = [box for box in squares if box[3] > 1]  # the others are lines to write on
    size, left = squares[0][2], min(box[0] for box in squares)
    top = max(box[1] for box in squares)
    drawn = {(round((top - y) / size), round((x - left) / size)) for x, y, *_ in squares}
    wanted = segno.make(WORDS, error="m", micro=False).matrix
    assert drawn == {(y, x) for y, row in enumerate(wanted) for x, dark in enumerate(row) if dark}


def test_it_is_a_whole_pdf_that_names_nobody_and_no_program():
    pdf = sheet(WORDS, "de", DAY)
    start = int(re.search(rb"startxref\n(\d+)\n%%EOF\n$", pdf)[1])
    assert pdf[start:].startswith(b"xref\n0 8\n")
    for number, place in enumerate(re.findall(rb"^(\d{10}) 00000 n $", pdf, re.MULTILINE), 1):
        assert pdf[int(place) :].startswith(b"%d 0 obj\n" % number)
    length, stream = re.search(rb"/Length (\d+) >>\nstream\n(.*)\nendstream", pdf, re.DOTALL).groups()
    assert int(length) == len(stream)
    assert not re.search(rb"/(Author|Creator|Producer|CreationDate|ModDate|ID)", pdf)
    assert b"/Lang (de)" in pdf


def test_there_is_no_sheet_in_other_languages():
    for language in ("ar", "EN", ""):
        with pytest.raises(UnknownCode, match="en, de, es"):
            sheet(WORDS, language, DAY)


def test_text_that_would_leave_the_page_is_never_printed():
    page = module._Page()
    with pytest.raises(AssertionError):
        page.write("word " * 1000, 13)
