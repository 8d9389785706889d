"""The source of tests/vectors/renewal.json: what a form that changed says differently, and the grant under it."""

from dataclasses import replace
from typing import Any

from ledger.documents import ChannelTerms, Form, Statement
from ledger.model import Grant, to_hash
from ledger.summary import with_summary
from ledger.typed_data import struct_hash
from scripts.vector_sources.world import World, key, phrase
from wallet import renewal

_WORLD = World()
_ISSUER = key("hospital").address
_TERMS, _OTHERS = (ChannelTerms(_ISSUER, to_hash(phrase(name))) for name in ("terms", "other terms"))
_TEXTS = (
    ("He may look.", "He may look."),
    ("He may look once.", "He may look twice."),
    ("a b c d", "a c d e"),
    ("a b a b a", "b a b a b"),
    ("a x b y c", "y a c x b"),
    ("", "new words"),
    ("old words", ""),
    ("  two\nlines ", "two lines"),
    ("no\u00a0break\u2003wide\ufeffmark", "no break wide mark"),
    ("control\x1cis a\x85word", "control is a word"),
    ("يمكن حذف الصورة", "لا يمكن حذف الصورة"),
    ("👩‍⚕️ sees it", "👩‍⚕️ saw it"),
)
_BEFORE = Form(
    1, _ISSUER, {"en": "A form"},
    (
        Statement("kept", {"en": "Kept.", "de": "Bleibt."}),
        Statement("gone", {"en": "Gone."}),
        Statement("other", {"en": "Once.", "de": "Einmal."}),
        Statement("hidden", {"en": "The same.", "de": "Dasselbe."}),
    ),
    {"social": _TERMS},
)  # fmt: skip
_AFTER = Form(
    2, _ISSUER, {"en": "A form", "de": "Ein Formular"},
    (
        Statement("fresh", {"en": "Fresh.", "ar": "جديد."}),
        Statement("kept", {"en": "Kept.", "de": "Bleibt."}),
        Statement("other", {"en": "Twice.", "de": "Zweimal."}),
        Statement("hidden", {"en": "The same.", "de": "Etwas anderes."}),
    ),
    {"social": _TERMS, "social:mastodon": _OTHERS},
)  # fmt: skip
_FORM = to_hash(phrase("a form that took the place"))


def vectors() -> object:
    """The content of the file."""
    return {
        "about": "pieces are [text, whether the other text does not have it]; renewed is the grant under form.",
        "names": _WORLD.names,
        "differences": [_difference(*texts) for texts in _TEXTS],
        "forms": [
            {"before": before.to_json(), "after": after.to_json(), "language": language,
             "changes": [_change(one) for one in renewal.compare(before, after, language)]}
            for before, after in ((_BEFORE, _AFTER), (_AFTER, _BEFORE), (_BEFORE, _BEFORE))
            for language in ("en", "de", "ar")
        ],
        "channels": [
            {"form": form.to_json(), "channel": code, "terms": named.terms if (named := form.terms_of(code)) else None}
            for form in (_BEFORE, _AFTER)
            for code in ("social:mastodon", "social", "social:instagram", "journal")
        ],
        "grants": [_grant(*given) for given in _grants()],
        "renews": [
            {"new": new.to_json(), "old": old.to_json(), "renews": renewal.renews(new, old)} for new, old in _pairs()
        ],
        "ends": [
            {"old": old, "new": new, "ends": renewal.old_may_end(old, new)}
            for old in ("granted", "form_superseded", "suspended", "further_consent_needed")
            for new in ("granted", "awaiting_confirmations", "further_consent_needed", "waiting", "revoked")
        ],
    }  # fmt: skip


def _difference(before: str, after: str) -> dict[str, Any]:
    pieces = [[[piece.text, piece.marked] for piece in side] for side in renewal.difference(before, after)]
    return {"before": before, "after": after, "pieces": pieces}


def _change(one: renewal.Change) -> dict[str, Any]:
    before, after = one.languages
    return {
        "id": one.id, "before": one.before, "after": one.after, "same": one.same,
        "languages": {"before": before, "after": after},
    }  # fmt: skip


def _grants() -> list[tuple[str, Grant, str]]:
    grant, names = _WORLD.grant(), _WORLD.names
    renamed = with_summary(grant, names | {grant.recipient: "Its Old Name"}, "es")
    return [
        ("as it was", grant, "de"),
        ("with a sentence in Arabic", with_summary(grant, names, "ar"), "en"),
        ("of a recipient that has another name now", renamed, "de"),
        ("for research", _WORLD.research_grant, "en"),
    ]


def _grant(about: str, grant: Grant, language: str) -> dict[str, Any]:
    made = renewal.renewed(grant, _FORM, _WORLD.names, language)
    return {
        "about": about, "grant": grant.to_json(), "form": _FORM, "language": language,
        "renewed": made.to_json(), "hash": struct_hash(made),
    }  # fmt: skip


def _pairs() -> list[tuple[Grant, Grant]]:
    grant = _WORLD.grant()
    made = renewal.renewed(grant, _FORM, _WORLD.names, "en")
    again = renewal.renewed(made, to_hash(phrase("and another form")), _WORLD.names, "en")
    return [
        (made, grant),
        (replace(made, channels=made.channels[:1]), grant),
        (again, made),
        (again, grant),
        (grant, made),
        (grant, grant),
        (replace(made, form=grant.form), grant),
        (replace(made, recipient=_WORLD.research_grant.recipient), grant),
        (replace(made, record=to_hash(phrase("another record"))), grant),
        (made, _WORLD.research_grant),
    ]
