"""The patient's page at /wallet/: the files that `npm run build` made, under a policy that lets them do nothing else.

The page holds her key, so it may load nothing from elsewhere, run no script but its own, and talk to this service only.
The page that checks the public record asks any node she names; it holds no key, and has a policy of its own.
"""

import gzip
import mimetypes
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.deps import Use
from ledger.errors import NotFound, Unavailable

router = APIRouter(include_in_schema=False)

BUILT = Path(__file__).resolve().parent.parent / "wallet" / "web" / "dist"
_TYPES = {".js": "text/javascript; charset=utf-8", ".webmanifest": "application/manifest+json"}


def policy(connect: str) -> str:
    """The Content Security Policy of a page that may connect to `connect`."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' blob:",
            f"connect-src {connect}",
            "manifest-src 'self'",
            "worker-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types volens",
        )
    )


HEADERS = {
    "Content-Security-Policy": policy("'self'"),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
INDEX, CHECK = "index.html", "check.html"
"""The page that holds her key, and the one that holds none."""
ANY_NODE = "'self' https: http://127.0.0.1:* http://localhost:*"
"""Whom it may ask: a node of her choice, far away or on her own machine."""


@lru_cache
def built(folder: Path) -> dict[str, tuple[bytes, bytes]]:
    """The files of a build: path below the folder → content, and the same compressed.

    Read once, so no path of a request ever reaches the disk.

    Raises:
        Unavailable: there is no build.
    """
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    if INDEX not in found:
        raise Unavailable("The patient's page was not built. Run `make setup`, or `npm run build -w wallet/web`.")
    return {name: (content, gzip.compress(content, 9, mtime=0)) for name, content in found.items()}


@router.get("/")
@router.get("/wallet")
def wallet() -> Response:
    """The service's address alone, and the page's without its slash."""
    return RedirectResponse("/wallet/", 308)


@router.get("/wallet/{path:path}")
def file(path: str, request: Request, use: Use) -> Response:
    """One file of the page."""
    found = built(use.settings.page_dir or BUILT).get(path or INDEX)
    if found is None:
        raise NotFound("The patient's page has no such file.")
    content, compressed = found
    headers = {**HEADERS, "Vary": "Accept-Encoding"}
    if path == CHECK:
        headers["Content-Security-Policy"] = policy(ANY_NODE)
    # Files below assets/ carry a digest of their content in their names.
    headers["Cache-Control"] = "public, max-age=31536000, immutable" if path.startswith("assets/") else "no-cache"
    if "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = compressed, "gzip"
    suffix = Path(path or INDEX).suffix
    kind = _TYPES.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
    return Response(content, headers=headers, media_type=kind)
