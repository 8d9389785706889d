"""Narratives: plain text and Markdown in UTF-8."""

import re
import unicodedata

from ledger.deidentify.result import Deidentified, Limits, Removed
from ledger.errors import InvalidFile

_MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?"
)
# Looked for in this order; what one pattern takes, the next does not see again. All run in linear time.
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("e-mail address", re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")),
    ("web address", re.compile(r"\b(?:https?://|www\.)\S{1,2000}", re.IGNORECASE)),
    (
        "date",
        re.compile(
            r"\b(?:(?:19|20)\d\d[-/.][01]?\d[-/.][0-3]?\d|[0-3]?\d[-/.][0-3]?\d[-/.](?:(?:19|20)\d\d|\d\d)"
            rf"|[0-3]?\d(?:st|nd|rd|th|\.)?\s(?:{_MONTHS})\.?,?\s(?:19|20)\d\d"
            rf"|(?:{_MONTHS})\.?\s[0-3]?\d(?:st|nd|rd|th)?,?\s(?:19|20)\d\d)\b",
            re.IGNORECASE,
        ),
    ),
    ("telephone number", re.compile(r"(?<![\w.])(?:\+|00|\(0?)?\d(?:[ \u00a0()/.-]{0,2}\d){7,16}(?![\w.]\d)")),
    ("long number", re.compile(r"(?<!\d)\d{6,}(?!\d)")),
)
_ISOLATED_NUMBER = re.compile(r"\d{6,}")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")
_COMMENT = re.compile(r"<!--")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f]")
_FRONT_MATTER = re.compile(r"---[ \t]*\n((?:[^\n]*\n)*?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_YAML_LINE = re.compile(r"(?:[A-Za-z_][\w .-]*:(?:\s.*)?|\s+\S.*|-(?:\s.*)?|#.*|\s*)")


def clean_plain(data: bytes, limits: Limits) -> Deidentified:
    """Clean plain text. See `_clean`."""
    return _clean(data, limits, "text/plain")


def clean_markdown(data: bytes, limits: Limits) -> Deidentified:
    """Clean Markdown: as plain text, and a YAML front matter (author, date, tool) goes."""
    return _clean(data, limits, "text/markdown")


def findings(text: str) -> list[str]:
    """What in a text looks personal, as counts and kinds: ``2 dates``, ``1 e-mail address``. Never the values."""
    found = []
    for name, pattern in _PATTERNS:
        text, count = pattern.subn(" ", text)
        if count:
            found.append(f"{count} {name if count == 1 else name + ('es' if name.endswith('ss') else 's')}")
    return found


def _clean(data: bytes, limits: Limits, media_type: str) -> Deidentified:
    if len(data) > limits.text:
        raise InvalidFile(f"The text is larger than {limits.text} bytes.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidFile("The text is not UTF-8; save it as UTF-8 and try again.") from None
    removed = set()
    if text.startswith("\ufeff"):
        text = text[1:]
        removed.add(Removed("byte order mark", "removed"))
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        removed.add(Removed("line ends", "replaced"))
    if _CONTROL.search(text):
        raise InvalidFile("The text contains control characters, so it is not plain text or Markdown.")
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
        removed.add(Removed("Unicode form", "replaced"))
    if media_type == "text/markdown" and (match := _FRONT_MATTER.match(text)) and _is_yaml(match[1]):
        text = text[match.end() :]
        removed.add(Removed("YAML front matter", "removed"))
    if not text.strip():
        raise InvalidFile("The text is empty.")
    return Deidentified(text.encode(), media_type, tuple(sorted(removed)), tuple(_warnings(text, media_type)))


def _is_yaml(block: str) -> bool:
    # Two rules across the page with prose between them are not front matter.
    lines = block.splitlines()
    return any(":" in line for line in lines) and all(_YAML_LINE.fullmatch(line) for line in lines)


def _warnings(text: str, media_type: str) -> list[str]:
    said = [f"The text seems to contain {found}; check whether it may stay." for found in findings(text)]
    if count := len(_INVISIBLE.findall(text)):
        said.append(f"The text contains invisible characters ({count}), which can hide or reorder words.")
    if media_type == "text/markdown" and (count := len(_COMMENT.findall(text))):
        said.append(f"The text contains comments ({count}) that a formatted preview does not show.")
    return said
