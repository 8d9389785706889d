"""Several nodes as one: the freshest is read from, and the others must have the same block.

Agreement stops a single node that lies about which chain there is, or lags; what a node says of the state at a block
is proven anyway. A node that does not answer has no say: as long as one does, there are answers.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from ledger.errors import LedgerUnavailable
from ledger.model import Address, Hash
from ledger.ports import Chain, Logged
from ledger.proofs import AccountProof, Header, SlotProof
from ledger.services.trust import Trust

MAX_BEHIND = 1
"""Blocks that another node may be behind, if it has the parent."""
T = TypeVar("T")


class Endpoints:
    """The port `Chain` on one or more others.

    Args:
        chains: the nodes; the first is preferred.
        trust: is told when none answers, and when they disagree.
    """

    def __init__(self, chains: Sequence[Chain], trust: Trust) -> None:
        self._chains, self._trust = list(chains), trust
        self._agreed: tuple[tuple[int, Hash], ...] = ()

    def chain_id(self) -> int:
        """The id of the chain, as the node that is read from says."""
        return self._ask(lambda chain: chain.chain_id())

    def head(self) -> Header:
        """The newest block that any node has, if the others have it, or its parent, too.

        Raises:
            LedgerUnavailable: no node answers, another is further behind, or they disagree.
        """
        heads: list[tuple[Chain, Header]] = []
        problem: LedgerUnavailable | None = None
        for chain in self._chains:
            try:
                heads.append((chain, chain.head()))
            except LedgerUnavailable as error:
                problem = error
        if not heads:
            self._trust.outage()
            raise problem or LedgerUnavailable("There is no Ethereum node to ask.")
        reading, head = max(heads, key=lambda found: found[1].number)  # of several, the first: the preferred
        names = tuple((id(chain), found.hash) for chain, found in heads)
        if names != self._agreed:
            for _, found in heads:
                self._compare(head, reading, found)
            self._agreed = names
        self._chains.sort(key=lambda chain: chain is not reading)
        return head

    def _compare(self, head: Header, reading: Chain, found: Header) -> None:
        """Another node's newest block must be the head, its parent or, of a node that lags, one that leads to it."""
        if head.number - found.number <= MAX_BEHIND:
            same = found.hash == (head.hash if found.number == head.number else head.parent_hash)
        else:
            same = reading.header(found.number).hash == found.hash
        if not same:
            self._trust.disagreement(head.number)
            raise LedgerUnavailable("The Ethereum nodes disagree on the newest blocks. Ask again later.")
        if head.number - found.number > MAX_BEHIND:
            raise LedgerUnavailable("An Ethereum node is behind the others. Ask again shortly.")

    def header(self, number: int) -> Header:
        """The block at a height now."""
        return self._ask(lambda chain: chain.header(number))

    def events(self, block: Hash) -> list[Logged]:
        """All our events in one block, in log order."""
        return self._ask(lambda chain: chain.events(block))

    def events_between(self, first: int, last: int) -> list[Logged]:
        """All our events in a range of blocks, in order."""
        return self._ask(lambda chain: chain.events_between(first, last))

    def proof(self, block: Hash, contract: str, slots: Sequence[Hash]) -> tuple[AccountProof, tuple[SlotProof, ...]]:
        """The account proof and slot proofs of one of our contracts, as of a block. Unverified."""
        # A node that no longer has the state of an old block is not out of reach.
        return self._ask(lambda chain: chain.proof(block, contract, slots), needed=False)

    def account_proof(self, block: Hash, account: Address) -> AccountProof:
        """The proof of any account, as of a block. Unverified."""
        return self._ask(lambda chain: chain.account_proof(block, account), needed=False)

    def _ask(self, question: Callable[[Chain], T], needed: bool = True) -> T:
        """The answer of the node that is read from, or of the next that answers: what it says is verified anyway."""
        problem: LedgerUnavailable | None = None
        for chain in list(self._chains):
            try:
                return question(chain)
            except LedgerUnavailable as error:
                problem = error
        if needed:
            self._trust.outage()
        raise problem or LedgerUnavailable("There is no Ethereum node to ask.")
