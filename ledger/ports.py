"""What the use cases need from the world. Each docstring promises what has happened when the call returns."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from ledger.documents import Form, Profile, Terms
from ledger.events import LedgerEvent
from ledger.evidence import SignedConsent
from ledger.merkle import LogView
from ledger.model import Address, Approval, Consent, Grant, Hash, Item, Message, Record
from ledger.proofs import AccountProof, Header, SlotProof

# The chain


@dataclass(frozen=True)
class Logged:
    """An event and where the chain holds it."""

    event: LedgerEvent
    block_number: int
    block_hash: Hash
    log_index: int
    transaction: Hash


@dataclass(frozen=True)
class Call:
    """One call of one contract: function name and arguments as the ABI takes them."""

    contract: str
    function: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Receipt:
    """Where a transaction was included, and whether it did what it should."""

    block_number: int
    block_hash: Hash
    succeeded: bool


@dataclass(frozen=True)
class Fees:
    """What a transaction offers, in wei per gas (EIP-1559): `limit` at most, of which `tip` goes to who mines it."""

    limit: int
    tip: int


@dataclass(frozen=True)
class Prepared:
    """A signed transaction: its hash, its bytes, its number among those of the account, what it offers."""

    hash: Hash
    raw: bytes
    nonce: int
    fees: Fees


@dataclass(frozen=True)
class Sent:
    """A transaction that was signed and stored; it was sent, or will be.

    Attributes:
        sender: the account that pays.
        urgent: it takes permission away.
        at: Unix seconds when it was signed.
        first: hash of the first transaction with the same content, which this one replaces at a better price;
            its own when it is the first.
    """

    hash: Hash
    sender: Address
    nonce: int
    raw: bytes
    fees: Fees
    urgent: bool
    at: int
    first: Hash


class Chain(Protocol):
    """An Ethereum node, read only. Every answer may be a lie: callers verify what they rely on.

    All methods raise `LedgerUnavailable` when the node cannot be reached, answers an error or something malformed.
    """

    def chain_id(self) -> int: ...  # noqa: D102
    def head(self) -> Header:
        """The newest block, its hash recomputed."""
        ...

    def header(self, number: int) -> Header:
        """The block the node has at a height now, its hash recomputed."""
        ...

    def events(self, block: Hash) -> list[Logged]:
        """All our events in one block, in log order."""
        ...

    def events_between(self, first: int, last: int) -> list[Logged]:
        """All our events in a range of blocks, in order."""
        ...

    def proof(self, block: Hash, contract: str, slots: Sequence[Hash]) -> tuple[AccountProof, tuple[SlotProof, ...]]:
        """The account proof and slot proofs of one of our contracts, as of a block. Unverified."""
        ...

    def account_proof(self, block: Hash, account: Address) -> AccountProof:
        """The proof of any account, as of a block. Unverified."""
        ...

    def contract_signed(self, account: Address, digest: bytes, signature: bytes) -> bool:
        """Whether the code of an account says now, through ERC-1271, that it signed 32 bytes.

        False for an account without code, and for code that refuses, answers anything else, or burns more than a fixed
        amount of gas. It is the node's word and nothing proves it: good for signing in, never for a permit.
        """
        ...

    def with_code(self, accounts: Collection[Address]) -> set[Address]:
        """Those of some accounts that have code now, an EIP-7702 delegation among it. The node's word."""
        ...


class Sender(Protocol):
    """An account that pays for transactions. Raises like `Chain`."""

    address: Address

    def simulate(self, call: Call, gas: int | None = None) -> str | None:
        """None if the call would succeed now, otherwise the name of the contract's error.

        Args:
            gas: the most it may take; it is out of gas (`OutOfGas`) above that.
        """
        ...

    def mined(self) -> int:
        """How many transactions of the account are in blocks; the next one has this number."""
        ...

    def fees(self) -> Fees:
        """What a transaction should offer to be in one of the next blocks."""
        ...

    def prepare(self, call: Call, nonce: int, fees: Fees, gas: int | None = None) -> Prepared:
        """A signed transaction with a number of the account's, not sent.

        Args:
            gas: the most it may ever take.

        Raises:
            Refused: with `gas`: the contract refuses the call now, though it did not when it was simulated.
        """
        ...

    def reprice(self, transaction: bytes, fees: Fees) -> Prepared:
        """The same transaction with other fees, signed anew, not sent."""
        ...

    def send(self, transaction: bytes) -> None:
        """Hand a prepared transaction to the node. Sending the same one again is harmless."""
        ...

    def knows(self, transaction: Hash) -> bool:
        """Whether the node holds a transaction, in a block or waiting."""
        ...

    def receipt(self, transaction: Hash) -> Receipt | None:
        """Where a transaction was included, or None while it is not."""
        ...


# The vault


class Vault(Protocol):
    """Sealed bytes, by the SHA-256 of the sealed bytes. It never sees anything readable."""

    def put(self, content: Iterable[bytes], limit: int) -> tuple[Hash, int]:
        """Store sealed bytes durably; returns their SHA-256 and size.

        Raises:
            InvalidFile: longer than `limit` bytes; nothing is kept.
        """
        ...

    def open(self, digest: Hash) -> BinaryIO:
        """A seekable reader over stored bytes.

        Raises:
            NotFound: nothing is stored under this digest.
        """
        ...

    def fingerprint(self, digest: Hash) -> str | None:
        """Something that costs little and is another whenever the stored bytes may have changed; None: look at them.

        Raises:
            NotFound: nothing is stored under this digest.
        """
        ...

    def remove(self, digest: Hash) -> None:
        """Delete stored bytes; harmless when there are none."""
        ...


# The keys


class Keys(Protocol):
    """Record keys, each wrapped with the master key, apart from store and vault and from their backups.

    What a call changed is durable when it returns. All methods raise `Unavailable` when the key store cannot be used.
    """

    def master(self) -> str | None:
        """The id of the master key in use; None in an empty store."""
        ...

    def set_master(self, master: str) -> None:
        """From now on only what this master key wraps is taken."""
        ...

    def add(self, record: Hash, master: str, wrapped: str) -> str:
        """Keep a wrapped key; returns the one that is kept, which is the first.

        Raises:
            Conflict: another master key is in use, or the key of this record was destroyed.
        """
        ...

    def get(self, record: Hash) -> str | None:
        """The wrapped key of a record; None when there is none, or not any more."""
        ...

    def others(self, master: str, limit: int) -> list[tuple[Hash, str]]:
        """Some of the keys that another master key wraps."""
        ...

    def count_others(self, master: str) -> int:
        """How many keys another master key wraps."""
        ...

    def replace(self, master: str, rows: Sequence[tuple[Hash, str, str]]) -> None:
        """Put new wraps in the place of old ones (record, old, new); one that changed meanwhile is left as it is."""
        ...

    def destroy(self, record: Hash) -> None:
        """Destroy a key for ever: it is overwritten, and this record never gets another."""
        ...

    def destroyed(self) -> list[Hash]:
        """The records whose keys were destroyed."""
        ...

    def close(self) -> None:
        """Let go of the key store."""
        ...


# The store


@dataclass(frozen=True)
class StoredItem:
    """An item of a record as the custodian keeps it: sealed bytes by digest, its key only wrapped."""

    item: Item
    sealed: Hash
    sealed_size: int
    custody_wrap: str


@dataclass(frozen=True)
class StoredRecord:
    """A registered record with the controller's signature and its items."""

    record: Record
    hash: Hash
    signature: bytes
    items: tuple[StoredItem, ...]


@dataclass(frozen=True)
class Material:
    """What is kept of one record that a decision needs, as it is stored: nothing in it is checked yet.

    Attributes:
        record: the text of its JSON, with the controller's signature.
        items, grants: each the text of its JSON, items in order; grants by hash.
        approvals: by hash, each with the controller's signature.
        held: by grant, signed consents that hold it in a cohort, each the text of its JSON.
    """

    record: str
    signature: bytes
    items: tuple[str, ...]
    grants: tuple[tuple[Hash, str], ...]
    approvals: tuple[tuple[Hash, str, bytes], ...]
    held: tuple[tuple[Hash, str], ...] = ()


@dataclass(frozen=True)
class Erased:
    """A record that was erased: what is kept of it beside hashes.

    Attributes:
        parties: controller, subject and stewards, who may know.
        at: Unix seconds.
        sealed: digests of sealed bytes that are still to be removed.
    """

    record: Hash
    parties: tuple[Address, ...]
    at: int
    sealed: tuple[Hash, ...]


@dataclass(frozen=True)
class Invitation:
    """A controller invites a patient to answer with a fresh pseudonym. Claimed once."""

    controller: Address
    title: str
    expires_at: int
    subject: Address | None = None
    encryption_key: bytes | None = None


@dataclass(frozen=True)
class Offer:
    """A consent a controller proposes: the grants, and the language they are written in."""

    record: Hash
    grants: tuple[Grant, ...]
    language: str
    expires_at: int


@dataclass(frozen=True)
class OfferMessage:
    """What somebody said about an offer.

    Attributes:
        kind: question or decline (the patient's side), or answer (the controller's).
    """

    record: Hash
    kind: str
    author: Address
    text: str
    at: int


@dataclass(frozen=True)
class Relay:
    """A signed message on its way to the chain.

    Attributes:
        status: accepted (stored, not sent), sent, recorded (in a block), final, or failed.
        receipt: the operator's signed word that it received the message, for whoever handed it in.
        cohort: the root of the cohort that a consent is recorded with; None for what is recorded by itself.
    """

    id: str
    message: Message
    signer: Address
    signature: bytes
    status: str
    received_at: int
    transaction: Hash | None = None
    block_number: int | None = None
    block_hash: Hash | None = None
    problem: str | None = None
    receipt: dict[str, Any] | None = None
    cohort: Hash | None = None


@dataclass(frozen=True)
class Cohort:
    """Consents of many subjects that are recorded together, by one root.

    Attributes:
        controller: who handed them in.
        size: how many grants lie under the root.
        at: Unix seconds when it was received.
    """

    root: Hash
    controller: Address
    size: int
    at: int


@dataclass(frozen=True)
class Held:
    """A grant that lies in a cohort: of which record and relay, and the signed consent that says where."""

    record: Hash
    grant: Hash
    relay: str
    consent: SignedConsent


@dataclass(frozen=True)
class KeptAnswer:
    """What was answered to a request that named itself.

    Attributes:
        fingerprint: of the request.
        status: of HTTP; None while it is being worked on.
        sealed: the answer, encrypted.
    """

    fingerprint: Hash
    status: int | None
    sealed: bytes


@dataclass(frozen=True)
class LogEntry:
    """One entry of the access log, and its place in it."""

    index: int
    leaf: bytes


@dataclass(frozen=True)
class StoredDecision:
    """What was kept of a decision, and its bundle once that is made."""

    id: str
    value: dict[str, Any]
    bundle: bytes | None


class Transaction(Protocol):
    """One unit of work on the store: all of it is durable when the `with` block ends, or none of it."""

    # indexed chain
    def blocks(self) -> list[tuple[int, Hash]]: ...  # noqa: D102
    def add_blocks(self, headers: Sequence[Header], events: Sequence[Logged]) -> None: ...  # noqa: D102
    def drop_blocks_above(self, number: int) -> None: ...  # noqa: D102
    def forget_blocks_below(self, number: int) -> None:
        """Forget the hashes of old blocks; their events stay."""
        ...

    def events(self, above: int = -1, upto: int | None = None) -> Iterator[LedgerEvent]:
        """The stored events of the blocks above a height, up to and with another, in block and log order."""
        ...

    def fact(self, name: str) -> Any: ...  # noqa: D102
    def set_fact(self, name: str, value: Any) -> None: ...  # noqa: D102

    # local deny list
    def add_denial(self, kind: str, subject: Address, value: str, at: int) -> None:
        """Remember a withdrawal for ever. Repeating one is harmless."""
        ...

    def denials(self, subjects: Iterable[Address]) -> list[tuple[str, Address, str]]: ...  # noqa: D102

    # records, invitations, offers, documents
    def add_record(self, record: StoredRecord, wraps: Mapping[Address, Sequence[bytes]], at: int) -> None:
        """Keep a record; `wraps` are the keys of all its items, in order, wrapped to each who may read them."""
        ...

    def wraps(self, record: Hash, reader: Address) -> tuple[bytes, ...]:
        """The item keys of a record that are wrapped to somebody, in the order of the items; none when they are not."""
        ...

    def record(self, record: Hash) -> StoredRecord | None: ...  # noqa: D102
    def material(self, records: Collection[Hash]) -> dict[Hash, Material]:
        """What decisions about some records need; of unknown ones nothing. The number of queries is always the same."""
        ...

    def records_naming(self, recipient: Address, holder: Address | None, after: str, limit: int) -> list[Hash]:
        """Records with a grant or an approval that names a recipient, in order of their hashes.

        Args:
            holder: only records of which this is the controller or the subject; None for all.
            after: only those behind this hash; "" from the start.
        """
        ...

    def records_of(self, subject: Address) -> list[Hash]: ...  # noqa: D102
    def knows(self, subject: Address) -> bool:
        """Whether a pseudonym has answered an invitation, has a record, or has signed a consent."""
        ...

    def erase(self, record: Hash, at: int) -> Erased | None:
        """Delete what can be read of a record: openings, salts, item wraps, offers, bundles, relayed messages.

        Hashes, signatures over hashes, the deny list and the access log stay, and its subject stays known.
        None, with nothing changed, while a message of its subject is on its way to the chain.
        """
        ...

    def erased(self, record: Hash) -> Erased | None: ...  # noqa: D102
    def erased_of(self, records: Collection[Hash]) -> set[Hash]:
        """Which of some records were erased; one query."""
        ...

    def erasures(self) -> list[Erased]: ...  # noqa: D102
    def finish_erasure(self, record: Hash) -> None:
        """The sealed bytes of an erased record are removed."""
        ...

    def item_by_digest(self, sealed: Hash) -> StoredItem | None: ...  # noqa: D102
    def add_upload(self, sealed: Hash, size: int, controller: Address, at: int) -> None: ...  # noqa: D102
    def upload(self, sealed: Hash, controller: Address) -> int | None: ...  # noqa: D102
    def add_invitation(self, token: str, invitation: Invitation) -> None: ...  # noqa: D102
    def invitation(self, token: str) -> Invitation | None: ...  # noqa: D102
    def claim_invitation(self, token: str, subject: Address, encryption_key: bytes) -> bool:
        """True if this call claimed it; False if somebody had before."""
        ...

    def claim_of(self, subject: Address) -> Invitation | None: ...  # noqa: D102
    def add_offer(self, token: str, offer: Offer) -> None: ...  # noqa: D102
    def offer(self, token: str) -> Offer | None: ...  # noqa: D102
    def add_offer_message(self, token: str, message: OfferMessage) -> None: ...  # noqa: D102
    def offer_messages(self, token: str) -> list[OfferMessage]:
        """What was said about an offer, in the order in which it was said."""
        ...

    def add_document(self, document: Form | Terms | Profile) -> Hash: ...  # noqa: D102
    def document(self, document: Hash) -> Form | Terms | Profile | None: ...  # noqa: D102
    def documents(self, names: Collection[Hash]) -> dict[Hash, dict[str, Any]]:
        """Documents by hash, as they are stored; one query, whatever is asked for."""
        ...

    # references
    def add_reference(self, code: str, record: Hash, recipient: Address) -> None: ...  # noqa: D102
    def reference(self, code: str) -> tuple[Hash, Address] | None:
        """What a code names: record and recipient."""
        ...

    def references_of(self, record: Hash) -> dict[Address, str]:
        """The codes of a record by recipient."""
        ...

    def names(self, record: Hash, recipient: Address) -> bool:
        """Whether a grant or an approval of a record names a recipient."""
        ...

    def records_touched(
        self, subjects: Collection[Address], grants: Collection[Hash], records: Collection[Hash]
    ) -> set[Hash]:
        """The records of some subjects and stewards, of some grants, and those of some hashes that are records."""
        ...

    def concerning(self, party: Address, records: Collection[Hash]) -> set[Hash]:
        """Those of some records that name somebody, or of which a grant or an approval does; perhaps others."""
        ...

    # consents
    def add_consent(self, consent: Consent, signer: Address, signature: bytes, at: int) -> None: ...  # noqa: D102
    def grants_of(self, record: Hash) -> list[Grant]: ...  # noqa: D102
    def grant(self, grant: Hash) -> Grant | None: ...  # noqa: D102
    def consents_with(self, grant: Hash) -> list[tuple[Consent, Address, bytes]]: ...  # noqa: D102
    def grants_said(self, subject: Address, signer: Address | None = None) -> list[tuple[Hash, int]]:
        """Every grant in a stored consent of a subject, and when she said so: given or received, the earlier.

        Args:
            signer: only what this one signed for her, or she herself; None for everything.
        """
        ...

    def granted(self, subject: Address) -> set[Hash]:
        """What a subject granted in the blocks that are stored. Looks at all their events."""
        ...

    # cohorts
    def known_relays(self, names: Collection[str]) -> set[str]:
        """Which of some relays are stored."""
        ...

    def add_cohort(self, cohort: Cohort, members: Sequence[Relay], held: Sequence[Held]) -> None:
        """Store a cohort with its consents, as they are to be recorded, and where their grants lie in it.

        None of the members may be stored already.
        """
        ...

    def cohort(self, root: Hash) -> Cohort | None: ...  # noqa: D102
    def members(self, root: Hash) -> list[Relay]:
        """The consents of a cohort, in the order in which they were handed in."""
        ...

    def held_of(self, record: Hash) -> list[Held]:
        """The grants of a record that lie in cohorts."""
        ...

    def records_held(self, roots: Collection[Hash]) -> set[Hash]:
        """The records of which a grant lies in one of some cohorts."""
        ...

    def forget_held(self, root: Hash, relays: Collection[str]) -> None:
        """Forget where the grants of some members lie in a cohort: they failed."""
        ...

    def add_approval(self, approval: Approval, signature: bytes) -> None: ...  # noqa: D102
    def approvals_of(self, record: Hash) -> list[tuple[Approval, bytes]]: ...  # noqa: D102

    # outbox
    def add_relay(self, relay: Relay) -> Relay:
        """Store a message to be relayed; one with the same signed message returns the first."""
        ...

    def relay(self, relay: str) -> Relay | None: ...  # noqa: D102
    def open_relays(self, subject: Address | None = None, recorded_until: int | None = None) -> list[Relay]:
        """Relays that are neither final nor failed, withdrawals first, then oldest first; none of a cohort.

        Args:
            subject: only hers.
            recorded_until: without consents recorded in later blocks: while those stand, there is nothing to do.
        """
        ...

    def open_count(self) -> int:
        """How many relays are neither final nor failed."""
        ...

    def open_cohorts(self) -> list[tuple[Relay, int]]:
        """Of each cohort, one of the relays that are neither final nor failed, and how many they are; oldest first."""
        ...

    def relay_counts(self) -> dict[str, tuple[int, int]]:
        """By status, how many relays there are, and when the oldest of them was received (Unix seconds)."""
        ...

    def late_relays(self, before: int) -> tuple[int, int | None]:
        """How many messages that were received before a time (Unix seconds) are in no block; when the oldest came."""
        ...

    def reopen_relays_above(self, number: int) -> None:
        """Open again what was recorded in blocks that are gone."""
        ...

    def move_relays(self, old: Hash, new: Hash) -> None:
        """What was on its way in one transaction is in another now."""
        ...

    def update_relay(self, *relays: str, **changes: Any) -> None: ...  # noqa: D102

    # transactions
    def add_transaction(self, sent: Sent) -> None: ...  # noqa: D102
    def transactions(self, sender: Address, nonce: int) -> list[Sent]:
        """The transactions of an account from a number on, by number; of one number, the newest last."""
        ...

    def attempts(self, transaction: Hash) -> list[Sent]:
        """A transaction and those with the same content, newest first; none when it is unknown."""
        ...

    def forget_transactions(self, sender: Address, nonce: int, at: int) -> None:
        """Forget those with lower numbers that were signed before a time."""
        ...

    # answers that are given again
    def claim_answer(self, key: Hash, fingerprint: Hash, at: int, until: int) -> KeptAnswer | None:
        """None if this call is the first with a key, whose claim then lasts `until`; otherwise what is there.

        What expired before `at` is forgotten.
        """
        ...

    def set_answer(self, key: Hash, status: int, sealed: bytes, until: int) -> None:
        """Keep the answer to a claimed key."""
        ...

    def drop_answer(self, key: Hash) -> None:
        """Forget a claim that was not answered."""
        ...

    # sign-in
    def add_nonce(self, nonce: str, expires_at: int, at: int) -> None:
        """Remember a nonce that may be used once; those that expired before `at` are forgotten."""
        ...

    def use_nonce(self, nonce: str, at: int) -> bool:
        """True if the nonce was unused and unexpired; it never is again."""
        ...

    def add_token(self, token: str, address: Address, expires_at: int) -> None: ...  # noqa: D102
    def token_address(self, token: str, at: int) -> Address | None: ...  # noqa: D102
    def use_request(self, recipient: Address, nonce: Hash, at: int, keep: int) -> bool:
        """True if this release request was not seen before; those older than `keep` seconds are forgotten.

        Args:
            at: Unix seconds now.
        """
        ...

    # access log and decisions
    def append_log(self, leaf: bytes, record: Hash | None) -> LogEntry: ...  # noqa: D102
    def append_logs(self, leaves: Sequence[tuple[bytes, Hash | None]]) -> list[LogEntry]:
        """Append several entries, each with the record it is about, in order."""
        ...

    def log_of(self, record: Hash) -> list[LogEntry]: ...  # noqa: D102
    def log_leaves(self, first: int = 0, limit: int | None = None) -> list[bytes]: ...  # noqa: D102
    def log_view(self) -> LogView:
        """The log's roots and proofs, as of this transaction."""
        ...

    def add_decision(self, decision: str, value: Mapping[str, Any]) -> None: ...  # noqa: D102
    def add_decisions(self, decisions: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Keep several decisions, in order."""
        ...

    def decision(self, decision: str) -> StoredDecision | None: ...  # noqa: D102
    def decisions_without_bundle(self, limit: int, after: int = 0) -> list[StoredDecision]:
        """The oldest decisions whose bundle was not made yet, without the first `after` of them."""
        ...

    def set_bundle(self, decision: str, bundle: bytes) -> None:
        """Keep the bundle of a decision; empty when none can be made any more."""
        ...


class Election(Protocol):
    """Who does a thing that only one of all processes on a store may do."""

    def won(self) -> bool:
        """Whether this process does it from now on, or still: it does if no living process does."""
        ...

    def require(self, tx: Transaction) -> None:
        """Make sure, within a unit of work, that no other process has been elected since this one was.

        Raises:
            Unavailable: one has; nothing must be written.
        """
        ...

    def resign(self) -> None:
        """Let another process do it."""
        ...


class Store(Protocol):
    """The database."""

    def election(self, duty: str) -> Election:
        """The election for a duty. The process that holds one loses it when it dies, however it dies."""
        ...

    def elected(self) -> set[str]:
        """The duties that this process was elected for."""
        ...

    def begin(self) -> AbstractContextManager[Transaction]:
        """A transaction that may write; only one at a time writes, and readers never see half of it."""
        ...

    def tidy(self) -> None:
        """Do what has to be done now and then, so that no unit of work has to; nothing waits for it."""
        ...

    def scrub(self) -> None:
        """Make sure that what was deleted is not left in the database's files."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...
