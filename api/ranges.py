"""Ranges of bytes that never change: RFC 9110, sections 13 and 14, for one range at a time."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from fastapi import HTTPException, Request, Response
from fastapi.responses import StreamingResponse

CHUNK = 2**20
"""Bytes read and sent at a time: what one download holds in memory, whatever its size."""
_SPECIFIER = re.compile(r"bytes=[ \t]*(.*)", re.IGNORECASE)
_RANGE = re.compile(r"([0-9]*)-([0-9]*)")


def chosen(header: str | None, size: int) -> tuple[int, int] | None:
    """The part of a file that a Range header names, as start and end (exclusive); None for the whole file.

    A header of another unit or of no known form is ignored, as the RFC demands.

    Raises:
        HTTPException: 416 for a part that does not exist, and for several parts at once.
    """
    found = _SPECIFIER.fullmatch(header.strip()) if header else None
    if found is None:
        return None
    ranges = [_RANGE.fullmatch(part.strip()) for part in found[1].split(",") if part.strip()]
    spans = [_span(one[1], one[2], size) if one else None for one in ranges]
    if not spans or None in spans:
        return None
    if len(spans) > 1:
        raise _unsatisfiable(size, "Ask for one range at a time.")
    start, end = spans[0] or (0, 0)
    if start >= end:
        raise _unsatisfiable(size, f"There is no such part; there are {size} bytes.")
    return start, end


def _span(first: str, last: str, size: int) -> tuple[int, int] | None:
    """Start and end within the file, the start behind it where there is nothing; None where it makes no sense."""
    if not first:  # the last so many bytes
        return (max(0, size - _number(last)), size) if last else None
    if last and _number(first) > _number(last):
        return None
    return _number(first), min(_number(last) + 1, size) if last else size


def _number(digits: str) -> int:
    return int("0" + digits.lstrip("0")[:20])  # more digits than any file has bytes


def _unsatisfiable(size: int, detail: str) -> HTTPException:
    return HTTPException(416, detail, {"Content-Range": f"bytes */{size}"})


def ranged(request: Request, stream: BinaryIO, digest: str) -> Response:
    """Answer GET or HEAD with a stored file or a part of it, a megabyte at a time.

    Args:
        stream: seekable; closed when the answer is sent or is none.
        digest: names the content for ever, so it is its entity tag.
    """
    try:
        tag = f'"{digest}"'
        size = stream.seek(0, 2)
        headers = {"ETag": tag, "Accept-Ranges": "bytes", "Cache-Control": "private, max-age=31536000, immutable"}
        if _names(request.headers.get("if-none-match"), tag):
            stream.close()
            return Response(status_code=304, headers=headers)
        # If-Range: a part is of use only to whoever has the rest of the same file; a date names no file here.
        fits = request.headers.get("if-range", tag) == tag
        wanted = chosen(request.headers.get("range"), size) if fits and request.method == "GET" else None
        start, end = wanted or (0, size)
        headers["Content-Length"] = str(end - start)
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        if request.method == "HEAD":
            stream.close()
            return Response(headers=headers, media_type="application/octet-stream")
        stream.seek(start)
    except BaseException:
        stream.close()
        raise
    body = _read(stream, end - start)
    return StreamingResponse(body, 206 if wanted else 200, headers, media_type="application/octet-stream")


def _names(header: str | None, tag: str) -> bool:
    """Whether an If-None-Match header names the tag, weakly compared."""
    named = [] if header is None else [one.strip().removeprefix("W/") for one in header.split(",")]
    return tag in named or named == ["*"]


def _read(stream: BinaryIO, left: int) -> Iterator[bytes]:
    with stream:
        while left and (chunk := stream.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk
