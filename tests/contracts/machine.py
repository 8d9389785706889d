"""The state machine: whatever anybody does, in whatever order and on whichever fork, contracts and model agree.

Hypothesis chooses who does what. `ledger.adapters.rules` says beforehand what each call does, or with which error it is
refused; `ledger.state` folds what was said. Each block is then compared with the node: receipts, events, storage slots,
views and heads. What no model can say of itself is said here again, in `_check_promises`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, ClassVar

from deployed import ANSWERS, OWNER, PASSWORD, START, Actor, Deployed, View, name_of, person
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ledger.adapters.rules import CLOCK_DRIFT, Contracts, Reverted, message_hash
from ledger.events import (
    WITH_HEAD,
    Checkpointed,
    Closed,
    Granted,
    LedgerEvent,
    Registered,
    Revoked,
    RevokedAll,
    Suspended,
    SuspensionChanged,
)
from ledger.model import LONGEST_CONSENT, RIGHT_GRANT, RIGHT_REVOKE, ZERO_ADDRESS, Address, Hash, to_hash
from ledger.ports import Call
from ledger.slots import (
    anchor_slot,
    delegation_slot,
    document_slots,
    entry_slot,
    head_slot,
    party_slot,
    subject_slot,
)
from ledger.state import DelegationState, LedgerState, replay
from ledger.typed_data import Domain, commitment_hash
from wallet.keys import SigningKey

REGISTRY, DIRECTORY, POLICIES, LOG = "ConsentRegistry", "Directory", "PolicyRegistry", "CheckpointLog"
SIGNED = (Granted, Revoked, RevokedAll, Suspended, Closed)
"""Events that say whose word it was."""
MAX = 2**64 - 1
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
WAITING = 5
"""How many calls may wait for one block."""
MEMORY = 60
"""How many calls are remembered, to be sent again."""
MAX_DOCUMENTS = 32

NAMED = {name: person(name) for name in ("ana", "ben", "seven", "dan", "eve")}
NEW = "new"
"""Stands for a name nobody used before."""
NONE = "none"
"""Among names: there is none at all."""
GRANTS = ("g0", "g1", "g2", "g3", "g4", "zero")
DOCUMENTS = ("d0", "d1", "d2", "zero", NEW, NEW)

# Ana and Ben have keys, Seven a key and what code it likes, House is a contract. Each may also act for another.
subjects = st.sampled_from(["ana", "ana", "ana", "seven", "seven", "seven", "ben", "ben", "house", "house", "nobody"])
senders = st.sampled_from(["ana", "ana", "seven", "seven", "ben", "house", "dan", "mute"])
relayers = st.sampled_from(["relayer", "relayer", "relayer", "eve", "signer"])
signers = st.sampled_from([*["itself"] * 10, "dan", "dan", "house", "seven", "ben", "mute", "eve"])
delegates = st.sampled_from(["dan", "dan", "dan", "dan", "house", "seven", "ben", "mute", "eve", "itself", "nobody"])
grants = st.lists(st.sampled_from([*GRANTS, *GRANTS, NEW, NEW, NONE]), min_size=1, max_size=3).map(tuple)
good_grants = st.lists(st.sampled_from([NEW, *GRANTS, NEW, NEW]), min_size=1, max_size=3, unique=True).map(tuple)
good_subjects = st.sampled_from(["ana", "ana", "seven", "house", "ben"])
# A name, or the number of one the issuer published.
documents = st.one_of(st.sampled_from(DOCUMENTS), st.integers(0, 9), st.integers(0, 9))
issuers = st.sampled_from(["dan", "dan", "dan", "dan", "ben"])
FORGED = (
    "other key", "other chain", "other registry", "other type", "field 0", "field 1", "field 2", "field 3", "high s",
    "low v", "cut", "longer", "zeros", "empty",
)  # fmt: skip
proofs = st.sampled_from([*["fitting"] * 18, *["in person"] * 4, "own key", "owner", "password", *FORGED])
deadlines = st.sampled_from(
    [900, 900, *[LONGEST_CONSENT] * 4, LONGEST_CONSENT - 2, LONGEST_CONSENT + 1, 60, 1, 0, -1, MAX]
)
befores = st.sampled_from([0, 0, 0, -1, 1, -60, 3600, MAX, None])
# Relative to the block, or to the last word that is recorded.
instants = st.tuples(
    st.sampled_from(["block", "block", "word"]), st.sampled_from([0, 0, 0, 1, -1, CLOCK_DRIFT, CLOCK_DRIFT + 1])
)
ends = st.sampled_from([0, 1, 2, 3, 60, 3600, 3600, MAX, None])
rights = st.sampled_from([0, 0, 1, 1, 2, 2, 3, 3, 3, 4, 255])
wallets = st.sampled_from([None, *ANSWERS])
anything = st.integers(0, MEMORY - 1)


@dataclass(frozen=True)
class Op:
    """A call in its sender's name, and the facts to look at when it is done.

    Attributes:
        certain: a withdrawal that nothing may refuse.
    """

    sender: Actor
    call: Call
    touched: frozenset[tuple[Any, ...]]
    certain: bool = False


@dataclass(frozen=True)
class NewCode:
    """An EIP-7702 account takes the code of a wallet, or none. In a block of its own."""

    account: Actor
    wallet: str | None


@dataclass(frozen=True)
class Block:
    """A block: what was tried in it, what came of it, and everything as it was after it."""

    at: int
    state: LedgerState
    code: str | None
    tried: tuple[Op | NewCode, ...] = ()
    events: tuple[LedgerEvent, ...] = ()


@dataclass
class Tally:
    """What a run has exercised."""

    steps: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    delegated: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    chain: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        chain = ", ".join(f"{self.chain[name]:,} {name}" for name in sorted(self.chain))
        calls = f"{self.accepted.total():,} calls accepted, {self.refused.total():,} refused"
        return f"state machine: {self.steps.total():,} steps, {calls}, {chain}"


STEPS: dict[str, tuple[int, st.SearchStrategy[Any]]] = {}
"""Everything that can happen: how often, and with what."""


def step(weight: int, when: Callable[["ConsentMachine"], Any] = lambda _: True, **parts: Any) -> Callable[[Any], Any]:
    """Something that can happen.

    Hypothesis would choose among many rules by leaving out most of them in each run. Here what matters is how people
    get into each other's way: so they are all one rule, and the choice is weighted.
    """

    def counted(function: Any) -> Any:
        STEPS[function.__name__] = weight, st.fixed_dictionaries(parts)

        @wraps(function)
        def run(self: "ConsentMachine", **drawn: Any) -> None:
            if when(self):
                self.tally.steps[function.__name__] += 1
                function(self, **drawn)

        return run

    return counted


@st.composite
def happenings(draw: Any) -> tuple[str, dict[str, Any]]:
    name = draw(st.sampled_from([name for name, (weight, _) in STEPS.items() for _ in range(weight)]))
    return name, draw(STEPS[name][1])


def stands(state: LedgerState, subject: Address, name: Hash) -> bool:
    """DESIGN, section 4: what makes a recorded grant stand."""
    entry, whole = state.entry(subject, name), state.subject(subject)
    kept = entry.granted_at > whole.revoked_before and not entry.revoked_at
    return kept and not whole.suspended and not whole.closed


class ConsentMachine(RuleBasedStateMachine):
    """One run, from freshly deployed contracts. Set `deployed` and `tally` first."""

    deployed: ClassVar[Deployed]
    tally: ClassVar[Tally]
    base: ClassVar[str] = ""
    runs: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        cls, deployed = type(self), self.deployed
        if not cls.base:
            deployed.ready(*NAMED.values())
        else:
            assert deployed.rpc.call("evm_revert", cls.base) is True
        cls.base = deployed.rpc.call("evm_snapshot")
        # The node forgets states in the order in which it first saw a block of that hash: so no run repeats a block.
        cls.runs += 1
        deployed.mine(START + 120 + cls.runs)
        self.first = deployed.number()
        addresses = deployed.deployment.addresses
        empty = LedgerState.empty(deployed.deployment.chain_id, addresses)
        self.blocks = [Block(deployed.times(self.first, self.first)[0], empty, None)]
        self.at = self.blocks[-1].at + 1
        self.broken = False
        self.held: list[Op] | None = None
        self.sent: list[Op | NewCode] = []
        self.named = 0
        self.moments = [self.at]
        self.saved: tuple[str, int] | None = None
        self.actors = NAMED | {
            "house": replace(deployed.wallets["OwnedWallet"], name="house"),
            "mute": replace(deployed.wallets["Mute"], name="mute"),
            "relayer": deployed.relayer,
            "consortium": deployed.consortium,
            "nobody": Actor("nobody", ZERO_ADDRESS),
        }
        self.coded = {actor.address: ANSWERS[actor.name] for actor in deployed.wallets.values()}

    @property
    def state(self) -> LedgerState:
        return self.blocks[-1].state

    @property
    def history(self) -> list[LedgerEvent]:
        return [event for block in self.blocks for event in block.events]

    # Doing --------------------------------------------------------------------------------------------

    def _do(self, op: Op | NewCode) -> None:
        self.sent = [*self.sent, op][-MEMORY:]
        if isinstance(op, NewCode) or self.held is None:
            self._release()
            self._mine([op])
            return
        self.held.append(op)
        if len(self.held) == WAITING:
            self._release()

    def _release(self) -> None:
        if self.held:
            self._mine(self.held)
            self.tally.chain["blocks with several calls"] += len(self.held) > 1
        self.held = None

    def _contracts(self, code: str | None) -> Contracts:
        own = {NAMED["seven"].address: ANSWERS[code]} if code else {}
        return Contracts(self.deployed.deployment.domain, self.actors["consortium"].address, self.coded | own)

    def _mine(self, ops: Sequence[Op | NewCode]) -> None:
        """A block with these; then everything about it is compared."""
        state, code, at = self.state.copy(), self.blocks[-1].code, self.at
        expected: list[str | list[LedgerEvent]] = []
        for op in ops:
            if isinstance(op, NewCode):
                code = op.wallet
                expected.append([])
                continue
            outcome: str | list[LedgerEvent]
            before = state.copy()
            try:
                outcome = list(self._contracts(code).execute(state, op.call, at, op.sender.address))
            except Reverted as refusal:
                outcome = str(refusal)
            else:
                for event in outcome:
                    state.apply(event)
                _check_promises(before, state, outcome, at)
            assert isinstance(outcome, list) or not op.certain, f"{op} was refused: {outcome}"
            expected.append(outcome)
        sent = [self._send(op, len(ops) - place) for place, op in enumerate(ops)]
        self.deployed.mine(at)
        events = [event for outcome in expected if isinstance(outcome, list) for event in outcome]
        self.blocks.append(Block(at, state, code, tuple(ops), tuple(events)))
        self.at = at + len(self.blocks) % 2  # every other block has the time of the one before it
        self.tally.chain["blocks"] += 1
        touched = set().union(*(op.touched for op in ops if isinstance(op, Op)))
        number = self.first + len(self.blocks) - 1
        place = hex(number)
        asked = [("eth_getBlockReceipts", place), ("eth_getBlockByNumber", place, False)]
        receipts, header = self._look(touched, asked)
        assert int(header["timestamp"], 16) == at
        assert [receipt["transactionHash"] for receipt in receipts] == sent
        for op, outcome, receipt in zip(ops, expected, receipts, strict=True):
            if isinstance(op, Op):
                self._compare(op, outcome, receipt, at)
            else:
                assert self.deployed.code(op.account) == op.wallet

    def _send(self, op: Op | NewCode, urgency: int) -> str:
        if isinstance(op, NewCode):
            return self.deployed.send_code(op.account, op.wallet)
        return self.deployed.send(op.sender, op.call, urgency)

    def _compare(self, op: Op, outcome: str | list[LedgerEvent], receipt: Any, at: int) -> None:
        function = f"{op.call.contract}.{op.call.function}"
        if receipt["status"] == "0x1":
            told = [self.deployed.event(log, at) for log in receipt["logs"]]
            assert told == outcome, f"{op}: expected {outcome}, the contract did {told}"
            self.tally.accepted[function] += 1
            self.tally.delegated[function] += any(e.signer != e.subject for e in told if isinstance(e, SIGNED))
            return
        returned = self.deployed.rpc.call("ots_getTransactionError", receipt["transactionHash"])
        reason = self.deployed.reason(op.call.contract, returned)
        assert reason == outcome, f"{op}: expected {outcome}, the contract refused: {reason}"
        self.tally.refused[function] += 1
        self.tally.reasons[reason] += 1

    # Looking ------------------------------------------------------------------------------------------

    def _look(self, touched: Iterable[tuple[Any, ...]], also: Sequence[tuple[Any, ...]] = ()) -> list[Any]:
        """Storage, read as proofs are read, and views say what the model says; returns what else was asked."""
        touched, state = sorted(touched), self.state
        slots = [head_slot(contract) for contract in WITH_HEAD]
        views = [View(Call(name, "head", ()), (_bytes(state.heads[name]),)) for name in WITH_HEAD]
        for fact in touched:
            found, asked = self._ask(*fact)
            slots += found
            views += asked
        facts, answers = self.deployed.read(slots, views, also)
        for contract in WITH_HEAD:
            assert facts.head(contract) == state.heads[contract], contract
        for kind, *key in touched:
            match kind:
                case "entry":
                    assert facts.entry(*key) == state.entry(*key), key
                case "subject":
                    assert facts.subject(*key) == state.subject(*key), key
                case "delegation":
                    assert facts.delegation(*key) == _delegation(state, *key), key
                case "anchor":
                    assert facts.anchored_at(*key) == state.anchored_at(*key), key
                case "party":
                    assert facts.party(*key) == state.party(*key), key
                case "document":
                    assert facts.document(*key) == state.document(*key), key
        return answers

    def _ask(self, kind: str, *key: Any) -> tuple[Sequence[Any], list[View]]:
        """The slots of a fact, and the views with what they must answer."""
        state = self.state
        raw = tuple(_bytes(part) if isinstance(part, str) and len(part) == 66 else part for part in key)
        match kind:
            case "entry":
                found, whole = state.entry(*key), state.subject(key[0])
                entry = found.granted_at, found.revoked_at
                both = View(Call(REGISTRY, "standingOf", raw), (entry, _subject(whole)))
                return [entry_slot(*key)], [both, View(Call(REGISTRY, "entries", raw), (entry,))]
            case "subject":
                return [subject_slot(*key)], [View(Call(REGISTRY, "subjects", raw), (_subject(state.subject(*key)),))]
            case "delegation":
                known = _delegation(state, *key)
                answer = (known.rights, known.valid_until, known.at)
                return [delegation_slot(*key)], [View(Call(REGISTRY, "delegations", raw), (answer,))]
            case "anchor":
                return [anchor_slot(*key)], [View(Call(REGISTRY, "anchoredAt", raw), (state.anchored_at(*key),))]
            case "party":
                party, (profile, uri) = state.party(*key), state.profiles.get(key[0], ("0x" + "0" * 64, ""))
                said = [e for e in self.history if isinstance(e, Registered | SuspensionChanged) and e.party == key[0]]
                since, changed = (said[0].at, said[-1].at) if said else (0, 0)
                listed = (party.roles, party.suspended, since, changed, _bytes(profile), uri)
                views = [View(Call(DIRECTORY, "partyOf", raw), (listed,))]
                for role in (0, 1, 3):
                    has = role != 0 and party.roles & role == role and not party.suspended
                    views.append(View(Call(DIRECTORY, "hasRole", (*raw, role)), (has,)))
                return [party_slot(*key)], views
            case "document":
                status = state.document(*key)
                times = (status.published_at, status.superseded_at, status.retracted_at, status.material)
                view = View(Call(POLICIES, "documentOf", raw), ((*times, _bytes(status.successor)),))
                return document_slots(*key), [view, View(Call(POLICIES, "isCurrent", raw), (_current(state, *key),))]
            case _:
                size, root = state.checkpoints.get(key, (0, "0x" + "0" * 64))
                grown = [e.at for e in self.history if isinstance(e, Checkpointed) and (e.logger, e.log_id) == key]
                last = (size, grown[-1] if grown else 0, _bytes(root))
                return [], [View(Call(LOG, "checkpointOf", raw), (last,))]

    def teardown(self) -> None:
        """A run ends: the whole history again from the node's logs, and every fact of everybody."""
        if self.broken:
            return
        self._release()
        log = self.deployed.logs(self.first)
        assert log == self.history
        empty = self.blocks[0].state
        assert replay(empty, log) == self.state
        people = [actor.address for actor in self.actors.values()]
        everything: set[tuple[Any, ...]] = {("subject", who) for who in people}
        everything |= {("entry", who, to_hash(name_of(name))) for who in people for name in GRANTS}
        everything |= {("entry", *key) for key in self.state.entries}
        everything |= {("delegation", *pair) for pair in self.state.delegations}
        everything |= {("anchor", root) for root in self.state.anchors}
        everything |= {("party", who) for who in people}
        everything |= {("document", *key) for key in self.state.documents}
        everything |= {("log", *key) for key in self.state.checkpoints}
        self._look(everything)
        self.tally.chain["runs"] += 1
        if len(self.blocks) % 8 == 0:  # slower, so not always: as the service reads it
            read = self.deployed.chain.events_between(self.first, self.first + len(self.blocks) - 1)
            assert [logged.event for logged in read] == log

    # Signing ------------------------------------------------------------------------------------------

    def _who(self, name: str, subject: Actor) -> Actor:
        return subject if name == "itself" else self.actors[name]

    def _at(self, place: Address) -> Actor:
        return next(actor for actor in self.actors.values() if actor.address == place)

    def _sign(self, signer: Actor, right: int, kind: str, values: tuple[Any, ...], how: str) -> bytes:
        """A signature as asked: one that fits, or one of the many that do not."""
        seven = signer == NAMED["seven"]
        code = self.blocks[-1].code if seven else "OwnedWallet" if signer.key is None else None
        key = signer.key or OWNER
        if how == "owner" or (how == "fitting" and code == "OwnedWallet" and right == RIGHT_GRANT):
            key = OWNER
        elif how == "password" or (how == "fitting" and code == "PasswordWallet" and right == RIGHT_GRANT):
            return PASSWORD
        elif how in ("in person", "empty"):
            return b""
        domain, places = self.deployed.deployment.domain, self.deployed.deployment.addresses
        match how.split():
            case "other", "key":
                key = _key(NAMED["dan" if signer == NAMED["eve"] else "eve"])
            case "other", "chain":
                domain = Domain(domain.chain_id + 1, domain.registry)
            case "other", "registry":
                domain = Domain(domain.chain_id, places[DIRECTORY])
            case "other", "type":
                kind, values = ("Closure", values[:1]) if kind != "Closure" else ("RevokeAll", (*values, self.at))
            case "field", number:
                place = int(number) % len(values)
                values = tuple(_other(value) if n == place else value for n, value in enumerate(values))
        signature = bytes.fromhex(key.sign(domain.digest_of(_message(kind, *values)))[2:])
        match how:
            case "high s":
                high = ORDER - int.from_bytes(signature[32:64])
                return signature[:32] + high.to_bytes(32) + bytes([55 - signature[64]])
            case "low v":
                return signature[:64] + bytes([signature[64] - 27])
            case "cut":
                return signature[:64]
            case "longer":
                return signature + b"\0"
            case "zeros":
                return bytes(64) + b"\x1b"
        return signature

    def _relay(
        self,
        function: str,
        kind: str,
        subject: Actor,
        *fields: Any,
        signer: str = "itself",
        how: str,
        by: str,
        right: int,
        touched: Iterable[tuple[Any, ...]] = (),
    ) -> None:
        """Hand in what somebody signed."""
        who = self._who(signer, subject)
        signature = self._sign(who, right, kind, (subject.address, *fields), how)
        sender = who if (how == "in person" or by == "signer") else self.actors[by]
        if sender == self.actors["nobody"]:
            sender = self.actors["eve"]
        spoken = () if kind == "Delegation" else (who.address,)
        call = Call(REGISTRY, function, (subject.address, *fields, *spoken, signature))
        own = who == subject and (how == "own key" or (how == "fitting" and subject.key is not None))
        sure = function in ("revokeFor", "revokeAllFor", "closeFor") and own and fields != ([],)
        facts = {("subject", subject.address), ("delegation", subject.address, who.address), *touched}
        self._do(Op(sender, call, frozenset(facts), sure and subject.key is not None))

    def _say(self, sender: str, function: str, *arguments: Any, touched: Any = (), certain: bool = False) -> None:
        """Somebody acts in its own name."""
        who = self.actors[sender]
        facts = frozenset({("subject", who.address), *touched})
        self._do(Op(who, Call(REGISTRY, function, arguments), facts, certain))

    def _entries(self, subject: Actor, names: Iterable[str]) -> set[tuple[Any, ...]]:
        return {("entry", subject.address, to_hash(name_of(name))) for name in names}

    def _new(self, names: Iterable[str]) -> tuple[str, ...]:
        """The names, with one that is really new for each that says so."""
        own: list[str] = []
        for name in names:
            if name == NONE:
                return ()
            self.named += name == NEW
            own.append(f"new {self.named}" if name == NEW else name)
        return tuple(own)

    def _after(self, seconds: int | None) -> int:
        """A moment to be signed: so long after the next block, or no number a person would choose."""
        moment = 0 if seconds is None else MAX if seconds == MAX else self.at + seconds
        if self.at <= moment < MAX:
            self.moments.append(moment)
        return moment

    def _instant(self, instant: tuple[str, int], last: int) -> int:
        since, seconds = instant
        at = max(0, (self.at if since == "block" else last) + seconds)
        self.moments += [at, max(self.at, at - CLOCK_DRIFT)]
        return at

    # Rules: consent -----------------------------------------------------------------------------------

    @step(1, lambda self: False)
    def rest(self) -> None:
        """What Hypothesis finds simplest: nothing."""

    @step(4, subject=good_subjects, drawn=good_grants)
    def grant_well(self, subject: str, drawn: tuple[str, ...]) -> None:
        """What nothing is wrong with, so that there is always something to take back."""
        who, names = self.actors[subject], self._new(drawn)
        self._relay(
            "grantFor", "Consent", who, _list(names), self._after(LONGEST_CONSENT), how="fitting", by="relayer",
            right=RIGHT_GRANT, touched=self._entries(who, names),
        )  # fmt: skip

    @step(3, sender=senders, drawn=grants)
    def grant(self, sender: str, drawn: tuple[str, ...]) -> None:
        names = self._new(drawn)
        self._say(sender, "grant", _list(names), touched=self._entries(self.actors[sender], names))

    @step(6, subject=subjects, signer=signers, drawn=grants, deadline=deadlines, how=proofs, by=relayers)
    def grant_for(self, subject: str, signer: str, drawn: tuple[str, ...], deadline: int, how: str, by: str) -> None:
        who, until, names = self.actors[subject], self._after(deadline), self._new(drawn)
        self._relay(
            "grantFor", "Consent", who, _list(names), until, signer=signer, how=how, by=by, right=RIGHT_GRANT,
            touched=self._entries(who, names),
        )  # fmt: skip

    @step(
        3,
        consents=st.lists(st.tuples(good_subjects, good_grants), min_size=1, max_size=4),
        spoilt=st.sampled_from([*[None] * 3, "other key", "deadline", "stranger", "no grants", "twice", "no consents"]),
    )
    def grant_for_many(self, consents: list[tuple[str, tuple[str, ...]]], spoilt: str | None) -> None:
        """Good ones, or all but the last."""
        calls, facts = [], set()
        for place, (subject, drawn) in enumerate(consents):
            bad = spoilt if place == len(consents) - 1 else None
            who, names = self.actors[subject], () if bad == "no grants" else self._new(drawn)
            speaker = NAMED["eve"] if bad == "stranger" else who
            fields = (
                who.address,
                _list(names * 2 if bad == "twice" else names),
                self.at + (-1 if bad == "deadline" else LONGEST_CONSENT),
            )
            signature = self._sign(
                speaker, RIGHT_GRANT, "Consent", fields, "other key" if bad == "other key" else "fitting"
            )
            calls.append((*fields, speaker.address, signature))
            facts |= {("subject", who.address), *self._entries(who, names)}
        call = Call(REGISTRY, "grantForMany", ([] if spoilt == "no consents" else calls,))
        self._do(Op(self.actors["relayer"], call, frozenset(facts)))

    # Rules: withdrawal --------------------------------------------------------------------------------

    @step(2, sender=senders, drawn=grants)
    def revoke(self, sender: str, drawn: tuple[str, ...]) -> None:
        names = self._new(drawn)
        facts = self._entries(self.actors[sender], names)
        self._say(sender, "revoke", _list(names), touched=facts, certain=bool(names))

    @step(5, subject=subjects, signer=signers, drawn=grants, how=proofs, by=relayers)
    def revoke_for(self, subject: str, signer: str, drawn: tuple[str, ...], how: str, by: str) -> None:
        who, names = self.actors[subject], self._new(drawn)
        self._relay(
            "revokeFor", "Revocation", who, _list(names), signer=signer, how=how, by=by, right=RIGHT_REVOKE,
            touched=self._entries(who, names),
        )  # fmt: skip

    @step(4, sender=senders, before=befores)
    def revoke_all(self, sender: str, before: int | None) -> None:
        self._say(sender, "revokeAll", self._after(before), certain=True)

    @step(4, subject=subjects, signer=signers, before=befores, how=proofs, by=relayers)
    def revoke_all_for(self, subject: str, signer: str, before: int | None, how: str, by: str) -> None:
        self._relay(
            "revokeAllFor", "RevokeAll", self.actors[subject], self._after(before), signer=signer, how=how, by=by,
            right=RIGHT_REVOKE,
        )  # fmt: skip

    @step(3, sender=senders, suspended=st.booleans())
    def suspend(self, sender: str, suspended: bool) -> None:
        self._say(sender, "suspend", suspended, certain=suspended)

    @step(5, subject=subjects, signer=signers, suspended=st.booleans(), instant=instants, how=proofs, by=relayers)
    def suspend_for(
        self, subject: str, signer: str, suspended: bool, instant: tuple[str, int], how: str, by: str
    ) -> None:
        who = self.actors[subject]
        at = self._instant(instant, self.state.subject(who.address).suspension_at)
        right = RIGHT_REVOKE if suspended else RIGHT_GRANT
        self._relay("suspendFor", "Suspension", who, suspended, at, signer=signer, how=how, by=by, right=right)

    @step(3, subject=good_subjects, suspended=st.booleans(), ahead=st.sampled_from([CLOCK_DRIFT, 60, 0]))
    def suspend_ahead(self, subject: str, suspended: bool, ahead: int) -> None:
        """What nothing is wrong with, signed by somebody whose clock is fast."""
        who, at = self.actors[subject], self._instant(("block", ahead), 0)
        right = RIGHT_REVOKE if suspended else RIGHT_GRANT
        self._relay("suspendFor", "Suspension", who, suspended, at, how="fitting", by="relayer", right=right)

    @step(1, sender=st.sampled_from(["ben", "ben", "ben", "dan", "dan", "house", "seven"]))
    def close(self, sender: str) -> None:
        self._say(sender, "close", certain=True)

    @step(2, subject=st.sampled_from(["ben", "ben", "house", "seven"]), signer=signers, how=proofs, by=relayers)
    def close_for(self, subject: str, signer: str, how: str, by: str) -> None:
        self._relay("closeFor", "Closure", self.actors[subject], signer=signer, how=how, by=by, right=RIGHT_REVOKE)

    # Rules: delegation and cohorts --------------------------------------------------------------------

    @step(3, sender=senders, delegate=delegates, given=rights, until=ends)
    def delegate(self, sender: str, delegate: str, given: int, until: int | None) -> None:
        own, other = self.actors[sender], self._who(delegate, self.actors[sender])
        sure = given == 0 and other.address not in (own.address, ZERO_ADDRESS)
        facts = {("delegation", own.address, other.address)}
        self._say(sender, "delegate", other.address, given, self._after(until), touched=facts, certain=sure)

    @step(5, 
        subject=subjects, delegate=delegates, given=rights, until=ends, instant=instants, how=proofs, by=relayers
    )  # fmt: skip
    def delegate_for(
        self, subject: str, delegate: str, given: int, until: int | None, instant: tuple[str, int], how: str, by: str
    ) -> None:
        who = self.actors[subject]
        other = self._who(delegate, who)
        at = self._instant(instant, _delegation(self.state, who.address, other.address).at)
        self._relay(
            "delegateFor", "Delegation", who, other.address, given, self._after(until), at, how=how, by=by,
            right=RIGHT_GRANT if given else RIGHT_REVOKE, touched={("delegation", who.address, other.address)},
        )  # fmt: skip

    @step(
        4,
        subject=good_subjects,
        delegate=st.sampled_from(["dan", "dan", "house", "seven", "ben"]),
        given=st.sampled_from([3, 2, 1]),
        until=st.sampled_from([3600, 3600, 86_400, MAX, 3]),
    )
    def delegate_well(self, subject: str, delegate: str, given: int, until: int) -> None:
        """So that there is always somebody to speak for another."""
        facts = {("delegation", self.actors[subject].address, self.actors[delegate].address)}
        self._say(subject, "delegate", self.actors[delegate].address, given, self._after(until), touched=facts)

    @step(
        9,
        lambda self: self.state.delegations,
        which=anything,
        what=st.sampled_from(["grant", "grant", "revoke", "revoke all", "suspend", "resume", "close"]),
        drawn=good_grants,
        by=relayers,
    )
    def speak_for(self, which: int, what: str, drawn: tuple[str, ...], by: str) -> None:
        """Somebody acts for another who once gave it some right, perhaps another right, perhaps no longer."""
        known = list(self.state.delegations)
        subject, signer = (self._at(place) for place in known[which % len(known)])
        names, rest = self._new(drawn), dict[str, Any](signer=signer.name, how="fitting", by=by)
        facts, own = self._entries(subject, names), _list(names)
        match what:
            case "grant":
                until = self._after(900)
                self._relay("grantFor", "Consent", subject, own, until, **rest, right=RIGHT_GRANT, touched=facts)
            case "revoke":
                self._relay("revokeFor", "Revocation", subject, own, **rest, right=RIGHT_REVOKE, touched=facts)
            case "revoke all":
                self._relay("revokeAllFor", "RevokeAll", subject, self.at, **rest, right=RIGHT_REVOKE)
            case "close":
                self._relay("closeFor", "Closure", subject, **rest, right=RIGHT_REVOKE)
            case _:
                right = RIGHT_REVOKE if what == "suspend" else RIGHT_GRANT
                self._relay("suspendFor", "Suspension", subject, what == "suspend", self.at, **rest, right=right)

    @step(2, sender=senders, root=st.sampled_from(["r0", "r1", "r2", "zero"]), size=st.sampled_from([1, 2, 100_000, 0]))
    def anchor(self, sender: str, root: str, size: int) -> None:
        self._say(sender, "anchor", name_of(root), size, touched={("anchor", to_hash(name_of(root)))})

    # Rules: parties, documents, logs ------------------------------------------------------------------

    @step(
        3,
        sender=st.sampled_from([*["consortium"] * 5, "eve"]),
        party=st.sampled_from(["dan", "dan", "house", "nobody"]),
        roles=st.sampled_from([1, 2, 3, 8, 15, 0, 16, 255]),
        uri=st.sampled_from(["", "data:,x", "https://example.org/" + "ü" * 30]),
    )
    def register(self, sender: str, party: str, roles: int, uri: str) -> None:
        who = self.actors[party].address
        call = Call(DIRECTORY, "register", (who, roles, name_of(f"profile {uri}"), uri))
        self._do(Op(self.actors[sender], call, frozenset({("party", who)})))

    @step(
        5,
        lambda self: self.state.parties,
        sender=st.sampled_from([*["consortium"] * 5, "dan"]),
        party=st.sampled_from(["dan", "dan", "dan", "house"]),
        suspended=st.booleans(),
    )
    def set_suspended(self, sender: str, party: str, suspended: bool) -> None:
        who = self.actors[party].address
        call = Call(DIRECTORY, "setSuspended", (who, suspended))
        self._do(Op(self.actors[sender], call, frozenset({("party", who)})))

    @step(1, sender=st.sampled_from(["consortium", "eve"]))
    def renounce(self, sender: str) -> None:
        self._do(Op(self.actors[sender], Call(DIRECTORY, "renounceOwnership", ()), frozenset()))

    def _policy(self, issuer: str, function: str, names: Sequence[Hash], *rest: Any) -> None:
        who = self.actors[issuer]
        facts = frozenset(("document", who.address, name) for name in names)
        self._do(Op(who, Call(POLICIES, function, (*map(_bytes, names), *rest)), facts))

    def _document(self, issuer: str, drawn: str | int) -> Hash:
        place = self.actors[issuer].address
        own = [name for (who, name), known in self.state.documents.items() if who == place and known.published_at]
        if isinstance(drawn, int) and own:
            return own[drawn % len(own)]
        return to_hash(name_of(*self._new([NEW if isinstance(drawn, int) else drawn])))

    @step(4, issuer=issuers, document=documents)
    def publish(self, issuer: str, document: str | int) -> None:
        self._policy(issuer, "publish", [self._document(issuer, document)])

    @step(
        7,
        lambda self: self.state.documents,
        issuer=issuers,
        document=st.one_of(st.integers(0, 9), documents),
        replacement=st.sampled_from([NEW, NEW, NEW, *DOCUMENTS]),
        material=st.booleans(),
    )
    def supersede(self, issuer: str, document: str | int, replacement: str, material: bool) -> None:
        names = [self._document(issuer, drawn) for drawn in (document, replacement)]
        self._policy(issuer, "supersede", names, material)

    @step(2, issuer=issuers, document=documents)
    def retract(self, issuer: str, document: str | int) -> None:
        self._policy(issuer, "retract", [self._document(issuer, document)])

    @step(
        3,
        logger=issuers,
        log=st.sampled_from(["l0", "zero"]),
        size=st.sampled_from([0, 1, 2, 3, MAX]),
        root=st.sampled_from(["r0", "r1", "zero"]),
    )
    def checkpoint(self, logger: str, log: str, size: int, root: str) -> None:
        who = self.actors[logger]
        call = Call(LOG, "checkpoint", (name_of(log), size, name_of(root)))
        self._do(Op(who, call, frozenset({("log", who.address, to_hash(name_of(log)))})))

    # Rules: the network -------------------------------------------------------------------------------

    @rule(what=happenings())
    def happen(self, what: tuple[str, dict[str, Any]]) -> None:
        name, drawn = what
        self.broken = True
        getattr(self, name)(**drawn)
        self.broken = False

    @initialize(wallet=st.sampled_from([None, "OwnedWallet", "PasswordWallet"]))
    def begin(self, wallet: str | None) -> None:
        if wallet:
            self._do(NewCode(NAMED["seven"], wallet))

    @step(2, wallet=wallets)
    def take_code(self, wallet: str | None) -> None:
        self._do(NewCode(NAMED["seven"], wallet))
        self.tally.chain["EIP-7702 changes"] += 1

    @step(4, lambda self: self.sent, which=anything, by=st.sampled_from(["sender", "relayer", "eve"]))
    def send_again(self, which: int, by: str) -> None:
        """What was sent before, accepted or not, perhaps on a chain that is gone."""
        op = self.sent[which % len(self.sent)]
        if isinstance(op, Op) and by != "sender" and op.call.function.endswith(("For", "ForMany")):
            op = replace(op, sender=self.actors[by])
        self._do(op)
        self.tally.chain["messages sent again"] += 1

    @step(3, lambda self: self.held is None)
    def hold(self) -> None:
        """From now on calls wait for a block of several."""
        self.held = []

    @step(2, lambda self: self.held is not None)
    def release(self) -> None:
        self._release()

    @step(3, seconds=st.sampled_from([1, 2, 12, 60, 899, 900, 901, 3600, 86_400, 31_536_000]))
    def wait(self, seconds: int) -> None:
        self.at += seconds
        self.tally.chain["time jumps"] += 1

    @step(3, which=anything, seconds=st.sampled_from([-1, 0, 1]))
    def wait_for(self, which: int, seconds: int) -> None:
        """To just before, at or just after a moment that somebody named."""
        moment = self.moments[-1 - which % len(self.moments)] + seconds
        self.at = max(self.at, min(moment, self.at + 31_536_000))
        self.tally.chain["time jumps"] += 1

    @step(2)
    def save(self) -> None:
        self.saved = self.deployed.rpc.call("evm_snapshot"), len(self.blocks)

    @step(3, lambda self: self.saved)
    def go_back(self) -> None:
        """The chain goes back to where it was remembered; what came later never happened."""
        assert self.saved
        name, height = self.saved
        assert self.deployed.rpc.call("evm_revert", name) is True
        self.saved = None
        self._lose(height)
        self.tally.chain["snapshots restored"] += 1

    def _lose(self, height: int) -> list[Op | NewCode]:
        """Blocks are gone: everything they touched is as it was. Returns what was tried in them."""
        gone, self.blocks = self.blocks[height:], self.blocks[:height]
        if self.saved and self.saved[1] > height:
            self.saved = None  # the node's snapshot would bring back a chain without its blocks
        self.at = self.blocks[-1].at + 1
        tried = [op for block in gone for op in block.tried]
        self._look(set().union(*(op.touched for op in tried if isinstance(op, Op))))
        assert self.deployed.code(NAMED["seven"]) == self.blocks[-1].code
        return tried

    @step(
        3,
        lambda self: len(self.blocks) > 1,
        depth=st.integers(1, 5),
        manner=st.sampled_from(["rolled back", "rolled back", "replaced"]),
        order=st.sampled_from(["none", "same", "reversed", "rotated"]),
        together=st.booleans(),
        seconds=st.sampled_from([0, 1, 12, 900]),
    )
    def reorganise(self, depth: int, manner: str, order: str, together: bool, seconds: int) -> None:
        """Other blocks take the place of the newest: with the same calls, in another order, or without them."""
        self._release()
        height = max(1, len(self.blocks) - depth)
        depth = len(self.blocks) - height
        if manner == "rolled back":
            self.deployed.rpc.call("anvil_rollback", depth)
            tried = self._lose(height)
        else:
            self.deployed.rpc.call("anvil_reorg", depth, [])
            tried = self._lose(height)
            newest = self.first + height - 1
            times = self.deployed.times(newest + 1, newest + depth)
            self.blocks += [Block(at, self.state, self.blocks[-1].code) for at in times]
            self.at = self.blocks[-1].at + 1
        self.at += seconds - 1
        match order:
            case "none":
                tried = []
            case "reversed":
                tried.reverse()
            case "rotated":
                tried = tried[1:] + tried[:1]
        for op in tried:
            if together and isinstance(op, Op):
                self.held = self.held or []
                self.held.append(op)
                if len(self.held) == WAITING:
                    self._release()
            else:
                self._release()
                self._mine([op])
        self._release()
        self.tally.chain["reorganisations"] += 1
        self.tally.chain["calls in other blocks"] += len(tried)


# Helpers ----------------------------------------------------------------------------------------------


def _check_promises(before: LedgerState, after: LedgerState, events: Sequence[LedgerEvent], now: int) -> None:
    """What the ledger promises to people, said without looking at how the rules go about it."""
    for key, entry in after.entries.items():
        was, whole = before.entry(*key), before.subject(key[0])
        revoked = was.revoked_at or (was.granted_at and was.granted_at <= whole.revoked_before)
        if revoked or whole.closed:
            assert not stands(after, *key), "what was revoked stands again"
        if was.revoked_at:
            assert entry.revoked_at == was.revoked_at, "the time of a revocation changed"
        if was.granted_at:
            assert entry.granted_at == was.granted_at, "what was granted once was granted again"
        if stands(after, *key) and not stands(before, *key):
            assert any(e.subject == key[0] for e in events if isinstance(e, Granted | Suspended)), "it stands unasked"
    for subject, whole in after.subjects.items():
        was_whole = before.subject(subject)
        assert was_whole.revoked_before <= whole.revoked_before <= now, "what does not exist yet was revoked"
        assert was_whole.suspension_at <= whole.suspension_at <= now + (CLOCK_DRIFT if whole.suspended else 0)
        assert whole.closed >= was_whole.closed, "a closed subject opened"
    for root, at in before.anchors.items():
        assert after.anchors[root] == at, "an anchor moved"
    for event in events:
        if isinstance(event, SIGNED) and event.signer != event.subject:
            widens = isinstance(event, Granted) or (isinstance(event, Suspended) and not event.suspended)
            delegation = _delegation(before, event.subject, event.signer)
            assert delegation.rights & (RIGHT_GRANT if widens else RIGHT_REVOKE), "somebody acted without the right"
            assert delegation.valid_until > now, "somebody's right had lapsed"
    assert (before.heads != after.heads) == any(event.operation() for event in events)


def _message(kind: str, subject: Address, *fields: Any) -> bytes:
    if kind not in ("Consent", "Revocation"):
        return message_hash(kind, subject, *fields)
    names, *deadline = fields
    return commitment_hash(kind, subject, tuple(to_hash(name) for name in names), *deadline)


def _other(value: Any) -> Any:
    """A value like this one that is not this one."""
    match value:
        case bool():
            return not value
        case int():
            return value ^ 1
        case str():
            return NAMED["dan" if value == NAMED["eve"].address else "eve"].address
        case _:
            return [*value, name_of("another")]


def _current(state: LedgerState, issuer: Address, name: Hash) -> bool:
    for _ in range(MAX_DOCUMENTS):
        found = state.document(issuer, name)
        if not found.published_at or found.retracted_at or found.material:
            return False
        if not found.superseded_at:
            return True
        name = found.successor
    return False


def _delegation(state: LedgerState, subject: Address, delegate: Address) -> DelegationState:
    return state.delegations.get((subject, delegate), DelegationState())


def _subject(whole: Any) -> tuple[int, int, bool, bool]:
    return whole.revoked_before, whole.suspension_at, whole.suspended, whole.closed


def _key(actor: Actor) -> SigningKey:
    assert actor.key
    return actor.key


def _list(names: Iterable[str]) -> list[bytes]:
    return [name_of(name) for name in names]


def _bytes(name: str) -> bytes:
    return bytes.fromhex(name[2:])
