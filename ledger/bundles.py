"""Bundles: everything needed to verify one decision offline, years later, trusting one block hash.

A bundle is canonical JSON (RFC 8785). It opens the record, the items asked for and the grant; everything else it
only names by hash. Verifying decides again, from proven slots, and compares.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.decisions import Decision, decide
from ledger.deployment import Deployment
from ledger.documents import Form, canonical, document_hash, parse_canonical
from ledger.errors import BadSignature, InvalidInput, InvalidMessage, InvalidProof
from ledger.evidence import Denials, Evidence, Moment, Opening, Question, SignedConsent, authenticate
from ledger.model import Address, Approval, Grant, Hash, Item, Record, address, hash32, integer
from ledger.proofs import EMPTY_CODE, AccountProof, Header, SlotProof, read_nodes
from ledger.slots import Proven, ProvenFacts, Slot, delegation_slot, needed
from ledger.typed_data import Domain, parse_signature, struct_hash, verify

TYPE = "VolensBundle"
VERSION = 1
MAX_SIZE = 4 * 2**20
_TIME = re.compile("0|[1-9][0-9]{0,19}")
_HEX = re.compile("0x(?:[0-9a-fA-F]{2})*")
MAX_AGE = 3600
"""Seconds a block may have been old at any service. The time of a decision is stated, not proven: were this not
bounded, an old block could be passed off as the evidence of a decision made after a revocation."""


@dataclass(frozen=True)
class Contents:
    """What goes into a bundle."""

    deployment: Deployment
    headers: Sequence[Header]
    contracts: Mapping[str, Proven]
    record: Record
    record_signature: bytes
    items: Sequence[Item]
    question: Question
    decision: Decision
    grant: Grant | None = None
    form: Form | None = None
    approvals: Sequence[tuple[Approval, bytes]] = ()
    consents: Sequence[SignedConsent] = ()
    denials: Denials = field(default_factory=Denials)


def question_json(question: Question) -> dict[str, Any]:
    """A question as it stands in a bundle."""
    return {
        "recipient": question.recipient,
        "record": question.record,
        "purpose": question.purpose,
        "channel": question.channel,
        "items": list(question.items),
        "digests": dict(question.digests),
        "facts": dict(question.facts),
    }


def question_from_json(value: Any) -> Question:
    """Read a question from a bundle."""
    _members(value, "question", "recipient", "record", "purpose", "channel", "items", "digests", "facts")
    items, digests, facts = (value[name] for name in ("items", "digests", "facts"))
    if not isinstance(items, list) or not isinstance(digests, dict) or not isinstance(facts, dict):
        raise InvalidMessage("question", "must hold a list of items, and digests and facts by name")
    if not all(isinstance(text, str) for text in (value["purpose"], value["channel"], *items)):
        raise InvalidMessage("question", "must name purpose, channel and items as text")
    return Question(
        address(value["recipient"], "recipient"),
        hash32(value["record"], "record"),
        value["purpose"],
        value["channel"],
        tuple(items),
        {name: hash32(digest, "digests") for name, digest in digests.items()},
        # Which disease is a kind of which is not for the asker to say.
        {name: fact for name, fact in facts.items() if name != "ancestors"},
    )


def decision_json(decision: Decision) -> dict[str, Any]:
    """A decision as it stands in a bundle: the answer, and the two clocks it was given on."""
    return {
        "permitted": decision.permitted,
        "reason": str(decision.reason),
        "grant": decision.grant,
        "until": decision.until,
        "obligations": list(decision.obligations),
        "at": decision.moment.wall,
        "maxAge": decision.moment.max_age,
    }


def write(contents: Contents) -> bytes:
    """The canonical bytes of a bundle."""
    head = contents.headers[0]
    return canonical(
        {
            "type": TYPE,
            "version": VERSION,
            "chainId": contents.deployment.chain_id,
            "genesis": contents.deployment.genesis,
            "block": {"number": head.number, "hash": head.hash, "headerRlp": _hex(head.rlp)},
            "ancestors": [_hex(header.rlp) for header in contents.headers[1:]],
            "contracts": {
                name: {
                    "address": proven.account.address,
                    "codeHash": contents.deployment.contracts[name].code_hash,
                    "accountProof": [_hex(node) for node in proven.account.nodes],
                    "slots": [
                        {
                            "label": slot.label,
                            "key": slot.key,
                            "value": hex(value),
                            "proof": [_hex(node) for node in proof.nodes],
                        }
                        for slot, value, proof in proven.slots
                    ],
                }
                for name, proven in contents.contracts.items()
            },
            "openings": {
                "record": contents.record.to_json(),
                "items": [item.to_json() for item in contents.items],
                "grant": contents.grant.to_json() if contents.grant else None,
                "form": contents.form.to_json() if contents.form else None,
                "approvals": [approval.to_json() for approval, _ in contents.approvals],
            },
            "signatures": {
                "controller": _hex(contents.record_signature),
                "consents": [consent.to_json() for consent in contents.consents],
                "approvals": [_hex(signature) for _, signature in contents.approvals],
            },
            "denials": [list(row) for row in contents.denials.rows()],
            "question": question_json(contents.question),
            "decision": decision_json(contents.decision),
        }
    )


@dataclass(frozen=True)
class Verified:
    """What a bundle proves: that this decision is right for this question as of this block, and on whose consent.

    It does not prove that the question was asked, nor at which second: the time is the maker's word, within
    `max_age` of the block.

    Attributes:
        signers: who signed the consent, by subject: herself, or a delegate the registry knows. Empty where no grant
            is involved.
        checked_on_chain: the subjects whose consent an account with code is said to have signed. The registry checked
            some signature before it recorded the grant, as it does with every one; nothing here shows whose of those
            who may act for the subject.
        confirmations: how many blocks deep a grant had to be, the block itself counting as one.
    """

    question: Question
    decision: Decision
    record: Record
    grant: Grant | None
    signers: Mapping[Address, Address]
    confirmations: int
    checked_on_chain: frozenset[Address] = frozenset()


def verify_bundle(
    data: bytes, trusted_block: Hash, deployment: Deployment, confirmations: int = 1, max_age: int = 36
) -> Verified:
    """Verify a bundle without asking anybody.

    Steps:
        1. the bundle is canonical JSON of the known type and version, about the deployment we trust
        2. its header hashes to the trusted block, and its ancestors follow from it
        3. every contract is proven in that block, with the code that was deployed
        4. every slot is proven under its contract
        5. the record is signed by its controller and holds the opened items
        6. the grant belongs to it, and each consent shown was signed by its signer for this very grant; or the signer
           has code in that block, and the registry has recorded the grant by itself, in no cohort
        7. deciding again from the proven slots gives the same decision; all it looks at is shown and rightly named

    Args:
        data: the bundle file.
        trusted_block: a block hash from a source the verifier trusts: a node, a checkpoint, a witness.
        deployment: the facts of the deployment, from a source the verifier trusts.
        confirmations: how many blocks deep a grant must have been.
        max_age: how many seconds the block may have been old.

    Raises:
        InvalidProof: a step does not hold; the message says which.
    """
    try:
        found = _verify(parse_canonical(data, MAX_SIZE), trusted_block, deployment)
    except InvalidProof:
        raise
    except BadSignature as error:
        raise InvalidProof(f"A signature in the bundle does not hold: {error}") from None
    except InvalidInput as error:
        raise InvalidProof(f"The bundle is malformed: {error}") from None
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError):
        raise InvalidProof("The bundle is malformed.") from None
    if found.confirmations < confirmations:
        raise InvalidProof(f"The bundle shows {found.confirmations} confirmations; {confirmations} are asked for.")
    if found.decision.moment.max_age > max_age:
        raise InvalidProof(
            f"The decision allowed a block {found.decision.moment.max_age} seconds old; {max_age} are allowed here."
        )
    return found


def _verify(bundle: Any, trusted_block: Hash, deployment: Deployment) -> Verified:
    # 1
    _members(
        bundle, "bundle", "type", "version", "chainId", "genesis", "block", "ancestors", "contracts", "openings",
        "signatures", "denials", "question", "decision",
    )  # fmt: skip
    if bundle["type"] != TYPE or integer(bundle["version"], "version") != VERSION:
        raise InvalidProof("This is not a bundle of a version that can be verified here.")
    if integer(bundle["chainId"], "chainId") != deployment.chain_id or bundle["genesis"] != deployment.genesis:
        raise InvalidProof("The bundle is about another chain.")
    # 2
    headers = _headers(bundle, trusted_block)
    # 3, 4
    facts = _facts(bundle["contracts"], headers[0], deployment)
    # 5
    openings = _members(bundle["openings"], "openings", "record", "items", "grant", "form", "approvals")
    signatures = _members(bundle["signatures"], "signatures", "controller", "consents", "approvals")
    record = authenticate(
        Record.from_json(openings["record"]),
        [Item.from_json(item) for item in _list(openings["items"], "items")],
        parse_signature(signatures["controller"]),
        deployment.domain,
    )
    # 6
    question = question_from_json(bundle["question"])
    grant = Grant.from_json(openings["grant"]) if openings["grant"] is not None else None
    parties = {record.record.subject, *record.record.stewards}
    consents = _consents(signatures["consents"], grant, parties, facts, deployment.domain, headers[0])
    signers = {consent.subject: consent.signer for consent in consents if consent.account_proof is None}
    coded = frozenset(consent.subject for consent in consents) - signers.keys()
    anchors = tuple(consent.anchor(deployment.domain) for consent in consents if consent.root is not None)
    approvals = []
    signed = _list(openings["approvals"], "approvals"), _list(signatures["approvals"], "approvals")
    for value, signature in zip(*signed, strict=True):
        approval = Approval.from_json(value)
        verify(deployment.domain.digest(approval), parse_signature(signature), record.record.controller)
        approvals.append(approval)
    form = Form.from_json(openings["form"]) if openings["form"] is not None else None
    # 7
    denials = Denials.of(map(_denial, _list(bundle["denials"], "denials")))
    evidence = Evidence(
        facts,
        record,
        (Opening(grant, anchors),) if grant else (),
        {document_hash(form): form} if form else {},
        tuple(approvals),
        denials,
    )
    stated = bundle["decision"]
    wall, max_age = integer(stated["at"], "decision.at"), integer(stated["maxAge"], "decision.maxAge", MAX_AGE)
    moment = Moment.of(headers, wall, max_age)
    decision = decide(question, evidence, moment)
    found = decision_json(decision)
    if canonical(found) != canonical(stated):  # bytes, because to Python 1 is True
        differing = [name for name in found if found[name] != stated.get(name)] or ["fields"]
        raise InvalidProof(f"The evidence does not support the decision: the {', '.join(differing)} differ.")
    delegated = [delegation_slot(one.subject, one.signer) for one in consents if one.signer != one.subject]
    slots = needed(question, record, evidence.grants, evidence.forms, facts)
    _check_slots(bundle["contracts"], [*slots, *delegated])
    if decision.permitted and signers.keys() | coded != parties:
        raise InvalidProof("The bundle does not show the signed consent of everybody whose consent the record needs.")
    return Verified(question, decision, record.record, grant, signers, len(headers), coded)


def _headers(bundle: Any, trusted_block: Hash) -> list[Header]:
    block = _members(bundle["block"], "block", "number", "hash", "headerRlp")
    head = Header.from_rlp(_unhex(block["headerRlp"]), trusted_block)
    if (head.number, head.hash) != (integer(block["number"], "number"), block["hash"]):
        raise InvalidProof("The bundle's header is not the block it names.")
    headers = [head]
    for encoded in _list(bundle["ancestors"], "ancestors"):
        headers.append(Header.from_rlp(_unhex(encoded), headers[-1].parent_hash))
    return headers


def _facts(contracts: Any, head: Header, deployment: Deployment) -> ProvenFacts:
    values: dict[tuple[str, Hash], int] = {}
    for name, proven in contracts.items():
        _members(proven, name, "address", "codeHash", "accountProof", "slots")
        expected = deployment.contracts.get(name)
        if expected is None or (proven["address"], proven["codeHash"]) != (expected.address, expected.code_hash):
            raise InvalidProof(f"The bundle's {name} is not the contract of this deployment.")
        account = AccountProof(expected.address, read_nodes(proven["accountProof"])).verify(head)
        if account.code_hash != expected.code_hash:
            raise InvalidProof(f"The code of {name} in that block is not what was deployed.")
        for slot in _list(proven["slots"], "slots"):
            _members(slot, "slots", "label", "key", "value", "proof")
            key = hash32(slot["key"], "key")
            value = SlotProof(key, read_nodes(slot["proof"])).verify(account)
            if hex(value) != slot["value"]:
                raise InvalidProof(f"{name}.{slot['label']} holds another value than the bundle states.")
            values[name, key] = value
    return ProvenFacts(values)


def _check_slots(contracts: Any, slots: Iterable[Slot]) -> None:
    """Every slot that a decision of this kind looks at is shown, under the label that tells a person what it holds."""
    shown = {(name, slot["key"]): slot["label"] for name, proven in contracts.items() for slot in proven["slots"]}
    for slot in slots:
        if shown.get((slot.contract, slot.key)) != slot.label:
            raise InvalidProof(f"The bundle does not show {slot.contract}.{slot.label} under that name.")


def _consents(
    value: Any, grant: Grant | None, parties: set[Address], facts: ProvenFacts, domain: Domain, head: Header
) -> list[SignedConsent]:
    """The consents shown, each checked: of a party, for this grant, by a signer who may, recorded in time."""
    consents = [SignedConsent.from_json(one) for one in _list(value, "consents")]
    for consent in consents:
        subject, signer = consent.subject, consent.signer
        if subject not in parties:
            raise InvalidProof("A consent in the bundle is of somebody whose consent the record does not need.")
        if grant is None or struct_hash(grant) not in consent.grant_hashes:
            raise InvalidProof("A consent in the bundle does not contain the grant.")
        if signer != subject and not facts.delegation(subject, signer).at:
            raise InvalidProof("A consent in the bundle is signed by somebody who never was the subject's delegate.")
        if facts.entry(subject, struct_hash(grant)).granted_at > consent.deadline:
            raise InvalidProof("A consent in the bundle was recorded after its deadline.")
        if consent.account_proof is None:
            consent.check(domain)
        else:
            _check_coded(consent, facts.entry(subject, struct_hash(grant)).granted_at, head)
    return consents


def _check_coded(consent: SignedConsent, granted_at: int, head: Header) -> None:
    """A consent that code signed: it must be there that only the registry can have checked it, and that it did.

    Were an account without code let through, any bundle could be stripped of the signature it rests on.
    """
    if not granted_at:
        raise InvalidProof(
            "A consent in the bundle is signed by code, and no registry has asked it: it is not recorded."
        )
    account = AccountProof(consent.signer, consent.account_proof or ()).verify(head)
    if account.code_hash == EMPTY_CODE:
        raise InvalidProof("A consent in the bundle is said to be signed by code; the signer has none in that block.")


def _denial(row: Any) -> tuple[str, Address, str]:
    kind, subject, value = _list(row, "denials")
    match kind:
        case "revoked":
            hash32(value, "denials")
        case "undelegated" | "narrowed":
            raise InvalidMessage("denials", "must not tell who may act for a subject")
        case "closed" if value != "":
            raise InvalidMessage("denials", "must state nothing more of a closure")
        case "revoked_before" | "suspended" if not isinstance(value, str) or not _TIME.fullmatch(value):
            raise InvalidMessage("denials", "must state times as whole numbers")
    return kind, address(subject, "denials"), value


def _members(value: Any, what: str, *names: str) -> Any:
    """The object itself, which has these members and no other: what is not understood is not vouched for."""
    if not isinstance(value, dict) or value.keys() != set(names):
        raise InvalidMessage(what, f"must hold {', '.join(names)} and nothing else")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidMessage(what, "must be a list")
    return value


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _unhex(value: Any) -> bytes:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise InvalidMessage("headerRlp", "must be 0x and hexadecimal digits")
    return bytes.fromhex(value[2:])
