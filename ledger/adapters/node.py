"""One JSON-RPC endpoint over kept-alive connections. Every failure becomes `LedgerUnavailable`."""

import itertools
import json
import time
from collections.abc import Iterable
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import msgspec
import urllib3

from ledger.errors import InvalidInput, LedgerUnavailable

TIMEOUT = 5.0
"""Seconds after which a node that has not answered counts as unreachable."""
MAX_ANSWER = 64 * 2**20
"""Bytes of the largest answer that is read."""
AT_ONCE = 100
"""Calls in one request; nodes refuse larger batches."""
_CHUNK = 2**18
_NO_GAS = ("out of gas", "outofgas", "oog", "gas required exceeds allowance", "reentrancy sentry")
"""As geth, Hardhat and revm (anvil, reth) say it; the last is writing to storage with 2,300 left (EIP-2200)."""
T = TypeVar("T")


class _Answer(msgspec.Struct, Generic[T]):
    """A JSON-RPC answer whose result is of a known type."""

    id: int
    result: T | msgspec.UnsetType = msgspec.UNSET
    error: Any = None


class Reverted(LedgerUnavailable):
    """The node ran a call and the contract refused it; `data` is what the contract said."""

    def __init__(self, data: str) -> None:
        super().__init__("The contract refuses the call.")
        self.data = data


class OutOfGas(LedgerUnavailable):
    """The node ran a call, and the gas it was given did not suffice."""


class Node:
    """One endpoint, usable from several threads.

    Args:
        url: of the endpoint.
        timeout: seconds for a whole answer, not for each piece of it.

    Raises:
        InvalidInput: the URL names nothing that could be asked.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise InvalidInput(f"{url} does not name an Ethereum node; it should look like http://127.0.0.1:8545")
        self.url, self._timeout = url, timeout
        # Of an address only so much is shown: what follows can be the key of an account with a provider.
        self._shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        # A connection that the node dropped meanwhile is replaced; a request that was sent is never repeated.
        self._pool = urllib3.PoolManager(
            maxsize=16, retries=False, timeout=timeout, headers={"Content-Type": "application/json"}
        )
        self._ids = itertools.count(1)

    def request(self, method: str, *params: Any) -> Any:
        """The result of one call, as raw JSON.

        Raises:
            LedgerUnavailable: no answer in time, an error, or something that is not an answer to this call.
            Reverted: of those, a contract that refused.
        """
        name = next(self._ids)
        answer = self._exchange({"jsonrpc": "2.0", "id": name, "method": method, "params": list(params)})
        return self._result(answer, name, method)

    def request_as(self, kind: type[T], method: str, *params: Any) -> T:
        """As `request`, with the result read straight into a type: several times faster where there are many logs.

        Raises:
            LedgerUnavailable, Reverted: as `request`; or the result is not of that type.
        """
        name = next(self._ids)
        data = self._post({"jsonrpc": "2.0", "id": name, "method": method, "params": list(params)})
        try:
            answer = msgspec.json.decode(data, type=_Answer[kind])  # type: ignore[valid-type]
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise LedgerUnavailable(
                f"The Ethereum node answered {method} with something that cannot be read."
            ) from error
        told = {"id": answer.id, "error": answer.error}
        if answer.result is not msgspec.UNSET:
            told["result"] = answer.result
        found: T = self._result(told, name, method)
        return found

    def batch(self, method: str, calls: Iterable[tuple[Any, ...]]) -> list[Any]:
        """The results of many calls of one method, in their order.

        Raises:
            LedgerUnavailable: as `request`, if any of them fails.
        """
        results: list[Any] = []
        waiting = list(calls)
        for start in range(0, len(waiting), AT_ONCE):
            names = {next(self._ids): params for params in waiting[start : start + AT_ONCE]}
            body = [
                {"jsonrpc": "2.0", "id": name, "method": method, "params": list(params)}
                for name, params in names.items()
            ]
            answers = self._exchange(body)
            if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
                raise LedgerUnavailable("The Ethereum node does not answer several questions at once.")
            by_name = {answer["id"]: answer for answer in answers if type(answer.get("id")) is int}
            results += [self._result(by_name.get(name), name, method) for name in names]
        return results

    def _exchange(self, body: Any) -> Any:
        try:
            return json.loads(self._post(body))
        except (ValueError, RecursionError) as error:
            raise self._silent(error) from error

    def _silent(self, error: Exception) -> LedgerUnavailable:
        return LedgerUnavailable(f"The Ethereum node does not answer ({type(error).__name__}).", self._shown)

    def _post(self, body: Any) -> bytearray:
        deadline = time.monotonic() + self._timeout
        try:
            answer = self._pool.request("POST", self.url, body=json.dumps(body).encode(), preload_content=False)
            with answer:
                data = bytearray()
                while chunk := answer.read1(_CHUNK):  # not `read`, which waits until it has all of them
                    data += chunk
                    if time.monotonic() > deadline or len(data) > MAX_ANSWER:
                        answer.close()
                        raise LedgerUnavailable("The Ethereum node takes too long to answer.", self._shown)
                answer.release_conn()
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            raise self._silent(error) from error
        return data

    @staticmethod
    def _result(answer: Any, name: int, method: str) -> Any:
        if not isinstance(answer, dict) or answer.get("id") != name:
            raise LedgerUnavailable("What answers is not an Ethereum node, or answers another question.")
        if (error := answer.get("error")) is not None:
            if (data := _revert_data(error)) is not None:
                raise Reverted(data)
            if _out_of_gas(error):
                raise OutOfGas("The gas does not suffice for the call.")
            # A node's message may quote what we sent; its code says enough to a person and less to a log.
            code = error.get("code") if isinstance(error, dict) else "?"
            raise LedgerUnavailable(f"The Ethereum node refused {method} (error {code}).")
        if "result" not in answer:
            raise LedgerUnavailable("The Ethereum node answered without a result.")
        return answer["result"]


def _revert_data(error: Any) -> str | None:
    """What a contract said when it refused; None when the error is none of a contract's.

    anvil and geth answer code 3 with the data, Hardhat puts it one level deeper.
    """
    data = error.get("data") if isinstance(error, dict) else None
    if isinstance(data, dict):
        data = data.get("data")
    if isinstance(data, str) and data.startswith("0x"):
        return data
    return "0x" if isinstance(error, dict) and error.get("code") == 3 else None


def _out_of_gas(error: Any) -> bool:
    """Whether a call ended for want of gas. There is no code of its own for that: each node says it in words."""
    message = error.get("message") if isinstance(error, dict) else None
    return isinstance(message, str) and any(words in message.lower() for words in _NO_GAS)
