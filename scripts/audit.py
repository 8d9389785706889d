"""The auditor's side: what a node alone can show, without the service."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledger.adapters.chain import Web3Chain
from ledger.adapters.node import Node
from ledger.deployment import Deployment
from ledger.errors import InvalidProof, LedgerUnavailable, WrongChain
from ledger.events import WITH_HEAD
from ledger.model import Address, Hash
from ledger.proofs import Header
from ledger.slots import ProvenFacts, Slot, checkpoint_slots, head_slot
from ledger.state import LedgerState
from scripts.deploy import check_chain

STEP = 2000
PROOF_TRIES = 5


@dataclass(frozen=True)
class Replayed:
    """What replaying found.

    Attributes:
        heads: recomputed from the events; `proven` as the contracts hold them, by storage proof.
        digest: of the whole state.
    """

    block: int
    hash: Hash
    events: int
    heads: dict[str, Hash]
    proven: dict[str, Hash]
    digest: str
    state: LedgerState

    @property
    def heads_match(self) -> bool:
        """Whether no event was withheld, forged or reordered."""
        return self.heads == self.proven


def replay_chain(rpc_url: str, deployment: Deployment, progress: Callable[[int, int], None] | None = None) -> Replayed:
    """Replay all events from a node and prove the contracts' heads against them.

    Args:
        progress: called with (blocks done, blocks in all).

    Raises:
        WrongChain: the node is on another chain. InvalidProof: a proof does not hold.
        LedgerUnavailable: the node does not answer.
    """
    check_chain(rpc_url, deployment)
    chain = Web3Chain(Node(rpc_url), deployment)
    head = chain.head()
    state = LedgerState.empty(deployment.chain_id, deployment.addresses)
    events = 0
    for first in range(deployment.first_block, head.number + 1, STEP):
        last = min(first + STEP - 1, head.number)
        for logged in chain.events_between(first, last):
            state.apply(logged.event)
            events += 1
        if progress:
            progress(last + 1, head.number + 1)
    proven = {contract: _prove(chain, deployment, head, [head_slot(contract)]).head(contract) for contract in WITH_HEAD}
    return Replayed(head.number, head.hash, events, dict(state.heads), proven, state.digest(), state)


def anchored_checkpoint(rpc_url: str, deployment: Deployment, logger: Address, log: Hash) -> tuple[int, int, Hash]:
    """What CheckpointLog holds of an access log, by storage proof: size, time, root; all zero when nothing.

    Raises:
        WrongChain, InvalidProof, LedgerUnavailable: as `replay_chain`.
    """
    check_chain(rpc_url, deployment)
    chain = Web3Chain(Node(rpc_url), deployment)
    return _prove(chain, deployment, chain.head(), checkpoint_slots(logger, log)).checkpoint(logger, log)


def _prove(chain: Web3Chain, deployment: Deployment, head: Header, slots: Sequence[Slot]) -> ProvenFacts:
    """Slots of one contract at a block."""
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
