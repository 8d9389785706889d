"""The source of tests/vectors/decisions.json: questions, evidence and the decisions they must give.

Each case is the base with some of its parts exchanged (a shallow merge), so what a case is about is all it shows.
"""

from typing import Any

from ledger.bundles import question_from_json, question_json
from ledger.decisions import Decision, Reason, decide
from ledger.documents import Form, document_hash
from ledger.events import (
    Anchored,
    Closed,
    LedgerEvent,
    Published,
    Registered,
    Retracted,
    Revoked,
    RevokedAll,
    Superseded,
    Suspended,
    SuspensionChanged,
)
from ledger.evidence import (
    Anchor,
    AuthenticRecord,
    Denials,
    Evidence,
    Moment,
    Opening,
    Question,
    anchored,
    authenticate,
)
from ledger.merkle import CohortTree
from ledger.model import (
    LONGEST_CONSENT,
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    Approval,
    Consent,
    Grant,
    Hash,
    Item,
    Record,
    to_hash,
)
from ledger.state import LedgerState, replay
from ledger.typed_data import Domain, parse_signature, struct_hash, verify
from scripts.vector_sources.world import CHAIN_ID, DAY, START, World, digest, event_from_json, event_json, phrase

W = World()
PATIENT, HOSPITAL, JOURNAL = W.patient.address, W.hospital.address, W.journal.address
GRANT, RESEARCH = W.grant(), W.research_grant
FORM = document_hash(W.form)
HASH = struct_hash(GRANT)
NEW = to_hash(phrase("a new version"))
RECORDED = (*W.listings, W.granted(GRANT), W.granted(RESEARCH))


def _base() -> dict[str, Any]:
    return {
        "chainId": CHAIN_ID,
        "contracts": dict(W.contracts),
        "question": question_json(W.question()),
        "record": W.record.to_json(),
        "items": [item.to_json() for item in W.items],
        "recordSignature": W.record_signature,
        "grants": [GRANT.to_json(), RESEARCH.to_json()],
        "anchors": [],
        "forms": [W.form.to_json()],
        "approvals": [],
        "events": [event_json(event) for event in RECORDED],
        "denials": [],
        "moment": _moment_json(W.moment()),
    }


def _moment_json(moment: Moment) -> dict[str, Any]:
    return {
        "number": moment.number,
        "hash": moment.hash,
        "timestamp": moment.timestamp,
        "confirmedAt": moment.confirmed_at,
        "wall": moment.wall,
        "maxAge": moment.max_age,
    }


def read_case(base: dict[str, Any], case: dict[str, Any]) -> tuple[Question, Evidence, Moment]:
    """A case as `decide` takes it. Readers in other languages do the same."""
    value = base | case
    domain = Domain(value["chainId"], value["contracts"]["ConsentRegistry"])
    facts = replay(
        LedgerState.empty(value["chainId"], value["contracts"]), [event_from_json(event) for event in value["events"]]
    )
    record: AuthenticRecord | None = None
    if value["record"] is not None:
        items = [Item.from_json(item) for item in value["items"]]
        signature = parse_signature(value["recordSignature"])
        record = authenticate(Record.from_json(value["record"]), items, signature, domain)
    forms = [Form.from_json(form) for form in value["forms"]]
    approvals = []
    for entry in value["approvals"]:
        approval = Approval.from_json(entry["approval"])
        verify(domain.digest(approval), parse_signature(entry["signature"]), HOSPITAL)
        approvals.append(approval)
    anchors: tuple[Anchor, ...] = tuple(
        anchored(
            Consent.from_json(entry["consent"]),
            parse_signature(entry["signature"]),
            entry["root"],
            tuple(entry["proof"]),
            domain,
        )
        for entry in value["anchors"]
    )
    m = value["moment"]
    return (
        question_from_json(value["question"]),
        Evidence(
            facts,
            record,
            tuple(Opening(Grant.from_json(grant), anchors) for grant in value["grants"]),
            {document_hash(form): form for form in forms},
            tuple(approvals),
            Denials.of((kind, Address(subject), text) for kind, subject, text in value["denials"]),
        ),
        Moment(m["number"], Hash(m["hash"]), m["timestamp"], m["confirmedAt"], m["wall"], m["maxAge"]),
    )


def decision_json(decision: Decision) -> dict[str, Any]:
    """What a case must give."""
    return {
        "permitted": decision.permitted,
        "reason": str(decision.reason),
        "grant": decision.grant,
        "until": decision.until,
    }


def _asks(**changes: Any) -> dict[str, Any]:
    return {"question": question_json(W.question(**changes))}


def _after(*events: LedgerEvent) -> dict[str, Any]:
    return {"events": [event_json(event) for event in (*RECORDED, *events)]}


def _at(seconds: int, **changes: Any) -> dict[str, Any]:
    return {"moment": _moment_json(W.moment(seconds, **changes))}


def _with(grant: Grant, *events: LedgerEvent) -> dict[str, Any]:
    """Only this grant, recorded."""
    return {
        "grants": [grant.to_json()],
        "events": [event_json(event) for event in (*W.listings, W.granted(grant), *events)],
    }


def _stewarded(*agreed: str) -> dict[str, Any]:
    """A record that the mother must agree to as well."""
    world = World(stewards=("mother",))
    grant = world.grant()
    by = {"patient": world.patient, "mother": world.mother}
    events = [*world.listings, *(world.granted(grant, by=by[name]) for name in agreed)]
    return {
        "record": world.record.to_json(),
        "recordSignature": world.record_signature,
        "grants": [grant.to_json()],
        "events": [event_json(event) for event in events],
        "question": question_json(world.question()),
    }


def _cohort(
    anchored_at: int, deadline: int, *more: LedgerEvent, subject_in_tree: bool = True, signed: Grant = GRANT
) -> dict[str, Any]:
    """A grant that was never recorded by itself but lies under an anchored root."""
    others = [(W.mother.address, struct_hash(RESEARCH)), (W.stranger.address, HASH)]
    own = (PATIENT, HASH) if subject_in_tree else (PATIENT, struct_hash(RESEARCH))
    tree = CohortTree.of([own, *others])
    consent = Consent(PATIENT, (signed,), deadline)
    return {
        "grants": [GRANT.to_json()],
        "events": [event_json(e) for e in (*W.listings, Anchored(anchored_at, tree.root, 3), *more)],
        "anchors": [
            {
                "consent": consent.to_json(),
                "signature": W.patient.sign_typed(W.domain, consent),
                "root": tree.root,
                "proof": list(tree.proof(*own)),
            }
        ],
    }


def _cohort_again(anchored_at: int, deadline: int, *more: LedgerEvent) -> dict[str, Any]:
    """The same consent in a second cohort, of which it is the only leaf: anybody who has it can do that."""
    case, alone = _cohort(START, deadline, *more), CohortTree.of([(PATIENT, HASH)])
    again = case["anchors"][0] | {"root": alone.root, "proof": []}
    events = [*case["events"], event_json(Anchored(anchored_at, alone.root, 1))]
    return case | {"anchors": [*case["anchors"], again], "events": events}


def _approved(record: Hash, recipient: Address, purpose: str, until: int) -> dict[str, Any]:
    approval = Approval(record, recipient, purpose, until, to_hash(phrase("approval")))
    return {"approvals": [{"approval": approval.to_json(), "signature": W.hospital.sign_typed(W.domain, approval)}]}


OPEN = W.grant(recipient=ZERO_ADDRESS, salt=to_hash(phrase("open grant")))
SOCIAL = W.grant(channels=("social:mastodon",))
FUTURE = W.grant(valid_from=START + 10 * DAY, salt=to_hash(phrase("future grant")))
R = Reason

CASES: list[tuple[str, Reason, dict[str, Any]]] = [
    ("narrative and CT slice in the journal", R.PERMITTED, {}),
    ("on the other channel", R.PERMITTED, _asks(channel="social:mastodon")),
    ("the same file, by digest", R.PERMITTED,
     _asks(items=(), digests={"narrative.md": digest(W.files["narrative.md"])})),
    ("a file under another name is what its bytes are", R.PERMITTED,
     _asks(items=(), digests={"text.md": digest(W.files["narrative.md"])})),
    ("the research group uses its own grant", R.PERMITTED,
     _asks(recipient=W.research.address, purpose="DUO:0000006", channel="", items=("ct.dcm",))),
    ("the last second", R.PERMITTED, _at(START + 365 * DAY - 1)),
    ("every part, where the grant covers every part", R.PERMITTED, {**_with(W.grant(items=("*",))), **_asks(items=())}),
    ("another record", R.UNKNOWN_RECORD, _asks(record=to_hash(phrase("another record")))),
    ("a record nobody knows", R.UNKNOWN_RECORD, {"record": None}),
    ("the hospital is not listed", R.CONTROLLER_NOT_LISTED,
     {"events": [event_json(e) for e in RECORDED if not (isinstance(e, Registered) and e.party == HOSPITAL)]}),
    ("the hospital is suspended", R.CONTROLLER_NOT_LISTED, _after(SuspensionChanged(START, HOSPITAL, True))),
    ("the hospital's suspension was lifted", R.PERMITTED,
     _after(SuspensionChanged(START, HOSPITAL, True), SuspensionChanged(START + 1, HOSPITAL, False))),
    ("the hospital lost its role", R.CONTROLLER_NOT_LISTED, _after(Registered(START, HOSPITAL, 2, ZERO_HASH, ""))),
    ("the hospital retracted the record", R.RECORD_RETRACTED, _after(Retracted(START, HOSPITAL, W.record_hash))),
    ("somebody else retracted the record's hash", R.PERMITTED, _after(Retracted(START, JOURNAL, W.record_hash))),
    ("nothing was granted", R.NO_CONSENT, {"grants": []}),
    ("the grant was never recorded", R.NO_CONSENT,
     {"grants": [GRANT.to_json()], "events": [event_json(e) for e in W.listings]}),
    ("somebody else recorded it", R.NO_CONSENT,
     {"grants": [GRANT.to_json()], "events": [event_json(e) for e in (*W.listings, W.granted(GRANT, by=W.stranger))]}),
    ("a grant that begins later", R.NOT_YET_VALID, _with(FUTURE)),
    ("one second before it begins", R.NOT_YET_VALID, {**_with(FUTURE), **_at(START + 10 * DAY - 1)}),
    ("the second it begins", R.PERMITTED, {**_with(FUTURE), **_at(START + 10 * DAY)}),
    ("it has begun on one clock only", R.NOT_YET_VALID,
     {**_with(FUTURE), **_at(START + 10 * DAY, timestamp=START + 10 * DAY - 1)}),
    ("the second it ends", R.EXPIRED, _at(START + 365 * DAY)),
    ("it has ended on one clock only", R.EXPIRED, _at(START + 365 * DAY, timestamp=START + 365 * DAY - 1)),
    ("revoked", R.REVOKED, _after(Revoked(START + 5, PATIENT, HASH, PATIENT))),
    ("somebody else revoked the same hash", R.PERMITTED,
     _after(Revoked(START + 5, W.stranger.address, HASH, W.stranger.address))),
    ("revoked before it was recorded", R.REVOKED,
     {"grants": [GRANT.to_json()],
      "events": [event_json(e) for e in (*W.listings, Revoked(START, PATIENT, HASH, PATIENT))]}),
    ("revoked, received but not mined", R.REVOKED, {"denials": [["revoked", PATIENT, HASH]]}),
    ("everything until then revoked", R.REVOKED, _after(RevokedAll(START, PATIENT, START, PATIENT))),
    ("everything until a second earlier revoked", R.PERMITTED, _after(RevokedAll(START, PATIENT, START - 1, PATIENT))),
    ("everything revoked, received but not mined", R.REVOKED, {"denials": [["revoked_before", PATIENT, str(START)]]}),
    ("suspended", R.SUSPENDED, _after(Suspended(START + 5, PATIENT, True, START + 5, PATIENT))),
    ("suspended and resumed", R.PERMITTED,
     _after(Suspended(START + 5, PATIENT, True, START + 5, PATIENT),
            Suspended(START + 6, PATIENT, False, START + 6, PATIENT))),
    ("suspended, received but not mined", R.SUSPENDED, {"denials": [["suspended", PATIENT, str(START + 5)]]}),
    ("a suspension received, resumed on chain later", R.PERMITTED,
     {**_after(Suspended(START + 6, PATIENT, False, START + 6, PATIENT)),
      "denials": [["suspended", PATIENT, str(START + 5)]]}),
    ("a suspension received, of the instant of resuming", R.SUSPENDED,
     {**_after(Suspended(START + 5, PATIENT, False, START + 5, PATIENT)),
      "denials": [["suspended", PATIENT, str(START + 5)]]}),
    ("closed", R.CLOSED, _after(Closed(START + 5, PATIENT, PATIENT))),
    ("closed, received but not mined", R.CLOSED, {"denials": [["closed", PATIENT, ""]]}),
    ("a stranger asks", R.RECIPIENT_NOT_COVERED, _asks(recipient=W.stranger.address)),
    ("revoked, while the research group's grant stands", R.REVOKED,
     {"denials": [["revoked", PATIENT, HASH]], **_asks(channel="social:instagram")}),
    ("the journal is not listed", R.RECIPIENT_NOT_COVERED,
     {"events": [event_json(e) for e in RECORDED if not (isinstance(e, Registered) and e.party == JOURNAL)]}),
    ("the journal is suspended", R.RECIPIENT_SUSPENDED, _after(SuspensionChanged(START, JOURNAL, True))),
    ("any approved recipient, approved", R.PERMITTED,
     {**_with(OPEN), **_approved(W.record_hash, JOURNAL, "case-report", START + 30 * DAY)}),
    ("any approved recipient, not approved", R.RECIPIENT_NOT_COVERED, _with(OPEN)),
    ("approved for another purpose", R.RECIPIENT_NOT_COVERED,
     {**_with(OPEN), **_approved(W.record_hash, JOURNAL, "teaching", START + 30 * DAY)}),
    ("somebody else is approved", R.RECIPIENT_NOT_COVERED,
     {**_with(OPEN), **_approved(W.record_hash, W.research.address, "case-report", START + 30 * DAY)}),
    ("the approval has ended", R.RECIPIENT_NOT_COVERED,
     {**_with(OPEN), **_approved(W.record_hash, JOURNAL, "case-report", START + DAY)}),
    ("another purpose", R.PURPOSE_NOT_COVERED, _asks(purpose="press")),
    ("a purpose nobody knows", R.NEEDS_REVIEW, _asks(purpose="unheard-of")),
    ("a condition that needs a fact", R.NEEDS_REVIEW,
     {**_with(W.grant(purposes=("DUO:0000006", "DUO:0000046"), channels=())),
      **_asks(purpose="DUO:0000006", channel="")}),
    ("the fact is given", R.PERMITTED,
     {**_with(W.grant(purposes=("DUO:0000006", "DUO:0000046"), channels=())),
      **_asks(purpose="DUO:0000006", channel="", facts={"commercial": False})}),
    ("another channel", R.CHANNEL_NOT_COVERED, _asks(channel="social:instagram")),
    ("a channel nobody knows", R.CHANNEL_NOT_COVERED, _asks(channel="social:unheard-of")),
    ("no channel, where the grant is for channels", R.CHANNEL_NOT_COVERED, _asks(channel="")),
    ("broader than granted", R.CHANNEL_NOT_COVERED, {**_with(SOCIAL), **_asks(channel="social")}),
    ("an item that is not covered", R.ITEM_NOT_COVERED, _asks(items=("photo.jpg",))),
    ("an item that is not in the record", R.ITEM_NOT_COVERED, _asks(items=("other.md",))),
    ("nothing named: the whole record", R.ITEM_NOT_COVERED, _asks(items=())),
    ("a file that is not covered, by digest", R.ITEM_NOT_COVERED,
     _asks(items=(), digests={"narrative.md": digest(W.files["photo.jpg"])})),
    ("an item that is not covered, with the bytes of one that is", R.ITEM_NOT_COVERED,
     _asks(items=("photo.jpg",), digests={"photo.jpg": digest(W.files["narrative.md"])})),
    ("two files under each other's names", R.ITEM_NOT_COVERED,
     _asks(items=(), digests={"photo.jpg": digest(W.files["narrative.md"]),
                              "narrative.md": digest(W.files["photo.jpg"])})),
    ("one byte changed", R.CONTENT_CHANGED, _asks(digests={"narrative.md": digest(b"# A Case")})),
    ("the form was replaced, materially", R.FORM_SUPERSEDED, _after(Superseded(START + 5, HOSPITAL, FORM, NEW, True))),
    ("the form was replaced, immaterially", R.PERMITTED, _after(Superseded(START + 5, HOSPITAL, FORM, NEW, False))),
    ("replaced immaterially, and that one materially", R.FORM_SUPERSEDED,
     _after(Superseded(START + 5, HOSPITAL, FORM, NEW, False),
            Superseded(START + 6, HOSPITAL, NEW, to_hash(phrase("a newer version")), True))),
    ("the form was retracted", R.FORM_SUPERSEDED, _after(Retracted(START + 5, HOSPITAL, FORM))),
    ("somebody else published and replaced the same form", R.PERMITTED,
     _after(Published(START, JOURNAL, FORM), Superseded(START + 5, JOURNAL, FORM, NEW, True))),
    ("the form is not at hand", R.FORM_SUPERSEDED, {"forms": []}),
    ("the form was never published", R.FORM_SUPERSEDED,
     {"events": [event_json(e) for e in RECORDED if not (isinstance(e, Published) and e.document == FORM)]}),
    ("the channel's terms changed", R.FORM_SUPERSEDED,
     _after(Superseded(START + 5, HOSPITAL, W.form.channels["journal"].terms, NEW, True))),
    ("another channel's terms changed", R.PERMITTED,
     _after(Superseded(START + 5, HOSPITAL, W.form.channels["social:instagram"].terms, NEW, True))),
    ("the mother has not agreed", R.FURTHER_CONSENT_NEEDED, _stewarded("patient")),
    ("the mother has agreed", R.PERMITTED, _stewarded("patient", "mother")),
    ("only the mother has agreed", R.NO_CONSENT, _stewarded("mother")),
    ("under an anchored root", R.PERMITTED, _cohort(START, START + 60)),
    ("anchored at the deadline", R.PERMITTED, _cohort(START + 60, START + 60)),
    ("anchored after the deadline", R.NO_CONSENT, _cohort(START + 61, START + 60)),
    ("anchored 30 days before the deadline", R.PERMITTED, _cohort(START, START + LONGEST_CONSENT)),
    ("anchored more than 30 days before the deadline", R.NO_CONSENT, _cohort(START, START + LONGEST_CONSENT + 1)),
    ("anchored after everything given until then was revoked", R.REVOKED,
     _cohort(START + 9, START + LONGEST_CONSENT, RevokedAll(START + 5, PATIENT, START, PATIENT))),
    ("in a cohort, given after everything was revoked", R.PERMITTED,
     _cohort(START + 9, START + LONGEST_CONSENT + 1, RevokedAll(START + 5, PATIENT, START, PATIENT))),
    ("anchored again after everything was revoked", R.REVOKED,
     _cohort_again(START + 9, START + 60, RevokedAll(START + 5, PATIENT, START + 5, PATIENT))),
    ("under an anchored root, but revoked", R.REVOKED,
     _cohort(START, START + 60, Revoked(START + 70, PATIENT, HASH, PATIENT))),
    ("anchored by somebody else beside a consent to something else", R.NO_CONSENT,
     _cohort(START, START + 60, signed=RESEARCH)),
    ("another leaf of the root", R.NO_CONSENT, _cohort(START, START + 60, subject_in_tree=False)),
    ("recorded a moment ago", R.AWAITING_CONFIRMATIONS, _at(START + 6, confirmed_at=START - 6)),
    ("recorded in the confirmed block", R.PERMITTED, _at(START + 6, confirmed_at=START)),
    ("the newest block is too old", R.STALE_LEDGER, _at(START + DAY, timestamp=START + DAY - 37)),
    ("the newest block is as old as it may be", R.PERMITTED, _at(START + DAY, timestamp=START + DAY - 36)),
    ("the newest block is from the future", R.STALE_LEDGER, _at(START + DAY, timestamp=START + DAY + 16)),
]  # fmt: skip


def vectors() -> dict[str, Any]:
    """The content of the file.

    Raises:
        AssertionError: a case does not give the reason it was written for.
    """
    base = _base()
    cases = []
    for name, reason, changes in CASES:
        decision = decide(*read_case(base, changes))
        if decision.reason is not reason:
            raise AssertionError(f"{name}: expected {reason}, got {decision.reason}")
        cases.append({"name": name, **changes, "decision": decision_json(decision)})
    return {
        "about": "base: a question and its evidence. cases: what each exchanges in the base (a shallow merge of the "
        "members), and the decision that must come out. ledger_unavailable is what a service answers when it has no "
        "evidence, so it has no case.",
        "base": base,
        "cases": cases,
    }
