"""The recovery sheet: one printable page (PDF, A4) with a patient's 24 words and what they are, in plain language.

The page is written here, in the fonts that every viewer of PDF has (Helvetica), because it is one page of text and
squares. Those fonts have Western European letters only: there is no Arabic sheet. It names nobody; there are lines
to write on by hand.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

import segno

from ledger.errors import UnknownCode

_WIDTH, _HEIGHT, _MARGIN = 595, 842, 56
"""A4, and an edge that every printer leaves, in points."""
TEXT, HEADING, TITLE, WORD = 13, 15, 24, 14
_SQUARE = 168
_BUTTON = re.compile(r"{(.+?)}")


@dataclass(frozen=True)
class _Texts:
    """The sheet in one language. What is in braces is the name of a button of the page."""

    title: str
    made: str
    about: tuple[str, ...]
    square: str
    back: str
    steps: tuple[str, ...]
    by_hand: tuple[str, ...]
    buttons: dict[str, str]
    """Names of buttons, as in `wallet/web/src/languages`."""


_EN = _Texts(
    title="Your 24 words",
    made="Made on {date}",
    about=(
        "These 24 words are your key. With them you decide who may use your medical material, and you can stop it.",
        "Anyone who has this sheet can decide in your place. Keep it like a passport. Do not take a photo of it.",
        "Nobody else has the words. If they are lost, nobody can give them back to you.",
    ),
    square="The square holds the same words as text. Scan it only with your own device.",
    back="Bring the words to your device",
    steps=(
        "Open the page for your consents on a device that you trust.",
        "Press “{start.restore}”, then “{restore.words}”.",
        "Type the words in this order. Press “{restore.go}”.",
        "Choose a new passphrase. Then press “{restore.pending.go}”.",
        "If you were given a key file too: press “{restore.file}” instead. It needs the passphrase that you chose "
        "when this sheet was made.",
    ),
    by_hand=("Address of the page", "Your name, if you want"),
    buttons={
        "start.restore": "I have been here before",
        "restore.words": "I have my 24 words",
        "restore.file": "I have a key file",
        "restore.go": "Bring it back",
        "restore.pending.go": "Look for my cases",
    },
)
_DE = _Texts(
    title="Ihre 24 Wörter",
    made="Ausgestellt am {date}",
    about=(
        "Diese 24 Wörter sind Ihr Schlüssel. Mit ihnen entscheiden Sie, wer Ihr medizinisches Material verwenden "
        "darf, und Sie können es beenden.",
        "Wer dieses Blatt hat, kann an Ihrer Stelle entscheiden. Verwahren Sie es wie einen Ausweis. Machen Sie kein "
        "Foto davon.",
        "Niemand sonst hat die Wörter. Gehen sie verloren, kann niemand sie Ihnen zurückgeben.",
    ),
    square="Das Quadrat enthält dieselben Wörter als Text. Lesen Sie es nur mit Ihrem eigenen Gerät ein.",
    back="So kommen die Wörter auf Ihr Gerät",
    steps=(
        "Öffnen Sie die Seite für Ihre Einwilligungen auf einem Gerät, dem Sie vertrauen.",
        "Drücken Sie „{start.restore}“, dann „{restore.words}“.",
        "Tippen Sie die Wörter in dieser Reihenfolge. Drücken Sie „{restore.go}“.",
        "Wählen Sie ein neues Passwort. Drücken Sie dann „{restore.pending.go}“.",
        "Wenn Sie auch eine Schlüsseldatei bekommen haben: Drücken Sie stattdessen „{restore.file}“. Dazu gehört das "
        "Passwort, das Sie gewählt haben, als dieses Blatt gemacht wurde.",
    ),
    by_hand=("Adresse der Seite", "Ihr Name, wenn Sie möchten"),
    buttons={
        "start.restore": "Ich war schon einmal hier",
        "restore.words": "Ich habe meine 24 Wörter",
        "restore.file": "Ich habe eine Schlüsseldatei",
        "restore.go": "Zurückholen",
        "restore.pending.go": "Meine Fälle suchen",
    },
)
_ES = _Texts(
    title="Sus 24 palabras",
    made="Hecho el {date}",
    about=(
        "Estas 24 palabras son su llave. Con ellas usted decide quién puede usar su material médico, y puede "
        "detenerlo.",
        "Quien tenga esta hoja puede decidir en su lugar. Guárdela como un pasaporte. No le haga una foto.",
        "Nadie más tiene las palabras. Si se pierden, nadie se las puede devolver.",
    ),
    square="El cuadrado contiene las mismas palabras como texto. Escanéelo solo con su propio aparato.",
    back="Cómo usar las palabras en su aparato",
    steps=(
        "Abra la página de sus consentimientos en un aparato de confianza.",
        "Pulse «{start.restore}» y después «{restore.words}».",
        "Escriba las palabras en este orden. Pulse «{restore.go}».",
        "Elija una contraseña nueva. Después pulse «{restore.pending.go}».",
        "Si también le dieron un archivo de llave: pulse en su lugar «{restore.file}». Necesita la contraseña que "
        "eligió cuando se hizo esta hoja.",
    ),
    by_hand=("Dirección de la página", "Su nombre, si quiere"),
    buttons={
        "start.restore": "Ya he estado aquí",
        "restore.words": "Tengo mis 24 palabras",
        "restore.file": "Tengo un archivo de llave",
        "restore.go": "Recuperar",
        "restore.pending.go": "Buscar mis casos",
    },
)
LANGUAGES: Final = {"en": _EN, "de": _DE, "es": _ES}


def check_language(language: str) -> None:
    """Check that there is a sheet in a language.

    Raises:
        UnknownCode: there is none.
    """
    if language not in LANGUAGES:
        raise UnknownCode(f"There is no sheet in “{language}”; there is one in {', '.join(LANGUAGES)}.")


def sheet(words: str, language: str, day: date) -> bytes:
    """The PDF.

    Args:
        words: 24 words, separated by single spaces. The square code holds exactly this text: it can be put as it
            is into the page's field for words, or into a file for `volens wallet new --words-file`.
        language: one of `LANGUAGES`.
        day: the date printed on it.

    Raises:
        UnknownCode: no such language.
    """
    check_language(language)
    texts = LANGUAGES[language]
    page = _Page()
    page.write(texts.title, TITLE, bold=True)
    page.write(texts.made.format(date=day.isoformat()), TEXT)
    page.down(6)
    for paragraph in texts.about:
        page.write(paragraph, TEXT)
        page.down(4)
    page.down(10)
    _words_and_square(page, words, texts.square)
    page.down(14)
    page.write(texts.back, HEADING, bold=True)
    page.down(2)
    for number, step in enumerate(texts.steps, 1):
        said = _BUTTON.sub(lambda name: texts.buttons[name[1]], step)
        page.text(f"{number}.", _MARGIN, page.at - TEXT, TEXT)
        page.write(said, TEXT, indent=22)
        page.down(3)
    for label in texts.by_hand:
        page.down(16)
        page.write(f"{label}:", TEXT)
        page.box(_MARGIN + _extent(f"{label}: ", TEXT), page.at, _WIDTH - _MARGIN, page.at + 0.7)
    return page.pdf(language, texts.title)


def _words_and_square(page: "_Page", words: str, caption: str) -> None:
    """The words in three columns, to be read down, beside the square code of the same text."""
    top, rows = page.at, 8
    for place, word in enumerate(words.split()):
        x, y = _MARGIN + 103 * (place // rows), top - (place % rows + 1) * 26
        page.text(f"{place + 1:>2}", x, y, TEXT)
        page.text(word, x + 20, y, WORD, bold=True)
    modules = list(segno.make(words, error="m", micro=False).matrix)
    size, left = _SQUARE / len(modules), _WIDTH - _MARGIN - _SQUARE
    for row, line in enumerate(modules):
        for column, dark in enumerate(line):
            if dark:
                page.box(left + column * size, top - (row + 1) * size, left + (column + 1) * size, top - row * size)
    page.at = top - _SQUARE - 6
    page.write(caption, TEXT, indent=left - _MARGIN)
    page.at = min(page.at, top - rows * 26 - 6)


class _Page:
    """One page, written from the top. `at` is how far it is written, in points from the bottom."""

    def __init__(self) -> None:
        self.at: float = _HEIGHT - _MARGIN
        self._drawn: list[bytes] = []

    def down(self, points: float) -> None:
        self.at -= points

    def write(self, text: str, size: int, bold: bool = False, indent: float = 0) -> None:
        """Write a paragraph, broken between words where the page ends."""
        for line in _lines(text, size, _WIDTH - 2 * _MARGIN - indent):
            self.text(line, _MARGIN + indent, self.at - size, size, bold)
            self.at -= size * 1.3
        if self.at < _MARGIN / 2:
            raise AssertionError("the sheet does not fit on its page")

    def text(self, text: str, x: float, y: float, size: int, bold: bool = False) -> None:
        """Write one line, with its base at (x, y)."""
        said = text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
        font = b"/Bold" if bold else b"/Plain"
        self._drawn.append(b"BT %b %d Tf %.2f %.2f Td (%b) Tj ET" % (font, size, x, y, said))

    def box(self, left: float, bottom: float, right: float, top: float) -> None:
        """Fill a rectangle."""
        self._drawn.append(b"%.3f %.3f %.3f %.3f re f" % (left, bottom, right - left, top - bottom))

    def pdf(self, language: str, title: str) -> bytes:
        """The whole file (ISO 32000-1, 7.5)."""
        drawn = b"\n".join(self._drawn)
        font = "<< /Type /Font /Subtype /Type1 /BaseFont /{} /Encoding /WinAnsiEncoding >>"
        named = "feff" + title.encode("utf-16-be").hex()
        return _file(
            f"<< /Type /Catalog /Pages 2 0 R /Lang ({language}) >>".encode(),
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {_WIDTH} {_HEIGHT}] /Contents 4 0 R "
            "/Resources << /Font << /Plain 5 0 R /Bold 6 0 R >> >> >>".encode(),
            b"<< /Length %d >>\nstream\n%b\nendstream" % (len(drawn), drawn),
            font.format("Helvetica").encode(),
            font.format("Helvetica-Bold").encode(),
            f"<< /Title <{named}> >>".encode(),
        )


def _file(*objects: bytes) -> bytes:
    """A PDF of numbered objects; the first is the catalogue, the last says what the document is."""
    written, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return written + (
        b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, table, len(objects) + 1, len(objects), len(written))
    )


def _lines(text: str, size: int, width: float) -> Iterable[str]:
    """Break a paragraph between words, so that no line is wider than `width` points."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and _extent(longer, size) > width:
            yield line
            longer = word
        line = longer
    yield line


def _extent(text: str, size: int) -> float:
    """How wide a line is at most, in points: as wide as in Helvetica-Bold, the wider of the two fonts."""
    letters = (unicodedata.normalize("NFD", letter)[0] for letter in text)
    return sum(_WIDTHS.get(letter, 611) for letter in letters) * size / 1000


_WIDTHS: Final = {
    letter: width
    for width, letters in {
        278: " ',./I\\`ijl", 280: "|", 333: "!()-:;[]ft", 389: "*r{}", 474: '"', 500: "z“”„",
        556: "#$0123456789J_aceksvxy«»–", 584: "+<=>^~", 611: "?FLTZbdghnopquß¿", 667: "EPSVXY", 722: "&ABCDHKNRU",
        778: "GOQw", 833: "M", 889: "%m", 944: "W", 975: "@",
    }.items()
    for letter in letters
}  # fmt: skip
"""Widths of Helvetica-Bold, in thousandths of the size of the font."""
