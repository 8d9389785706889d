"""One HTTP connection to a Volens service: problems become our own errors, signing in is one call."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Protocol, Self, cast
from urllib.parse import urlsplit

import httpx

from ledger import errors, siwe
from ledger.deployment import Deployment
from ledger.errors import InvalidInput, NotAuthorised, Refused, Unavailable, VolensError, WrongChain
from ledger.model import Address, Hash, hash32

MAX_ANSWER = 16 * 2**20
CHUNK = 2**18
SIGN_IN_LIFE = 300
STATEMENT = "Sign in to Volens."
_NO_SERVICE = frozenset({400, 404, 405, 406, 415, 426, 501})
"""With these something else answers, such as a node; only a service says why it refuses."""
_CODE = re.compile(r"[A-Za-z0-9_-]{1,200}")


class Signer(Protocol):
    """Whoever can sign 32 bytes for an address."""

    @property
    def address(self) -> Address: ...  # noqa: D102
    def sign(self, digest: bytes) -> str: ...  # noqa: D102


def _families() -> dict[str, type[VolensError]]:
    found: dict[str, type[VolensError]] = {}
    waiting: list[type[VolensError]] = [VolensError]
    while waiting:
        family = waiting.pop()
        found.setdefault(family.code, family)
        waiting.extend(family.__subclasses__())
    return found


@contextmanager
def reading() -> Iterator[None]:
    """Around what reads answers: one that has not the form it should have is the service's fault.

    Raises:
        Unavailable: an answer cannot be read.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise Unavailable("The service answered with something that cannot be read.") from error


class Client:
    """A connection to one service, optionally signed in.

    Args:
        url: of the service, for example ``http://127.0.0.1:8380``.
        pinned: deployment facts from elsewhere; the service must be on exactly this ledger.
    """

    def __init__(self, url: str, pinned: Deployment | None = None, timeout: float = 30.0) -> None:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except (ValueError, RecursionError):
            usable = False
        if not usable:
            raise InvalidInput(f"{url} is not the address of a service; it should look like http://127.0.0.1:8380")
        self.url = url.rstrip("/")
        self.domain = parts.netloc
        self._http = httpx.Client(base_url=self.url, timeout=timeout, follow_redirects=False, trust_env=False)
        self._deployment = pinned
        self._receipt_key: str | None = None
        self._checked = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Send JSON, get JSON.

        Raises:
            VolensError: the one the service named, or `Unavailable` when it cannot be reached.
        """
        try:
            answer = self._http.request(method, path, **({"json": body} if body is not None else {}), **options)
        except httpx.HTTPError as error:
            raise Unavailable(f"The service at {self.url} does not answer ({type(error).__name__}).") from None
        if answer.is_success:
            try:
                return answer.json()
            except (ValueError, RecursionError):
                raise Unavailable(f"The service at {self.url} answered with something that is not JSON.") from None
        raise _error_of(answer, self.url)

    def get(self, path: str) -> Any:
        """GET JSON."""
        return self.request("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        """POST JSON, get JSON."""
        return self.request("POST", path, body if body is not None else {})

    def text(self, path: str) -> str:
        """GET text, at most 16 MiB.

        Raises:
            Unavailable: it is not text.
        """
        try:
            return self.bytes_of(path).decode()
        except UnicodeDecodeError:
            raise Unavailable(f"The service at {self.url} answered with something that is not text.") from None

    def bytes_of(self, path: str) -> bytes:
        """GET bytes, at most 16 MiB."""
        data = b"".join(self._stream(path, MAX_ANSWER))
        return data

    def sealed(self, digest: Hash, limit: int) -> BinaryIO:
        """The sealed bytes of an item, to be read as they arrive.

        Raises:
            Unavailable: while reading: the service sends more than `limit` bytes, or stops answering.
        """
        return cast(BinaryIO, _Arriving(self._stream(f"/v1/items/{digest}", limit)))

    def _stream(self, path: str, limit: int) -> Iterator[bytes]:
        received = 0
        try:
            with self._http.stream("GET", path) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _error_of(answer, self.url)
                for chunk in answer.iter_bytes(CHUNK):
                    received += len(chunk)
                    if received > limit:
                        raise Unavailable("The service sends more than it announced.")
                    yield chunk
        except httpx.HTTPError as error:
            raise Unavailable(f"The service at {self.url} does not answer ({type(error).__name__}).") from None

    @property
    def deployment(self) -> Deployment:
        """The ledger the service is on.

        Raises:
            WrongChain: it is not the pinned one.
        """
        if not self._checked:
            answer = self.get("/v1/ledger")
            if not isinstance(answer, dict) or "deployment" not in answer:
                raise Unavailable(f"What answers at {self.url} is not a Volens service.")
            stated = Deployment.from_json(answer["deployment"])
            if self._deployment is not None and stated != self._deployment:
                raise WrongChain("The service is on another ledger than the one pinned here. Nothing was signed.")
            self._deployment, self._checked = stated, True
            self._receipt_key = answer.get("receiptKey")
        assert self._deployment is not None  # noqa: S101 (set above)
        return self._deployment

    @property
    def receipt_key(self) -> bytes:
        """The Ed25519 key with which the service says that it signs receipts; pin it.

        Raises:
            InvalidProof: it names none.
        """
        self.deployment  # noqa: B018 (asks the service)
        try:
            return bytes.fromhex(hash32(self._receipt_key, "receiptKey")[2:])
        except errors.InvalidMessage:
            raise errors.InvalidProof("The service does not say how it signs receipts.") from None

    @reading()
    def nonce(self) -> str:
        """A nonce for a sign-in message."""
        return str(self.post("/v1/auth/nonce")["nonce"])

    @reading()
    def sign_in(self, signer: Signer) -> Self:
        """Sign in; every later request carries the token."""
        now = int(time.time())
        message = siwe.SignIn(
            self.domain,
            signer.address,
            STATEMENT,
            self.url,
            self.deployment.chain_id,
            self.nonce(),
            now,
            now + SIGN_IN_LIFE,
        )
        text = message.text()
        token = self.post("/v1/auth/verify", {"message": text, "signature": signer.sign(siwe.personal_digest(text))})
        self._http.headers["Authorization"] = f"Bearer {token['access_token']}"
        return self

    @reading()
    def party_name(self, party: Address) -> str | None:
        """The name the Directory gives an address."""
        try:
            name = self.get(f"/v1/parties/{party}")["name"]
        except errors.NotFound:
            return None
        return None if name is None else str(name)

    @reading()
    def wait_for(self, relay: str, status: tuple[str, ...] = ("recorded", "final"), seconds: float = 60) -> Any:
        """Wait until a relayed message is on the chain.

        Raises:
            Refused: the contract refused it. Unavailable: it is not there in time; it stays on its way.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.get(f"/v1/relays/{relay}")
            if found["status"] == "failed":
                raise Refused(f"The contract refused the message: {found['problem']}.")
            if found["status"] in status:
                return found
            time.sleep(0.1)
        raise Unavailable("The message is accepted but not yet recorded. It will be; look again later.")


class _Arriving:
    """Pieces of any size as a stream to read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._piece, self._at = pieces, b"", 0

    def read(self, size: int) -> bytes:
        """At most so many bytes; none at the end."""
        if self._at == len(self._piece):
            self._piece, self._at = next(self._pieces, b""), 0
        data = self._piece[self._at : self._at + size]
        self._at += len(data)
        return data


def part(text: str) -> str:
    """A piece of a path that a person typed: one piece, whatever is in it.

    Raises:
        InvalidInput: it cannot be a code that a service gave out.
    """
    if not _CODE.fullmatch(text):
        raise InvalidInput("This is not a code that a service gave out; was it copied whole?")
    return text


def _error_of(answer: httpx.Response, url: str = "this address") -> VolensError:
    try:
        problem = answer.json()
        code, detail = str(problem["type"]).rpartition(":")[2], str(problem["detail"])
    except (ValueError, KeyError, TypeError, RecursionError):
        code, problem = "", {}
        detail = answer.text.strip()[:300] or f"The service answered {answer.status_code}."
        if answer.status_code in _NO_SERVICE:
            said = f"What answers at {url} is not a Volens service: it says {answer.status_code}."
            detail = f"{said} Give the address of a service, not of a node or of anything else."
    if answer.status_code in (401, 403) and (code in ("", NotAuthorised.code)):
        return NotAuthorised(detail, str(problem.get("reason", "not_signed_in")))
    family = _families().get(code)
    if family is errors.InvalidMessage:
        return errors.InvalidMessage(*_field(problem.get("errors"), detail))
    if family is None:
        family = InvalidInput if 400 <= answer.status_code < 500 else Unavailable
    return family(detail)


def _field(told: Any, detail: str) -> tuple[str, str]:
    """The first field that is wrong, and what is wrong with it."""
    try:
        return str(told[0]["field"]), str(told[0]["problem"])
    except (LookupError, TypeError):
        return "message", detail


def read_deployment(text: str) -> Deployment:
    """Deployment facts from a file's text.

    Raises:
        InvalidInput: they are not.
    """
    try:
        return Deployment.from_json(json.loads(text))
    except (ValueError, RecursionError):
        raise InvalidInput("This file does not hold deployment facts.") from None
