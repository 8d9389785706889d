"""Sealed bytes by range (RFC 9110): what resumes a download, and what must not be taken for it."""

import io

import pytest
from fastapi import HTTPException
from hypothesis import given
from hypothesis import strategies as st

from api.ranges import CHUNK, chosen

SIZE = 1000


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None), ("bytes=0-", (0, 1000)), ("bytes=0-0", (0, 1)), ("bytes=999-999", (999, 1000)),
        ("bytes=10-19", (10, 20)), ("BYTES=10-19", (10, 20)), (" bytes= 10-19 ", (10, 20)),
        ("bytes=10-5000", (10, 1000)), ("bytes=" + "0" * 30 + "10-19", (10, 20)),
        ("bytes=-1", (999, 1000)), ("bytes=-5000", (0, 1000)), ("bytes=990-", (990, 1000)), ("bytes=,10-19,", (10, 20)),
        # Not understood, so ignored: the whole file.
        ("items=0-1", None), ("bytes", None), ("bytes=", None), ("bytes=-", None), ("bytes=a-b", None), 
        ("bytes=5-4", None), ("bytes=5000-4", None), ("bytes=0-1,5-4", None),
        ("bytes=1-2-3", None), ("bytes=0x1-2", None), ("bytes=+1-2", None), ("bytes=\u0661-\u0662", None), ("", None),
    ],
)  # fmt: skip
def test_the_part_a_header_names(header, part):
    assert chosen(header, SIZE) == part


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=0-1,3-4", "bytes=-1,-2",
                                    "bytes=" + "9" * 4000 + "-"])  # fmt: skip
def test_what_is_not_there_and_several_parts_at_once_are_refused(header):
    with pytest.raises(HTTPException) as refused:
        chosen(header, SIZE)
    assert refused.value.status_code == 416
    assert refused.value.headers == {"Content-Range": "bytes */1000"}


def test_an_empty_file_has_no_parts():
    assert chosen(None, 0) is None
    for header in ("bytes=0-", "bytes=-5"):
        with pytest.raises(HTTPException):
            chosen(header, 0)


@given(st.text(max_size=30) | st.from_regex(r"bytes=[0-9]{0,25}-[0-9]{0,25}", fullmatch=True), st.integers(0, 2**40))
def test_every_part_lies_within_the_file(header, size):
    try:
        part = chosen(header, size)
    except HTTPException:
        return
    assert part is None or 0 <= part[0] < part[1] <= size


# Over HTTP


@pytest.fixture(scope="module")
def stored(shared_web):
    """The path of sealed bytes, and the bytes."""
    digest = shared_web.forge.deposits[0].sealed
    return f"/v1/items/{digest}", shared_web.forge.vault.contents[digest], digest


def get(web, path, method="GET", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.call(method, path, by=web.forge.world.journal, headers=headers)


def test_the_whole_file_says_what_it_is(shared_web, stored):
    path, data, digest = stored
    answer = get(shared_web, path)
    assert (answer.status_code, answer.content) == (200, data)
    assert answer.headers["etag"] == f'"{digest}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == str(len(data))
    assert "content-range" not in answer.headers
    head = get(shared_web, path, "HEAD", range="bytes=0-3")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "accept-ranges", "content-type"):
        assert head.headers[name] == answer.headers[name]


def test_a_broken_download_is_resumed(shared_web, stored):
    path, data, digest = stored
    begun = get(shared_web, path, range="bytes=0-99")
    rest = get(shared_web, path, range="bytes=100-", if_range=f'"{digest}"')
    assert begun.status_code == rest.status_code == 206
    assert begun.content + rest.content == data
    assert begun.headers["content-range"] == f"bytes 0-99/{len(data)}"
    assert rest.headers["content-range"] == f"bytes 100-{len(data) - 1}/{len(data)}"
    assert rest.headers["content-length"] == str(len(data) - 100)


@pytest.mark.parametrize("other", ['"another"', 'W/"{digest}"', "Wed, 25 Nov 2026 22:00:00 GMT"])
def test_a_part_of_another_file_is_not_sent(shared_web, stored, other):
    path, data, digest = stored
    answer = get(shared_web, path, range="bytes=100-", if_range=other.replace("{digest}", digest))
    assert (answer.status_code, answer.content) == (200, data)


def test_a_part_that_is_not_there(shared_web, stored):
    path, data, _ = stored
    for header in (f"bytes={len(data)}-", "bytes=0-1,5-6"):
        answer = get(shared_web, path, range=header)
        assert answer.status_code == 416
        assert answer.headers["content-range"] == f"bytes */{len(data)}"
        assert answer.headers["content-type"] == "application/problem+json"


def test_whoever_has_it_is_not_sent_it_again(shared_web, stored):
    path, _, digest = stored
    for header in (f'"{digest}"', f'"x", W/"{digest}"', "*"):
        answer = get(shared_web, path, if_none_match=header)
        assert (answer.status_code, answer.content) == (304, b"")
    assert get(shared_web, path, if_none_match='"x"').status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nobody_reads_them_without_signing_in(shared_web, stored, method):
    assert shared_web.call(method, stored[0], headers={"Range": "bytes=0-1"}).status_code == 401


def test_a_large_file_is_read_a_piece_at_a_time_and_closed(web, monkeypatch):
    reads = []

    class Endless(io.RawIOBase):
        """Many gigabytes of nothing."""

        def seek(self, at, whence=0):
            return 2**40 if whence == 2 else at

        def read(self, size=-1):
            reads.append(size)
            return bytes(size)

    opened = Endless()
    monkeypatch.setattr(web.forge.vault, "open", lambda digest: opened)
    answer = web.get(f"/v1/items/{web.forge.deposits[0].sealed}", web.forge.world.journal,
                     headers={"Range": f"bytes=5-{5 + 3 * CHUNK}"})  # fmt: skip
    assert (answer.status_code, len(answer.content)) == (206, 3 * CHUNK + 1)
    assert reads == [CHUNK, CHUNK, CHUNK, 1]
    assert opened.closed
