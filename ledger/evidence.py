"""What a decision looks at: the question, the moment and the evidence, each part checked when it is made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ledger.documents import Form
from ledger.errors import BadSignature, InvalidMessage
from ledger.model import (
    RIGHT_GRANT,
    RIGHT_REVOKE,
    Address,
    Approval,
    Consent,
    Grant,
    Hash,
    Item,
    Record,
    address,
    hash32,
    integer,
)
from ledger.proofs import Header, read_nodes
from ledger.state import Facts
from ledger.typed_data import Domain, commitment_hash, parse_signature, struct_hash, verify


@dataclass(frozen=True)
class Question:
    """What is asked: may `recipient` use these items of this record for this purpose on this channel?

    Attributes:
        channel: a channel code, or "" for a use that has none (research).
        items: names of items; empty, and no digests: the whole record.
        digests: SHA-256 of the files at hand by name, so that an altered file is noticed.
        facts: what the recipient declares about itself, for the DUO rules.
    """

    recipient: Address
    record: Hash
    purpose: str
    channel: str = ""
    items: tuple[str, ...] = ()
    digests: Mapping[str, Hash] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Moment:
    """The block a decision stands on, and the time on the wall.

    Attributes:
        number, hash, timestamp: of the block.
        confirmed_at: what was granted later than this is not yet `confirmations` blocks deep.
        wall: Unix seconds where the question is answered.
        max_age: how many seconds the block may be behind the wall clock.
    """

    number: int
    hash: Hash
    timestamp: int
    confirmed_at: int
    wall: int
    max_age: int

    MAX_AHEAD = 15
    """Seconds a block may be ahead of the wall clock before one of the two clocks must be wrong."""

    @classmethod
    def of(cls, headers: Sequence[Header], wall: int, max_age: int) -> "Moment":
        """The moment of a chain of headers, newest first, the last of them `confirmations` deep.

        What was granted at a second that a shallower block shares is not confirmed yet: a devnet gives several
        blocks the same second.
        """
        head, shallower = headers[0], headers[:-1]
        confirmed_at = min([headers[-1].timestamp, *(header.timestamp - 1 for header in shallower)])
        return cls(head.number, head.hash, head.timestamp, confirmed_at, wall, max_age)

    @property
    def fresh(self) -> bool:
        """Whether the two clocks agree well enough to answer at all."""
        return -self.MAX_AHEAD <= self.wall - self.timestamp <= self.max_age

    def within(self, start: int, end: int) -> bool:
        """Whether ``start <= t < end`` on both clocks."""
        return start <= min(self.timestamp, self.wall) and max(self.timestamp, self.wall) < end


@dataclass(frozen=True)
class AuthenticRecord:
    """A record whose items hash to it and whose controller signed it. Only `authenticate` makes one.

    Attributes:
        items: the openings at hand, by name; of the others only the hash is known.
    """

    record: Record
    hash: Hash
    items: Mapping[str, Item]
    signature: bytes


def authenticate(record: Record, items: Iterable[Item], signature: bytes, domain: Domain) -> AuthenticRecord:
    """Check that items belong to a record and that its controller signed it.

    Args:
        items: openings of some or all of the record's items.
        signature: the controller's, over `record` in `domain`.

    Raises:
        InvalidMessage: an item that is not in the record, or two items of one name.
        BadSignature: the controller did not sign this record.
    """
    by_name: dict[str, Item] = {}
    for item in items:
        if struct_hash(item) not in record.items:
            raise InvalidMessage("items", "must all belong to the record")
        if item.name in by_name:
            raise InvalidMessage("items", "must all have different names")
        by_name[item.name] = item
    try:
        verify(domain.digest(record), signature, record.controller)
    except BadSignature:
        raise BadSignature("The record is not signed by its controller.") from None
    return AuthenticRecord(record, struct_hash(record), by_name, signature)


@dataclass(frozen=True)
class Anchor:
    """A subject's signed consent, and where its grants are said to lie in an anchored cohort.

    Attributes:
        grants: what the consent names. Whoever anchors a root chooses its leaves: only these are hers.
    """

    subject: Address
    grants: frozenset[Hash]
    root: Hash
    proof: tuple[Hash, ...]
    deadline: int


@dataclass(frozen=True)
class SignedConsent:
    """A consent of which only the hashes of its grants are shown, who signed it, and where one lies in a cohort.

    Attributes:
        root, proof: of the cohort, for the grant that this is shown for; a root of None is a consent that is recorded
            by itself.
        account_proof: where the signer's code said yes and not its key, the nodes that prove that it has code. The
            registry asks code when it records the grant, and nobody can ask it for that time afterwards.
    """

    subject: Address
    grant_hashes: tuple[Hash, ...]
    deadline: int
    signer: Address
    signature: bytes
    root: Hash | None = None
    proof: tuple[Hash, ...] = ()
    account_proof: tuple[bytes, ...] | None = None

    @classmethod
    def of(cls, consent: Consent, signer: Address, signature: bytes) -> "SignedConsent":
        """What is shown of a consent that is recorded by itself."""
        hashes = tuple(map(struct_hash, consent.grants))
        return cls(consent.subject, hashes, consent.deadline, signer, signature)

    def to_json(self) -> dict[str, Any]:
        """As it stands in a bundle and in the store."""
        more: dict[str, Any] = {}
        if self.root is not None:
            more["cohort"] = {"root": self.root, "proof": list(self.proof)}
        if self.account_proof is not None:
            more["accountProof"] = ["0x" + node.hex() for node in self.account_proof]
        return {
            "subject": self.subject,
            "grantHashes": list(self.grant_hashes),
            "deadline": self.deadline,
            "signer": self.signer,
            "signature": "0x" + self.signature.hex(),
            **more,
        }

    @classmethod
    def from_json(cls, value: Any) -> "SignedConsent":
        """Read what `to_json` wrote; every member is checked, the signature is not.

        Raises:
            InvalidMessage: it is malformed, or has members that are not known, or one of code lies in a cohort.
            InvalidProof: what should be the nodes of a proof are none.
        """
        names = {"subject", "grantHashes", "deadline", "signer", "signature"}
        if not isinstance(value, dict) or value.keys() not in (names, names | {"cohort"}, names | {"accountProof"}):
            what = f"must hold {', '.join(sorted(names))}, perhaps cohort or accountProof, and nothing else"
            raise InvalidMessage("consents", what)
        root: Hash | None = None
        proof: tuple[Hash, ...] = ()
        if "cohort" in value:
            cohort = value["cohort"]
            if not isinstance(cohort, dict) or cohort.keys() != {"root", "proof"}:
                raise InvalidMessage("cohort", "must hold root and proof and nothing else")
            root, proof = hash32(cohort["root"], "root"), _hashes(cohort["proof"], "proof")
        return cls(
            address(value["subject"], "subject"),
            _hashes(value["grantHashes"], "grantHashes"),
            integer(value["deadline"], "deadline"),
            address(value["signer"], "signer"),
            parse_signature(value["signature"]),
            root,
            proof,
            read_nodes(value["accountProof"]) if "accountProof" in value else None,
        )

    def check(self, domain: Domain) -> None:
        """Check the signature.

        Raises:
            BadSignature: the signer did not sign it; or it is in a cohort, where only the subject's own key counts.
        """
        if self.root is not None and self.signer != self.subject:
            raise BadSignature("A consent in a cohort must be signed by the subject itself.")
        struct = commitment_hash("Consent", self.subject, self.grant_hashes, self.deadline)
        verify(domain.digest_of(struct), self.signature, self.signer)

    def anchor(self, domain: Domain) -> Anchor:
        """The checked consent as evidence that its grants may stand by the cohort it lies in.

        Raises:
            BadSignature: see `check`. InvalidMessage: it is in no cohort.
        """
        if self.root is None:
            raise InvalidMessage("cohort", "is missing")
        self.check(domain)
        return Anchor(self.subject, frozenset(self.grant_hashes), self.root, self.proof, self.deadline)


def _hashes(value: Any, field_name: str) -> tuple[Hash, ...]:
    if not isinstance(value, list):
        raise InvalidMessage(field_name, "must be a list")
    return tuple(hash32(one, field_name) for one in value)


def anchored(consent: Consent, signature: bytes, root: Hash, proof: tuple[Hash, ...], domain: Domain) -> Anchor:
    """Check the subject's signature on a consent that was anchored rather than recorded by itself.

    Raises:
        BadSignature: the subject did not sign it.
    """
    return replace(SignedConsent.of(consent, consent.subject, signature), root=root, proof=proof).anchor(domain)


@dataclass(frozen=True)
class Opening:
    """A grant in full, with its hash, and the cohort proofs by which it may stand."""

    grant: Grant
    anchors: tuple[Anchor, ...] = ()
    hash: Hash = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hash", struct_hash(self.grant))


def undelegation(delegate: Address, at: int) -> str:
    """What the deny list holds of a delegate whose rights were taken away at a time (Unix seconds)."""
    return f"{delegate} {at}"


LOST = {"undelegated": (RIGHT_REVOKE, RIGHT_GRANT), "narrowed": (RIGHT_GRANT,)}
"""Which rights of a delegate each kind of denial ends."""


def takes_away(rights: int) -> str | None:
    """The kind of denial that a delegation with these rights is; None when it keeps the right to grant.

    One that leaves the right to revoke takes nothing from that: a withdrawal must not be lost.
    """
    if rights & RIGHT_GRANT:
        return None
    return "narrowed" if rights else "undelegated"


@dataclass(frozen=True)
class Denials:
    """The local deny list: withdrawals that were received or seen, mined or not, and that nothing clears.

    Attributes:
        revoked: (subject, grant hash) pairs.
        revoked_before: subject → the latest RevokeAll.before.
        suspended_at: subject → the latest Suspension.at with suspended true.
        closed: subjects.
        undelegated: (subject, delegate, right) → the latest Delegation.at without that right. Who may act for a subject
            is no part of a decision about a grant that stands, and nobody's business who reads a bundle.
    """

    revoked: frozenset[tuple[Address, Hash]] = frozenset()
    revoked_before: Mapping[Address, int] = field(default_factory=dict)
    suspended_at: Mapping[Address, int] = field(default_factory=dict)
    closed: frozenset[Address] = frozenset()
    undelegated: Mapping[tuple[Address, Address, int], int] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[tuple[str, Address, str]]) -> "Denials":
        """Read the deny list as it is stored, or what bundles state of it: (kind, subject, value)."""
        revoked: set[tuple[Address, Hash]] = set()
        before: dict[Address, int] = {}
        suspended: dict[Address, int] = {}
        closed: set[Address] = set()
        undelegated: dict[tuple[Address, Address, int], int] = {}
        for kind, subject, value in rows:
            match kind:
                case "revoked":
                    revoked.add((subject, Hash(value)))
                case "revoked_before":
                    before[subject] = max(before.get(subject, 0), int(value))
                case "suspended":
                    suspended[subject] = max(suspended.get(subject, 0), int(value))
                case "closed":
                    closed.add(subject)
                case "undelegated" | "narrowed":
                    delegate, at = value.split()
                    for right in LOST[kind]:
                        key = subject, Address(delegate), right
                        undelegated[key] = max(undelegated.get(key, 0), int(at))
                case _:
                    raise ValueError(f"unknown denial {kind}")
        return cls(frozenset(revoked), before, suspended, frozenset(closed), undelegated)

    def ends(self, subject: Address, delegate: Address, right: int, at: int) -> bool:
        """Whether a right that a delegate was given at a time (Unix seconds) was taken away again.

        Of two words of one instant the one that takes away comes last, on chain too.
        """
        return at <= self.lost_at(subject, delegate, right)

    def lost_at(self, subject: Address, delegate: Address, right: int) -> int:
        """When a right of a delegate was taken away last (Unix seconds); -1 when it never was."""
        return self.undelegated.get((subject, delegate, right), -1)

    def rows(self) -> list[tuple[str, Address, str]]:
        """The list as bundles state it and `of` reads it, in one order: without `undelegated`."""
        return sorted(
            [
                *(("revoked", subject, grant) for subject, grant in self.revoked),
                *(("revoked_before", subject, str(at)) for subject, at in self.revoked_before.items()),
                *(("suspended", subject, str(at)) for subject, at in self.suspended_at.items()),
                *(("closed", subject, "") for subject in self.closed),
            ]
        )


@dataclass(frozen=True)
class Evidence:
    """Everything a decision needs, each part checked when it was made.

    Attributes:
        facts: what the chain says as of the moment's block.
        record: the opening, or None where nobody knows it.
        grants: openings of grants of this record.
        forms: the forms those grants name, by hash.
        approvals: the controller's, their signatures checked, for grants that name no recipient.
        denials: the local deny list.
    """

    facts: Facts
    record: AuthenticRecord | None = None
    grants: tuple[Opening, ...] = ()
    forms: Mapping[Hash, Form] = field(default_factory=dict)
    approvals: tuple[Approval, ...] = ()
    denials: Denials = field(default_factory=Denials)
