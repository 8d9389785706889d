"""The auditor's side: what a node alone can show, without the service."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ledger.adapters.chain import Web3Chain
from ledger.adapters.node import Node
from ledger.adapters.replay import Row, RunningHeads, event_of, rows_between
from ledger.deployment import Deployment
from ledger.errors import InvalidFile, InvalidProof, LedgerUnavailable, WrongChain
from ledger.events import WITH_HEAD
from ledger.model import Address, Hash
from ledger.proofs import Header
from ledger.slots import ProvenFacts, Slot, checkpoint_slots, head_slot
from ledger.state import LedgerState
from scripts import parquet
from scripts.deploy import check_chain

INCOMPLETE = "The events do not add up to the contracts' heads: logs are withheld, changed, doubled or out of order."
LOGS_TIMEOUT = 60.0
"""Seconds for an answer with some ten thousand logs."""
PROOF_TRIES = 5


@dataclass(frozen=True)
class Replayed:
    """What replaying found.

    Attributes:
        heads: recomputed from the events; `proven` as the contracts hold them, by storage proof.
        anchored: whether the last checkpoint of every access log is the one the chain holds, by storage proof.
        state: everything the contracts hold, if it was asked for: it grows with the ledger, the heads do not.
    """

    block: int
    hash: Hash
    events: int
    heads: dict[str, Hash]
    proven: dict[str, Hash]
    anchored: bool
    state: LedgerState | None

    @property
    def heads_match(self) -> bool:
        """Whether no event was withheld, forged, doubled or reordered."""
        return self.heads == self.proven and self.anchored

    def digest(self) -> str | None:
        """Of the whole state, if it was asked for."""
        return None if self.state is None else self.state.digest()


Progress = Callable[[int, int], None]
"""Called with (blocks done, blocks in all)."""


def replay_chain(
    rpc_url: str,
    deployment: Deployment,
    progress: Progress | None = None,
    file: Path | None = None,
    with_state: bool = False,
) -> Replayed:
    """Replay all events and prove the contracts' heads against them.

    Args:
        file: exported logs to read instead of asking the node for those blocks; the node is asked for later ones.
        with_state: compute the whole state as well, which takes longer and memory.

    Raises:
        WrongChain: the node or the file is of another chain. InvalidFile: the file is not one of exported logs.
        InvalidProof: a proof does not hold.
        LedgerUnavailable: the node does not answer, or a log is out of place or not one of the contracts.
    """
    check_chain(rpc_url, deployment)
    node = Node(rpc_url, LOGS_TIMEOUT)
    chain = Web3Chain(node, deployment)
    head = chain.head()
    running = RunningHeads(deployment)
    state = LedgerState.empty(deployment.chain_id, deployment.addresses) if with_state else None
    with ThreadPoolExecutor(1) as prover:
        proving = prover.submit(_prove_heads, chain, deployment, head)  # the node works on them while we read
        for done, rows in _rows(node, deployment, head.number, file):
            running.fold(rows)
            if state is not None:
                for row in rows:
                    state.apply(event_of(row))
            if progress:
                progress(done + 1, head.number + 1)
        proven = proving.result()
    anchored = _is_anchored(chain, deployment, head, running)
    return Replayed(head.number, head.hash, running.events, running.heads(), proven, anchored, state)


def _rows(node: Node, deployment: Deployment, last: int, file: Path | None) -> Iterator[tuple[int, list[Row]]]:
    first = deployment.first_block
    if file is not None:
        held = parquet.extent(file, deployment).block
        if held > last:
            raise InvalidProof(
                f"{file} reaches to block {held}, the node only to {last}. Ask a node that has caught up."
            )
        for rows in parquet.read(file):
            if rows[-1][2] > held:
                raise InvalidFile(f"{file} holds logs of later blocks than {held}, which it says is its last.")
            yield rows[-1][2], rows
        first = max(first, held + 1)
    yield from rows_between(node, deployment, first, last)


def _prove_heads(chain: Web3Chain, deployment: Deployment, head: Header) -> dict[str, Hash]:
    """The heads as the contracts hold them."""
    return {
        contract: prove_slots(chain, deployment, head, [head_slot(contract)]).head(contract) for contract in WITH_HEAD
    }


def _is_anchored(chain: Web3Chain, deployment: Deployment, head: Header, running: RunningHeads) -> bool:
    """Whether every access log's last checkpoint is the one on chain."""
    return all(
        prove_slots(chain, deployment, head, checkpoint_slots(*log)).checkpoint(*log) == (last.size, last.at, last.root)
        for log, last in running.checkpoints.items()
    )


def export_logs(rpc_url: str, deployment: Deployment, file: Path, progress: Progress | None = None) -> tuple[int, int]:
    """Write every log up to the newest block into a Parquet file, once the heads they add up to are proven.

    Returns:
        The last block and the number of logs.

    Raises:
        InvalidFile: the file is there already or cannot be written.
        InvalidProof: the logs do not add up to the contracts' heads. WrongChain, LedgerUnavailable: as `replay_chain`.
    """
    check_chain(rpc_url, deployment)
    node = Node(rpc_url, LOGS_TIMEOUT)
    chain = Web3Chain(node, deployment)
    head = chain.head()
    running = RunningHeads(deployment)

    def batches() -> Iterator[list[Row]]:
        for done, rows in rows_between(node, deployment, deployment.first_block, head.number):
            running.fold(rows)
            yield rows
            if progress:
                progress(done + 1, head.number + 1)
        proven = _prove_heads(chain, deployment, head)
        if proven != running.heads() or not _is_anchored(chain, deployment, head, running):
            raise InvalidProof(INCOMPLETE)

    return head.number, parquet.write(file, deployment, head.number, batches())


def anchored_checkpoint(rpc_url: str, deployment: Deployment, logger: Address, log: Hash) -> tuple[int, int, Hash]:
    """What CheckpointLog holds of an access log, by storage proof: size, time, root; all zero when nothing.

    Raises:
        WrongChain, InvalidProof, LedgerUnavailable: as `replay_chain`.
    """
    check_chain(rpc_url, deployment)
    chain = Web3Chain(Node(rpc_url), deployment)
    return prove_slots(chain, deployment, chain.head(), checkpoint_slots(logger, log)).checkpoint(logger, log)


def prove_slots(chain: Web3Chain, deployment: Deployment, head: Header, slots: Sequence[Slot]) -> ProvenFacts:
    """Slots of one contract at a block, whose code must be what was deployed.

    Raises:
        WrongChain: it is other code. InvalidProof: a proof does not hold. LedgerUnavailable: there is none.
    """
    contract = slots[0].contract
    for attempt in range(PROOF_TRIES):
        try:
            account_proof, proofs = chain.proof(head.hash, contract, [slot.key for slot in slots])
            account = account_proof.verify(head)
            if account.code_hash != deployment.contracts[contract].code_hash:
                raise WrongChain(f"The contract {contract} has other code than was deployed.")
            return ProvenFacts({(contract, proof.key): proof.verify(account) for proof in proofs})
        except InvalidProof:
            if attempt == PROOF_TRIES - 1:
                raise
    raise LedgerUnavailable(f"The storage of {contract} cannot be proven.")
