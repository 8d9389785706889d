"""The source of tests/vectors/invalid.json: messages that every language must refuse before it hashes or signs.

Each case is a valid message in which one thing is broken, the field that must be named, and why it is wrong.
"""

import copy
import json
from pathlib import Path
from typing import Any

from ledger.model import MESSAGES

_TYPED_DATA = Path(__file__).resolve().parents[2] / "tests" / "vectors" / "typed_data.json"
_ZERO = "0x" + "0" * 40
_HASH = "0x" + "ab" * 32
_OTHER = "0x0D107d98be27055567b0ABbdA804FAC5E321c26D"
_BEYOND = 2**53

# The integer field, the address field and the hash field that the common cases break, by type.
_COMMON = {
    "Item": ("size", None, "sha256"),
    "Record": ("createdAt", "controller", "salt"),
    "Grant": ("validFrom", "recipient", "record"),
    "Consent": ("deadline", "subject", None),
    "Revocation": (None, "subject", None),
    "RevokeAll": ("before", "subject", None),
    "Suspension": ("at", "subject", None),
    "Closure": (None, "subject", None),
    "Delegation": ("validUntil", "delegate", None),
    "Witness": ("at", "subject", None),
    "Approval": ("validUntil", "recipient", "record"),
    "ReleaseRequest": ("at", "recipient", "nonce"),
}


def valid() -> dict[str, dict[str, Any]]:
    """One valid message of each type, from the signed vectors."""
    recorded = json.loads(_TYPED_DATA.read_text(encoding="utf-8"))
    pairs = [(m["primaryType"], m["message"]) for m in recorded["messages"]]
    pairs += [(s["type"], s["value"]) for s in recorded["structs"]]
    return {name: next(value for kind, value in pairs if kind == name) for name in MESSAGES}


def vectors() -> object:
    """The content of the file."""
    cases = [*_common(), *_special()]
    return {
        "about": "Each value must be refused by the type, naming the field. A case with lostInJavaScript becomes valid "
        "when JSON.parse reads it, so only languages that keep the difference can refuse it.",
        "cases": cases,
    }


def _case(kind: str, value: object, field: str, why: str, **marks: bool) -> dict[str, Any]:
    return {"type": kind, "value": value, "field": field, "why": why, **marks}


def _broken(kind: str, field: str, value: object, why: str, named: str | None = None, **marks: bool) -> dict[str, Any]:
    return _case(kind, {**valid()[kind], field: value}, named or field, why, **marks)


def _grant(kind: str, field: str, value: object, why: str) -> dict[str, Any]:
    message = copy.deepcopy(valid()[kind])
    message["grants"][0][field] = value
    return _case(kind, message, f"grants[0].{field}", why)


def _common() -> list[dict[str, Any]]:
    cases = []
    for kind, message in valid().items():
        integer, address, digest = _COMMON[kind]
        last = list(message)[-1]
        cases += [
            _case(kind, [message], kind, "a list instead of an object"),
            _case(kind, {k: v for k, v in message.items() if k != last}, last, "a field is missing"),
            _broken(kind, "comment", "harmless", "a field that the type does not have"),
            _broken(kind, last, None, "null for a value"),
        ]
        if integer:
            cases += [
                _broken(kind, integer, _BEYOND, "above 2^53-1, which JavaScript cannot hold exactly"),
                _broken(kind, integer, -1, "negative"),
                _broken(kind, integer, True, "true for a number"),
                _broken(kind, integer, "7", "text for a number"),
                _broken(kind, integer, 1.5, "not a whole number"),
                _broken(kind, integer, 1.0, "a float, although whole", lostInJavaScript=True),
            ]
        if address:
            swapped = message[address].swapcase().replace("0X", "0x")
            cases += [
                _broken(kind, address, swapped, "the checksum of the address is wrong"),
                _broken(kind, address, message[address][:-2], "an address that is too short"),
                _broken(kind, address, message[address][2:], "an address without 0x"),
                _broken(kind, address, "patient.eth", "a name for an address"),
            ]
        if digest:
            cases += [
                _broken(kind, digest, "0x01", "one byte for 32, which some libraries pad"),
                _broken(kind, digest, "diabetes-study", "text for 32 bytes, which some libraries pad"),
                _broken(kind, digest, _HASH.upper().replace("0X", "0x"), "upper-case hexadecimal digits"),
                _broken(kind, digest, _HASH[2:], "hexadecimal digits without 0x"),
                _broken(kind, digest, _HASH + "00", "33 bytes"),
            ]
    return cases


def _special() -> list[dict[str, Any]]:
    messages = valid()
    key = messages["ReleaseRequest"]["encryptionKey"]
    subject = messages["Delegation"]["subject"]
    grants = messages["Consent"]["grants"]
    misspelt = {("valid_until" if k == "validUntil" else k): v for k, v in messages["Grant"].items()}
    return [
        *(_broken("Item", "name", name, why) for name, why in _NAMES),
        _broken("Item", "name", "n" * 256, "longer than 255 bytes"),
        _broken("Item", "name", "\u00e9" * 128, "128 characters but 256 bytes"),
        _broken("Item", "mediaType", None, "null for a media type"),
        _broken("Item", "mediaType", "jpeg", "not a media type"),
        _broken("Item", "mediaType", "image/JPEG", "a media type in capitals"),
        _broken("Item", "mediaType", "text/html; charset=utf-8", "a media type with a parameter"),
        _broken("Item", "mediaType", "image/png\n", "a line break after the media type"),
        _broken("Record", "controller", _ZERO, "nobody is the controller"),
        _broken("Record", "subject", _ZERO, "nobody is the subject"),
        _broken("Record", "items", [], "no items"),
        _broken("Record", "items", [_HASH, _HASH], "the same item twice"),
        _broken("Record", "items", [_HASH, "0xab"], "a short hash in a list", named="items[1]"),
        _broken("Record", "items", _HASH, "one hash instead of a list"),
        _broken("Record", "items", ["0x" + n.to_bytes(32).hex() for n in range(257)], "more than 256 items"),
        _broken("Record", "stewards", [messages["Record"]["subject"]], "the subject as its own steward"),
        _broken("Record", "stewards", [_OTHER, _OTHER.lower()], "the same steward twice, in two spellings"),
        _broken("Record", "stewards", [_ZERO], "nobody as a steward", named="stewards[0]"),
        *(_broken("Record", "title", title, why) for title, why in _TEXTS),
        _broken("Record", "title", "", "no title"),
        _broken("Record", "title", "t" * 501, "longer than 500 bytes"),
        _broken("Record", "title", 7, "a number for text"),
        _broken("Grant", "items", [], "no items"),
        _broken("Grant", "items", "*", "text instead of a list"),
        _broken("Grant", "items", ["*", "figure-1.png"], "everything, and one item", named="items[0]"),
        _broken("Grant", "items", ["a.png", "a.png"], "the same item twice"),
        _broken("Grant", "items", ["a/b.png"], "a path for an item", named="items[0]"),
        _broken("Grant", "purposes", [], "no purpose"),
        _broken("Grant", "purposes", ["any use"], "a sentence for a code", named="purposes[0]"),
        _broken("Grant", "purposes", ["HRESCH", "HRESCH"], "the same purpose twice"),
        _broken("Grant", "channels", ["social x"], "a space in a code", named="channels[0]"),
        _broken("Grant", "channels", [""], "an empty code", named="channels[0]"),
        _broken("Grant", "channels", None, "null for an empty list"),
        _broken("Grant", "onward", "None", "a word that is not defined"),
        _broken("Grant", "onward", ["none"], "a list for a word"),
        _broken("Grant", "validUntil", messages["Grant"]["validFrom"], "ends when it begins"),
        _broken("Grant", "validUntil", messages["Grant"]["validFrom"] - 1, "ends before it begins"),
        _broken("Grant", "summary", "may\u202eeb yam", "a character that reverses what is read"),
        _broken("Grant", "summary", "first line\nsecond line", "a line break"),
        _broken("Grant", "summary", "s" * 8001, "longer than 8000 bytes"),
        _case("Grant", misspelt, "valid_until", "a field in the spelling of another language"),
        _broken("Consent", "subject", _ZERO, "nobody is the subject"),
        _broken("Consent", "grants", [], "nothing is granted"),
        _broken("Consent", "grants", grants[0], "one grant instead of a list"),
        _broken("Consent", "grants", [grants[0], grants[0]], "the same grant twice"),
        _broken("Consent", "grants", [_HASH], "a hash for a grant: nobody could read it", named="grants[0]"),
        _grant("Consent", "validUntil", 0, "a wrong field inside a grant"),
        _grant("Consent", "extra", 1, "an unknown field inside a grant"),
        _broken("Revocation", "grants", [], "nothing is revoked"),
        _broken("Revocation", "deadline", 1795255200, "a revocation has no deadline"),
        _grant("Revocation", "salt", "0x00", "a short salt inside a grant"),
        _broken("Suspension", "suspended", "false", "the text false, which some libraries read as true"),
        _broken("Suspension", "suspended", 0, "a number for true or false"),
        _broken("Suspension", "suspended", None, "null for true or false"),
        _broken("RevokeAll", "before", "1795300000", "a number as text"),
        _broken("Closure", "subject", _ZERO, "nobody is the subject"),
        _broken("Delegation", "delegate", subject, "the subject as its own delegate"),
        _broken("Delegation", "delegate", _ZERO, "nobody is the delegate"),
        _broken("Delegation", "rights", 4, "a right that is not defined"),
        _broken("Delegation", "rights", 255, "every bit of a byte"),
        _broken("Witness", "role", "", "no role"),
        _broken("Witness", "role", "nurse\u0007", "a control character"),
        _broken("Witness", "role", "r" * 201, "longer than 200 bytes"),
        _grant("Witness", "onward", "all", "a wrong field inside a grant"),
        _broken("Approval", "recipient", _ZERO, "an approval for nobody"),
        _broken("Approval", "purpose", "", "no purpose"),
        _broken("Approval", "purpose", "DUO:0000006 ", "a space after the code"),
        _broken("ReleaseRequest", "recipient", _ZERO, "nobody asks"),
        _broken("ReleaseRequest", "items", ["*"], "everything: a request names its items", named="items[0]"),
        _broken("ReleaseRequest", "items", [], "no items"),
        _broken("ReleaseRequest", "channel", "social/x", "not a code"),
        _broken("ReleaseRequest", "purpose", "c" * 65, "a code longer than 64 characters"),
        _broken("ReleaseRequest", "encryptionKey", key[:-2], "a key that is one byte short"),
        _broken("ReleaseRequest", "encryptionKey", key + "00", "a key that is one byte long"),
        _broken("ReleaseRequest", "encryptionKey", "0x" + "ab" * 32, "a key of X25519 alone"),
        _broken("ReleaseRequest", "encryptionKey", "0x", "an empty key"),
        _broken("ReleaseRequest", "encryptionKey", [0] * 32, "a list of numbers for bytes"),
        _broken("ReleaseRequest", "encryptionKey", 7, "a number for bytes"),
        _broken("ReleaseRequest", "encryptionKey", key[:-1], "half a byte"),
        _broken("ReleaseRequest", "encryptionKey", "0x" + key[2:].upper(), "upper-case hexadecimal digits"),
    ]


_TEXTS = [
    ("caf\ud800", "half of a surrogate pair"),
    ("cafe\u0301", "not in Unicode normal form C"),
    ("case \u202etxt.exe", "a right-to-left override"),
    ("case \u2066aside\u2069", "isolates, which only a summary may contain"),
    ("case\u200f", "a right-to-left mark"),
    ("case\u061c", "an Arabic letter mark"),
    ("case\u200breport", "a space that cannot be seen"),
    ("case\ufeff", "a byte order mark"),
    ("case\U000e0041", "a tag character, which cannot be seen"),
    ("case\u0000", "a null character"),
    ("case\treport", "a tab"),
    ("case\u0085report", "a line break of C1"),
    ("case\u2028report", "a Unicode line separator"),
]
_NAMES = [
    ("", "no name"),
    (".", "this folder"),
    ("..", "the folder above"),
    ("../narrative.md", "a path upwards"),
    ("notes/narrative.md", "a path"),
    ("notes\\narrative.md", "a path of Windows"),
    ("C:narrative.md", "a drive of Windows"),
    ("*", "the sign for every item"),
    ("narrative?.md", "a pattern"),
    ('say "yes".md', "a quotation mark"),
    ("narrative.md.", "ends in a dot, which Windows drops"),
    ("narrative.md ", "ends in a space, which Windows drops"),
    (" narrative.md", "begins with a space"),
    *_TEXTS,
]
