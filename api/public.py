"""What a reference says to whoever holds one: as JSON, as a page, as a badge, as a QR code. None of it names a patient.

An unknown reference, one whose consent ended and one that never had any are told apart by nothing.
"""

import io
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import segno
from fastapi import APIRouter, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from api.deps import Use
from api.schemas import CoveredUse, Verification
from api.services import Services
from ledger.errors import InvalidInput, Unavailable, Untrusted
from ledger.references import read_reference, written
from ledger.tokens import make_token
from ledger.vocabulary import channel, purpose

router = APIRouter(tags=["references"])

TEMPLATES = Path(__file__).parent / "templates"
_PAGES = Environment(
    loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape(), undefined=StrictUndefined, trim_blocks=True
)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "X-Robots-Tag": "noindex, nofollow",
}
PICTURE = HEADERS | {"Content-Security-Policy": "default-src 'none'", "Cross-Origin-Resource-Policy": "cross-origin"}
"""A badge is shown in other people's pages."""
WORDS = {"permitted": "allowed now", "no_consent": "not allowed", "unavailable": "cannot be checked"}
COLOURS = {"permitted": "#17663a", "no_consent": "#9b1c1c", "unavailable": "#5c5c5c"}
ONWARD = {
    "none": "It may not be passed on.",
    "quote": "Others may quote from it, but may not pass it on as a whole.",
    "reshare": "Others may pass it on.",
}
_SVG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/svg+xml": {}}, "description": "A picture."}}


@router.get("/v1/verify/{reference}")
def verify(reference: str, use: Use) -> Verification:
    """Whether the patient allows anything now to whom this reference was made for. Names no patient and no record.

    `no_consent` is the answer whether the reference is unknown, mistyped, or its consent ended: it tells nothing more.
    The answer is good for the moment in which it was given.
    """
    return verification(reference, use)


@router.get("/verify/{reference}", include_in_schema=False)
def page(reference: str, use: Use) -> Response:
    """The same for a person to read; works without scripts."""
    try:
        found, status = verification(reference, use), 200
    except (Unavailable, Untrusted):
        found, status = None, 503
    code = read_reference(reference)
    said = _PAGES.get_template("verify.html").render(
        found=found, code=written(code) if code else "", moment=_moment, checked=use.clock(), onward=ONWARD
    )
    headers = {**HEADERS, **({"Retry-After": "2"} if status == 503 else {})}
    return Response(said, status, headers, media_type="text/html; charset=utf-8")


@router.get("/assets/verify.css", include_in_schema=False)
def style() -> Response:
    """How the page looks."""
    text = (TEMPLATES / "verify.css").read_text()
    return Response(text, headers={**HEADERS, "Cache-Control": "public, max-age=3600"}, media_type="text/css")


@router.get("/v1/badge/{reference}.svg", response_class=Response, responses=_SVG)
def badge(reference: str, use: Use) -> Response:
    """The same in two words, as a picture for an article; it says so in text as well."""
    state, status = "unavailable", 503
    with suppress(Unavailable, Untrusted):
        state, status = verification(reference, use).status, 200
    said = _PAGES.get_template("badge.svg").render(words=WORDS[state], colour=COLOURS[state])
    return Response(said, status, PICTURE, media_type="image/svg+xml")


@router.get("/v1/qr/{reference}.svg", response_class=Response, responses=_SVG)
def qr(reference: str, use: Use) -> Response:
    """The address of a reference's page as a QR code, for print. It is made of the code alone; nothing is looked up."""
    code = read_reference(reference)
    if code is None:
        raise InvalidInput("This cannot be a reference. It has twenty letters and digits, in four groups.")
    drawn = io.BytesIO()
    address = f"{use.settings.url}/verify/{written(code)}"
    segno.make(address, error="m", micro=False).save(
        drawn, kind="svg", scale=4, border=4, xmldecl=False, light="#fff", title=address, omitsize=False
    )
    return Response(drawn.getvalue(), headers=PICTURE, media_type="image/svg+xml")


def verification(reference: str, use: Services) -> Verification:
    """What a reference says now.

    Raises:
        Unavailable, Untrusted: nothing is known about the present.
    """
    found = use.references.status(reference)
    moment = found.moment
    uses = [
        CoveredUse(
            purpose=one.purpose,
            purposeText=purpose(one.purpose).label("en"),
            channel=one.channel,
            channelText=channel(one.channel).label("en") if one.channel else "not in public",
            until=one.until,
            items=one.items,
            itemsOf=one.of,
            onward=one.onward,
        )
        for one in found.uses
    ]
    return Verification(
        status="permitted" if uses else "no_consent",
        recipientName=found.recipient,
        uses=uses,
        checkedAt=moment.wall,
        block=moment.number,
        token=make_token(use.deployment, moment.number, moment.hash),
    )


def _moment(at: int) -> str:
    when = datetime.fromtimestamp(at, UTC)
    return f"{when.day} {when:%B %Y}, {when:%H:%M:%S} UTC"
