"""All logs of a deployment as a stream, and the running heads they add up to, many times faster than event by event.

A row is a log as it was emitted, in hexadecimal digits; it comes from a node here, or from a file (`scripts.parquet`).
What the head covers of an event is its operation (`ledger.events`): who recorded it for the subject (`signer`) and
the transaction are told by whoever hands out the logs, and proven by nothing here.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from typing import cast

import msgspec

from ledger.adapters.logs import decode, event_topics
from ledger.adapters.node import Node
from ledger.deployment import Deployment
from ledger.errors import LedgerUnavailable
from ledger.events import WITH_HEAD, Checkpointed, LedgerEvent, first_head
from ledger.model import Address, Hash, keccak, to_hash
from ledger.proofs import verify_header

Row = tuple[str, str, int, int, int, str | None, str | None, str | None, str, str, str]
"""(contract, event, block number, log index, time of the block, indexed arguments 1 to 3, data, block, transaction)."""

WANTED = 20_000
"""Logs that one answer should bring: enough to be quick, few enough to hold two answers in memory."""
MOST_BLOCKS = 100_000
_SIMPLE = {
    ("ConsentRegistry", "Granted"): (f"{1:064x}", 66),
    ("ConsentRegistry", "Revoked"): (f"{2:064x}", 66),
    ("PolicyRegistry", "Published"): (f"{32:064x}", 2),
    ("PolicyRegistry", "Retracted"): (f"{34:064x}", 2),
}
"""Events whose operation is their two indexed arguments: the word of its kind, and the length of their data in text."""


class _Log(msgspec.Struct, rename="camel"):
    """A log as a node answers it."""

    address: str
    topics: list[str]
    data: str
    block_number: str
    block_hash: str
    transaction_hash: str
    log_index: str
    block_timestamp: str | None = None
    removed: bool = False


def rows_between(node: Node, deployment: Deployment, first: int, last: int) -> Iterator[tuple[int, list[Row]]]:
    """All rows in a range of blocks, in order, a few thousand at a time; the next answer is read meanwhile.

    Yields:
        (the last block that is read, its rows and those before it).

    Raises:
        LedgerUnavailable: the node does not answer, or not with logs.
    """
    names = {address.lower(): name for name, address in deployment.addresses.items()}
    with ThreadPoolExecutor(1) as reader:
        blocks = 25
        end = min(first + blocks - 1, last)
        coming = reader.submit(_logs, node, names, first, end)
        while first <= last:
            try:
                logs = coming.result()
            except LedgerUnavailable:
                if end == first:
                    raise
                end = first + (end - first) // 2  # nodes refuse what is too much, in as many ways as there are nodes
                blocks = end - first + 1
                coming = reader.submit(_logs, node, names, first, end)
                continue
            # Half as many or twice as many blocks the next time, for answers of about the same size.
            if len(logs) > WANTED:
                blocks = max(blocks // 2, 1)
            elif len(logs) < WANTED // 2:
                blocks = min(blocks * 2, MOST_BLOCKS)
            read, first, end = end, end + 1, min(end + blocks, last)
            if first <= last:
                coming = reader.submit(_logs, node, names, first, end)
            yield read, _rows(node, names, logs)


def _logs(node: Node, names: dict[str, str], first: int, last: int) -> list[_Log]:
    wanted = {"address": list(names), "fromBlock": hex(first), "toBlock": hex(last)}
    return node.request_as(list[_Log], "eth_getLogs", wanted)


def _rows(node: Node, names: dict[str, str], logs: list[_Log]) -> list[Row]:
    events, known = event_topics(), dict[tuple[str, str], tuple[str, str]]()
    rows: list[Row] = []
    block, number, at = "", 0, 0
    try:
        times = _times(node, logs)
        for log in logs:
            topics = log.topics
            if log.block_hash != block:
                block, number, at = log.block_hash, int(log.block_number, 16), times[log.block_hash]
            if log.removed or number != int(log.block_number, 16):
                raise LedgerUnavailable("The Ethereum node answered with a log that was reorganised away.")
            names_of = known.get((log.address, topics[0]))
            if names_of is None:
                contract = names[log.address.lower()]
                if (event := events.get((contract, topics[0]))) is None:
                    continue  # one of OpenZeppelin's own
                known[log.address, topics[0]] = names_of = contract, event
            first, second, third = (*topics[1:], None, None, None)[:3]
            index = int(log.log_index, 16)
            rows.append((*names_of, number, index, at, first, second, third, log.data, block, log.transaction_hash))
    except (KeyError, ValueError, IndexError) as error:
        raise LedgerUnavailable("The Ethereum node answered with a log that cannot be read.") from error
    rows.sort(key=lambda row: (row[2], row[3]))
    return rows


def _times(node: Node, logs: list[_Log]) -> dict[str, int]:
    """The times of the blocks. A wrong one does no harm: the running head is folded over it."""
    told = {log.block_hash: log.block_timestamp for log in logs}
    times = {block: int(time, 16) for block, time in told.items() if time}
    missing = {log.block_hash: log.block_number for log in logs if log.block_hash not in times}
    answers = node.batch("eth_getBlockByNumber", [(number, False) for number in missing.values()])
    for block, answer in zip(missing, answers, strict=True):
        header = verify_header(answer)
        if header.hash != block:
            raise LedgerUnavailable("The chain was reorganised while it was read.")
        times[block] = header.timestamp
    return times


@lru_cache(maxsize=1024)
def _word(number: int) -> str:
    if not 0 <= number < 2**64:
        raise ValueError
    return f"{number:064x}"


@cache
def _topics() -> dict[tuple[str, str], str]:
    return {(contract, event): topic for (contract, topic), event in event_topics().items()}


def event_of(row: Row) -> LedgerEvent:
    """The event of a row.

    Raises:
        LedgerUnavailable: it is not what the contract emits.
    """
    contract, name, _, _, at, *topics, data, _block, _transaction = row
    topic = _topics().get((contract, name))
    log = {"topics": [topic, *(topic for topic in topics if topic is not None)], "data": data}
    found = decode(contract, log, at) if topic else None
    if found is None:
        raise LedgerUnavailable(f"{contract} has no event {name}.")
    return found


def _operation(kind: str, size: int, subject: str, value: str, data: str, at: int) -> bytes:
    """What is hashed with the head, in words: kind, subject, value and time."""
    if len(subject) != 66 or len(value) != 66 or subject[:2] + value[:2] != "0x0x" or len(data) != size:
        raise ValueError
    operation = bytes.fromhex(kind + subject[2:] + value[2:] + _word(at))
    if len(operation) != 128:  # there was a space among the digits
        raise ValueError
    return operation


class RunningHeads:
    """The heads after the rows that were folded so far. Holds nothing of the rows but what was last anchored.

    Attributes:
        events: how many were folded.
        checkpoints: what each access log anchored last, by (logger, log): CheckpointLog keeps no head.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._heads = {
            name: bytes.fromhex(first_head(deployment.chain_id, deployment.addresses[name])[2:]) for name in WITH_HEAD
        }
        self._last = -1, -1
        self.events = 0
        self.checkpoints: dict[tuple[Address, Hash], Checkpointed] = {}

    def heads(self) -> dict[str, Hash]:
        """By contract."""
        return {name: to_hash(head) for name, head in self._heads.items()}

    def fold(self, rows: Iterable[Row]) -> None:
        """Take rows into account, in the order of the chain.

        Raises:
            LedgerUnavailable: one is out of place, or not what the contract emits.
        """
        heads = self._heads
        block, index = self._last
        count = 0
        try:
            for row in rows:
                contract, event, number, log, at, first, second, third, data, _, _ = row
                if number < block or (number == block and log <= index):
                    raise LedgerUnavailable(f"Log {log} of block {number} is there twice, or after a later one.")
                block, index = number, log
                count += 1
                simple = _SIMPLE.get((contract, event))
                if simple is not None and third is None:
                    operation = _operation(*simple, cast(str, first), cast(str, second), data, at)
                    heads[contract] = keccak(heads[contract] + operation)
                else:
                    self._fold_rare(row)
        except (TypeError, ValueError, KeyError) as error:
            raise LedgerUnavailable(f"Log {index} of block {block} cannot be read.") from error
        self._last = block, index
        self.events += count

    def _fold_rare(self, row: Row) -> None:
        event = event_of(row)
        if isinstance(event, Checkpointed):
            self.checkpoints[event.logger, event.log_id] = event
        elif (operation := event.operation()) is not None:
            head = operation.fold(to_hash(self._heads[event.CONTRACT]), event.at)
            self._heads[event.CONTRACT] = bytes.fromhex(head[2:])
