"""The patient's page as the service gives it: its files, its policy, its size; nothing else of the disk."""

import gzip

import pytest

from api.page import BUILT

BUDGET = 250_000
"""Bytes of everything the page can ever load, compressed."""


def directives(answer):
    return dict(part.partition(" ")[::2] for part in answer.headers["content-security-policy"].split("; "))


def test_the_page_and_what_it_may_do(shared_web):
    answer = shared_web.get("/wallet/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = directives(answer)
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["worker-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in str(policy)
    assert "data:" not in str(policy)
    assert "http" not in str(policy), "no third party"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_only_the_page_without_keys_may_ask_other_machines(shared_web):
    assert "https:" in directives(shared_web.get("/wallet/check.html"))["connect-src"]
    others = [path.relative_to(BUILT).as_posix() for path in BUILT.rglob("*") if path.is_file()]
    assert len(others) > 5
    for path in others:
        if path != "check.html":
            assert directives(shared_web.get(f"/wallet/{path}"))["connect-src"] == "'self'", path


def test_each_file_has_its_type_and_is_kept_as_long_as_it_cannot_change(shared_web):
    script = next(BUILT.glob("assets/*.js")).name
    answer = shared_web.get(f"/wallet/assets/{script}")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    plain = shared_web.get(f"/wallet/assets/{script}", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == answer.content == (BUILT / "assets" / script).read_bytes()
    for path in ("", "sw.js", "check.html"):
        assert shared_web.get(f"/wallet/{path}").headers["cache-control"] == "no-cache", path
    assert shared_web.get("/wallet/manifest.webmanifest").headers["content-type"] == "application/manifest+json"
    for short in ("/", "/wallet"):
        assert shared_web.get(short, follow_redirects=False).headers["location"] == "/wallet/"


@pytest.mark.parametrize(
    "path", ["nothing.js", "../package.json", "..%2fpackage.json", "%2e%2e/package.json", "assets/", "/etc/passwd"]
)
def test_nothing_but_the_build_is_served(shared_web, path):
    answer = shared_web.get(f"/wallet/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_a_page_that_was_not_built_says_how(make_forge, web_over, tmp_path):
    forge = make_forge()
    forge.limits = {"page_dir": tmp_path}
    forge.restart()
    answer = web_over(forge).get("/wallet/")
    assert answer.status_code == 503
    assert "make setup" in answer.json()["detail"]


def test_the_page_is_small_and_loads_nothing_from_elsewhere():
    files = {path: path.read_bytes() for path in BUILT.rglob("*") if path.is_file()}
    size = sum(len(gzip.compress(content, 9)) for content in files.values())
    assert size <= BUDGET, f"the page has {size} bytes compressed"
    html = (BUILT / "index.html").read_text()
    assert "http" not in html
    assert "<style" not in html
    assert "<script>" not in html, "no inline script"
