"""The commands against a real service: what works, and what each refusal says and leaves undone."""

import json
import shutil
import time

import pytest
from waiting import eventually

from cli.running import PASSPHRASE, secret_file
from cli.test_bad_input import tree
from client.http import Client
from ledger.adapters.chain import address_of, call_data
from ledger.adapters.node import Node, Reverted
from ledger.documents import canonical
from ledger.errors import BadSignature, Expired
from ledger.model import Consent, Revocation, to_hash
from ledger.ports import Call
from ledger.summary import with_summary
from ledger.typed_data import struct_hash
from scripts.deploy import await_receipt
from scripts.devnet import rpc, set_balance
from scripts.samples import ct_slice, photograph
from scripts.stack import make_key, operator_key
from wallet.keys import PartyKeys

pytestmark = pytest.mark.node

HASH = "0x" + "ab" * 32


def ask(town, record, who="journal", channel="journal"):
    return ("verify", "--record", record, "--purpose", "case-report", "--channel", channel, *town.key(who))


# The main job, by commands only ------------------------------------------------------------------------


def test_a_case_from_sealing_to_revoking(volens, town, tmp_path):
    """Every step a person takes, as the tutorial tells it."""
    (tmp_path / "narrative.md").write_text("# A case\n\nWritten by us.\n")
    assert volens("record", "seal", "narrative.md", "--out", "case", *town.key("hospital")).code == 0
    invited = volens("record", "invite", "--title", "A [bold] case", *town.key("hospital"), "--json").json
    joined = volens("wallet", "join", invited["invitation"], *town.wallet, "--json").json
    assert joined["title"] == "A [bold] case"
    registered = volens(
        "record", "register", "case", "--invitation", invited["invitation"], *town.key("hospital"), "--json"
    ).json
    assert registered["subject"] == joined["subject"]
    record = registered["record"]
    (tmp_path / "grants.json").write_text(json.dumps([town.proposal()]))
    offered = volens(
        "record",
        "offer",
        "--record",
        record,
        "--form",
        town.form,
        "--grants",
        "grants.json",
        *town.key("hospital"),
        "--json",
    ).json
    seen = volens("wallet", "open", offered["offer"], "--out", "preview", *town.wallet)
    assert seen.code == 0
    assert "A [bold] case" in seen.out
    assert (tmp_path / "preview" / "narrative.md").read_text() == (tmp_path / "narrative.md").read_text()
    granted = volens("wallet", "grant", offered["offer"], "--yes", *town.wallet, "--json").json
    assert granted["relays"][0]["status"] == "final"

    asked = volens(*ask(town, record), "--file", "preview/narrative.md", "--json")
    assert (asked.code, asked.json["reason"]) == (0, "permitted")
    assert volens(*ask(town, record), "--item", "narrative.md").code == 0
    stranger = volens(*ask(town, record, "stranger"), "--item", "narrative.md", "--json")
    assert (stranger.code, stranger.json["reason"]) == (3, "no_consent")
    released = volens(
        "release", "--record", record, "--purpose", "case-report", "--channel", "journal", "--item", "narrative.md",
        "--out", "received", *town.key("journal"), "--json",
    )  # fmt: skip
    assert released.code == 0
    assert (tmp_path / "received" / "narrative.md").read_bytes() == (tmp_path / "preview" / "narrative.md").read_bytes()

    kept = volens("bundle", asked.json["evaluation"], "--out", "bundle.json", *town.key("journal"), "--json").json
    checked = volens(
        "audit", "verify-bundle", "bundle.json", "--trusted-block", kept["hash"], "--deployment", town.facts, "--json"
    )
    assert (checked.code, checked.json["verified"]) == (0, True)

    made = volens("reference", "make", "--record", record, *town.key("journal"), "--json").json
    assert volens("reference", "list", "--record", record, *town.key("hospital"), "--json").json == [made]
    look = ("reference", "look", made["reference"].lower(), "--url", town.url)
    seen = volens(*look)
    assert (seen.code, "in the journal" in seen.out) == (0, True)
    volens("reference", "look", "short", "--url", town.url).refused(2, "cannot be a reference")
    by_name = volens(*ask(town, made["reference"].lower()), "--item", "narrative.md", "--json")
    assert (by_name.code, by_name.json["reason"]) == (0, "permitted")

    revoked = volens("wallet", "revoke", granted["grants"][0], "--yes", *town.wallet, "--json")
    assert revoked.code == 0
    assert (volens(*look).code, volens(*look, "--json").json["uses"]) == (3, [])
    denied = volens(*ask(town, record), "--item", "narrative.md", "--json")
    assert (denied.code, denied.json["reason"]) == (3, "revoked")

    sent = revoked.json["relays"][0]["id"]
    receipts = volens("wallet", "receipts", "--out", "receipts", *town.wallet[:-2], "--json").json
    assert sent in [receipt["receipt"]["id"] for receipt in receipts]
    key = town.client().get("/v1/ledger")["receiptKey"]
    verify = ("audit", "verify-receipt", f"receipts/{sent}.receipt.json", "--deployment", town.facts, "--json")
    message = f"receipts/{sent}.message.json"
    held = volens(*verify, "--key", key, "--message", message)
    assert (held.code, held.json["receipt"]["type"]) == (0, "Revocation")
    volens(*verify[:-1], "--key", "0x" + "11" * 32).refused(5, "another key")
    agreed = granted["relays"][0]["id"]
    volens(*verify[:-1], "--key", key, "--message", f"receipts/{agreed}.message.json").refused(5, "another message")
    shown = volens("wallet", "show", *town.wallet, "--json").json
    case = next(case for case in shown if case["record"] == record)
    assert case["grants"][0]["standing"] == "revoked"
    kept = volens("wallet", "records", "--out", "kept", *town.wallet, "--json").json
    mine = next(one for one in kept if one["volens:record"] == record)
    assert [status["@type"][0] for status in mine["dpv:hasConsentStatus"]] == [
        "dpv:ConsentGiven",
        "dpv:ConsentWithdrawn",
    ]
    assert (tmp_path / "kept" / f"{mine['volens:grant']}.consent.json").read_bytes() == canonical(mine)
    looked = volens("wallet", "accesses", *town.wallet, "--json").json
    assert {"decision", "release", "outcome"} <= {entry["kind"] for entry in looked}
    assert "revoked" in {entry["reason"] for entry in looked}
    said = volens("wallet", "accesses", *town.wallet).out
    assert "The Journal\tasked to use it\ta medical case report\tin the journal\tno. You had stopped it.\n" in said
    said = volens("wallet", "accesses", *town.wallet, "--language", "de").out
    assert said.startswith("wann (UTC)\twer")
    assert "nein. Sie hatten es beendet." in said
    volens("wallet", "accesses", *town.wallet, "--language", "fr").refused(2, "no sentences in this language")
    # Everything at once, and a new yes afterwards.
    assert volens("wallet", "revoke", "--all", "--yes", *town.wallet).code == 0
    (tmp_path / "grants.json").write_text(json.dumps([town.proposal()]))
    again = volens(
        "record", "offer", "--record", record, "--form", town.form, "--grants", "grants.json", *town.key("hospital"),
        "--json",
    ).json  # fmt: skip
    assert volens("wallet", "grant", again["offer"], "--yes", *town.wallet, "--json").json["relays"][0]["status"] == (
        "final"
    )
    assert volens(*ask(town, record), "--item", "narrative.md").code == 0
    replayed = volens(
        "audit", "replay", "--rpc-url", town.rpc_url, "--deployment", town.facts, "--url", town.url, "--json"
    )
    assert replayed.code == 0
    assert replayed.json["headsMatch"] is replayed.json["serviceAgrees"] is True
    node = "--rpc-url", town.rpc_url, "--deployment", town.facts
    exported = volens("audit", "export", "logs.parquet", *node, "--json").json
    assert exported["events"] <= replayed.json["events"] + 50
    again = volens("audit", "replay", *node, "--parquet", "logs.parquet", "--digest", "--json")
    assert again.json["headsMatch"] is True
    assert again.json["digest"].startswith("sha256:")
    assert volens("audit", "replay", *node, "--json").json["digest"] is None
    volens("audit", "export", "logs.parquet", *node).refused(2, "already")
    volens("audit", "replay", *node, "--parquet", "nothing.parquet").refused(2, "not a file")


def test_the_access_log_is_anchored_and_checked(volens, town, tmp_path):
    audit = (
        "audit", "log", "--url", town.url, "--rpc-url", town.rpc_url, "--deployment", town.facts,
        "--remember", "log.json", "--json",
    )  # fmt: skip
    log = town.stack.services.log
    town.recipient().ask(to_hash(b"\2" * 32), "case-report", "journal")
    eventually(lambda: log.anchored()[0] is not None and log.anchored()[0].block is not None, "an anchor")
    first = volens(*audit)
    assert (first.code, first.json["before"]) == (0, None)
    assert 0 < first.json["anchored"]["size"] <= first.json["size"]
    town.recipient().ask(to_hash(b"\1" * 32), "case-report", "journal")
    second = volens(*audit)
    assert (second.code, second.json["before"]) == (0, first.json["size"])
    assert second.json["size"] > first.json["size"]
    said = volens(*audit[:-1])
    assert (said.code, said.out.count("✓")) == (0, 3)

    kept = (tmp_path / "log.json").read_text()
    (tmp_path / "log.json").write_text("{")
    volens(*audit[:-1]).refused(5, "does not hold a remembered log")
    (tmp_path / "log.json").write_text(kept.replace('"origin": "eip155', '"origin": "eip156'))
    volens(*audit[:-1]).refused(5)


def test_a_log_that_is_not_what_is_anchored_is_noticed_at_the_first_look(volens, town, monkeypatch):
    """Whoever never looked before is told by the chain of a log that was rewritten, cut or forked."""
    audit = "audit", "log", "--url", town.url, "--rpc-url", town.rpc_url, "--deployment", town.facts
    town.recipient().ask(to_hash(b"\3" * 32), "case-report", "journal")
    size = 1
    monkeypatch.setattr("scripts.audit.anchored_checkpoint", lambda *_: (size, 1, to_hash(b"\4" * 32)))
    volens(*audit).refused(5, "rewritten")
    monkeypatch.setattr("scripts.audit.anchored_checkpoint", lambda *_: (10**6, 1, to_hash(b"\4" * 32)))
    volens(*audit).refused(5, "The chain holds 1000000 entries")


# Sealing -------------------------------------------------------------------------------------------------


def bad_file(folder, kind):
    good = {"ct.dcm": ct_slice(), "photo.jpg": photograph(), "note.md": b"# A note\n"}
    name, content = {
        "a DICOM that is none": ("ct.dcm", b"This is only a text."),
        "a DICOM cut short": ("ct.dcm", good["ct.dcm"][:3000]),
        "a DICOM that is a JPEG": ("ct.dcm", good["photo.jpg"]),
        "a JPEG that is none": ("photo.jpg", b"\0" * 5000),
        "a JPEG cut short": ("photo.jpg", good["photo.jpg"][:2000]),
        "a JPEG that is a DICOM": ("photo.jpg", good["ct.dcm"]),
        "an empty file": ("note.md", b""),
        "a text that is none": ("note.md", b"\xff\xfe\0"),
        "a kind we do not take": ("film.mp4", b"\0\0\0\x18ftypmp42"),
    }[kind]
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("a DICOM that is none", "ct.dcm: The name says DICOM but the content is not"),
        ("a DICOM cut short", "ct.dcm: "),
        ("a DICOM that is a JPEG", "ct.dcm: The name says DICOM but the content is JPEG"),
        ("a JPEG that is none", "photo.jpg: The name says JPEG but the content is not"),
        ("a JPEG cut short", "photo.jpg: "),
        ("a JPEG that is a DICOM", "photo.jpg: The name says JPEG but the content is DICOM"),
        ("an empty file", "note.md: The file is empty"),
        ("a text that is none", "note.md: "),
        ("a kind we do not take", "film.mp4: Files of this kind are not supported"),
    ],
)
def test_one_bad_file_and_nothing_is_sealed(volens, town, tmp_path, kind, said):
    (tmp_path / "good.md").write_text("# Good\n")
    bad = bad_file(tmp_path, kind)
    before = tree(tmp_path)
    volens("record", "seal", "good.md", bad, "--out", "case", *town.key("hospital")).refused(2, said)
    assert tree(tmp_path) == before


def test_files_that_cannot_be_read_or_told_apart(volens, town, tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("note.md", "a/note.md"):
        (tmp_path / name).write_text("# A note\n")
    before = tree(tmp_path)
    seal = ("record", "seal", "note.md")
    volens(*seal, "nowhere.md", "--out", "case", *town.key("hospital")).refused(2, "nowhere.md cannot be read")
    volens(*seal, "a", "--out", "case", *town.key("hospital")).refused(2, "a cannot be read")
    volens(*seal, "a/note.md", "--out", "case", *town.key("hospital")).refused(2, "Two files are called “note.md”")
    assert tree(tmp_path) == before


def test_an_existing_folder_is_left_alone(volens, town, tmp_path):
    (tmp_path / "note.md").write_text("# A note\n")
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "precious").write_text("mine")
    before = tree(tmp_path)
    seal = ("record", "seal", "note.md", "--out")
    volens(*seal, "case", *town.key("hospital")).refused(3, "case exists already")
    volens(*seal, "note.md/case", *town.key("hospital")).refused(2, "case")
    assert tree(tmp_path) == before


# Case folders --------------------------------------------------------------------------------------------


def break_folder(folder, how):
    manifest = folder / "case.json"
    value = json.loads(manifest.read_text())
    sealed = folder / value["items"][0]["file"]
    match how:
        case "no manifest":
            manifest.unlink()
        case "half a manifest":
            manifest.write_text(manifest.read_text()[:100])
        case "another manifest":
            manifest.write_text("[]")
        case "a binary manifest":
            manifest.write_bytes(b"\xff\xfe")
        case "an item changed":
            value["items"][0]["item"]["size"] += 1
            manifest.write_text(json.dumps(value))
        case "an item that is none":
            value["items"][0]["item"]["size"] = -1
            manifest.write_text(json.dumps(value))
        case "a sealed file missing":
            sealed.unlink()
        case "a sealed file empty":
            sealed.write_bytes(b"")
        case "a sealed file cut short":
            sealed.write_bytes(sealed.read_bytes()[:-20])
        case "a sealed byte changed":
            data = bytearray(sealed.read_bytes())
            data[-5] ^= 1
            sealed.write_bytes(data)
        case "a key changed":
            wrapped = value["items"][0]["wrapped"]
            value["items"][0]["wrapped"] = wrapped[:-2] + ("01" if wrapped.endswith("00") else "00")
            manifest.write_text(json.dumps(value))
        case "a file outside":
            value["items"][0]["file"] = "../passphrase"
            manifest.write_text(json.dumps(value))


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("no manifest", 2), ("half a manifest", 2), ("another manifest", 2), ("a binary manifest", 2),
        ("an item changed", (2, 3)), ("an item that is none", 2), ("a sealed file missing", 2),
        ("a sealed file empty", (2, 3)), ("a sealed file cut short", (2, 3)), ("a sealed byte changed", (2, 3)),
        ("a key changed", (2, 3)), ("a file outside", 2),
    ],
)  # fmt: skip
def test_a_damaged_case_is_not_registered(volens, town, how, code):
    folder, invitation = town.case()
    break_folder(folder, how)
    ran = volens("record", "register", folder, "--invitation", invitation, *town.key("hospital"), "--json")
    assert ran.code in (code if isinstance(code, tuple) else (code,)), ran.err
    assert ran.json["message"]
    subject = town.client().sign_in(town.keys["hospital"]).get(f"/v1/invitations/{invitation}")["subject"]
    with town.stack.services.store.begin() as tx:
        assert tx.records_of(subject) == []


def test_any_file_name_an_item_may_have_can_be_registered(volens, town, tmp_path):
    for name in ("50% #1 + é.md", "a&b=c;d.md", "%2e%2e.md", "ct  slice (1).md"):
        folder, invitation = town.case(name)
        ran = volens("record", "register", folder, "--invitation", invitation, *town.key("hospital"), "--json")
        assert ran.code == 0, ran.err
        stored = town.client().sign_in(town.keys["hospital"]).get(f"/v1/records/{ran.json['record']}")
        assert name in json.dumps(stored, ensure_ascii=False)


def test_invitations_that_cannot_be_used(volens, town, tmp_path):
    (tmp_path / "note.md").write_text("# A note\n")
    town.institution().seal([tmp_path / "note.md"], tmp_path / "case")
    register = ("record", "register", "case", *town.key("hospital"), "--invitation")
    volens(*register, "made-up").refused(3, "no such invitation")
    volens(*register, "../ledger").refused(2, "not a code")
    volens(*register, town.institution().invite("unanswered")).refused(2, "has not answered")
    volens("wallet", "join", "made-up", *town.wallet).refused(3, "no such invitation")
    volens("wallet", "join", "a/../../x?y#z", *town.wallet).refused(2, "not a code")
    _, answered = town.case()
    volens("wallet", "join", answered, *town.wallet).refused(3, "answered this invitation already")
    volens("record", "invite", "--title", "two\nlines", *town.key("hospital")).refused(2, "title")
    volens("record", "invite", "--title", "mine", *town.key("stranger")).refused(3, "Directory")


# Offers and consents ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipient": "0x" + "11" * 20}, "recipient: is not listed"),
        ({"recipient": "journal"}, "recipient: must be an address"),
        ({"items": []}, "items"),
        ({"items": "narrative.md"}, "items: must be a list"),
        ({"items": ["../x"]}, "items[0]: must be a plain file name"),
        ({"purposes": []}, "purposes"),
        ({"onward": "everywhere"}, "onward: must be one of none, quote, reshare"),
        ({"days": 0}, "days: must be a whole number"),
        ({"days": "30"}, "days: must be a whole number"),
        ({"until": 5}, "until: is not part of a proposal"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_proposal_that_makes_no_sense(volens, town, tmp_path, change, said):
    (tmp_path / "grants.json").write_text(json.dumps([town.proposal() | change]))
    offer = ("record", "offer", "--record", HASH, "--form", town.form, "--grants", "grants.json")
    volens(*offer, *town.key("hospital")).refused(2, said)


def test_an_unknown_record_cannot_be_offered(volens, town, tmp_path):
    (tmp_path / "grants.json").write_text(json.dumps([town.proposal()]))
    offer = ("record", "offer", "--form", town.form, "--grants", "grants.json", *town.key("hospital"), "--record")
    volens(*offer, HASH).refused(3, "no such record")
    volens(*offer, "this one").refused(2, "record: must be 32 bytes")


def altered_offer(town, monkeypatch, **changes):
    """An offer whose grant says one thing in its sentence and another in its fields; the service lets it pass."""
    from dataclasses import replace

    record, draft, _ = town.offered()
    with monkeypatch.context() as dishonest:
        dishonest.setattr("ledger.services.records.check_grant", lambda *_: None)
        return record, town.institution().offer(record, [replace(draft, **changes)])


@pytest.mark.parametrize(
    "changes",
    [
        {"channels": ("journal", "social:x")},
        {"purposes": ("case-report", "press")},
        {"items": ("*",)},
        {"onward": "reshare"},
        {"valid_until": 4_000_000_000},
        {"summary": "This allows nothing."},
        {"summary": ""},
    ],
    ids="-".join,
)
def test_a_sentence_that_does_not_say_what_would_be_signed(volens, town, monkeypatch, changes):
    record, offer = altered_offer(town, monkeypatch, **changes)
    kept = (town.folder / "wallet" / "book.sealed").read_bytes()
    for command in (("wallet", "grant", offer, "--yes"), ("wallet", "open", offer, "--out", "preview")):
        volens(*command, *town.wallet).refused(2, "does not say what would be signed")
    assert (town.folder / "wallet" / "book.sealed").read_bytes() == kept
    with town.stack.services.store.begin() as tx:
        assert list(tx.grants_of(record)) == []


def test_the_service_refuses_such_a_sentence_too(town):
    """Also from a wallet that does not look."""
    from dataclasses import replace

    record, draft, _ = town.offered()
    case = next(case for case in town.patient().book.cases[::-1])
    keys = town.patient().book.keys(case)
    message = Consent(case.subject, (replace(draft, onward="reshare"),), int(time.time()) + 60)
    with pytest.raises(Exception, match="summary"):
        send(town, "/v1/consents", message, keys)
    with town.stack.services.store.begin() as tx:
        assert list(tx.grants_of(record)) == []


def send(town, path, message, keys, signer=None):
    signature = keys.sign_typed(town.stack.deployment.domain, message)
    body = {"message": message.to_json(), "signer": signer or keys.address, "signature": signature}
    return town.client().post(path, body)


def test_an_expired_deadline_or_a_foreign_signature_records_nothing(town):
    record, draft, _ = town.offered()
    book = town.patient().book
    keys, mallory = book.keys(book.cases[-1]), PartyKeys.new()
    late = Consent(keys.address, (draft,), int(time.time()) - 5)
    with pytest.raises(Expired, match="deadline has passed"):
        send(town, "/v1/consents", late, keys)
    good = Consent(keys.address, (draft,), int(time.time()) + 60)
    for signer in (keys.address, mallory.address):
        with pytest.raises(BadSignature):
            send(town, "/v1/consents", good, mallory, signer)
    with pytest.raises(BadSignature):
        send(town, "/v1/revocations", Revocation(keys.address, (draft,)), mallory, keys.address)
    with town.stack.services.store.begin() as tx:
        assert list(tx.grants_of(record)) == []
        assert list(tx.denials([keys.address])) == []
    # What is refused is not remembered: the same consent, signed by her, is taken.
    assert send(town, "/v1/consents", good, keys)["status"] == "accepted"


def test_an_offer_for_somebody_else_or_nobody(volens, town, tmp_path):
    _, _, offer = town.offered()
    volens("wallet", "new", "--wallet", "other", *town.open)
    other = ("--wallet", "other", *town.open, "--url", town.url)
    volens("wallet", "grant", offer, "--yes", *other).refused(2, "for another wallet")
    volens("wallet", "grant", "made-up", "--yes", *town.wallet).refused(3, "no such offer")
    volens("wallet", "grant", offer, "--only", "9", "--yes", *town.wallet).refused(2, "sentences 1 to 1")
    volens("wallet", "revoke", HASH, "--yes", *town.wallet).refused(2, "no such consent")
    volens("wallet", "revoke", "that one", "--yes", *town.wallet).refused(2, "grant: must be 32 bytes")
    volens("wallet", "revoke", HASH[:12], "--yes", *town.wallet).refused(2, "no such consent")
    volens("wallet", "revoke", "--all", "--yes", *other).refused(2, "knows no case")


def test_nothing_is_signed_without_being_asked(volens, town):
    record, _, offer = town.offered()
    before = (town.folder / "wallet" / "book.sealed").read_bytes()
    town.patient().offer(offer)
    ran = volens("wallet", "grant", offer, *town.wallet)
    assert ran.code == 2
    assert "nobody to ask" in ran.err
    assert "asks you about" in ran.out
    ran = volens("wallet", "grant", offer, *town.wallet, "--json")
    assert (ran.code, ran.json["error"]) == (2, "invalid_input")
    with town.stack.services.store.begin() as tx:
        assert list(tx.grants_of(record)) == []
    assert before


# Asking and receiving --------------------------------------------------------------------------------------


def test_what_is_not_there_or_not_yours(volens, town, tmp_path):
    record, _ = town.consented()
    release = ("release", "--record", record, "--purpose", "case-report", "--channel", "journal", "--out", "received")
    volens(*ask(town, HASH), "--item", "narrative.md").refused_quietly(3)
    volens(*release, "--item", "other.md", *town.key("journal")).refused(3, "not authorised", "item_not_covered")
    volens(*release, "--item", "narrative.md", *town.key("stranger")).refused(3, "not authorised", "no_consent")
    volens(*release, "--item", "../narrative.md", *town.key("journal")).refused(2, "plain file name")
    volens("verify", "--record", "12", "--purpose", "press", *town.key("journal")).refused(
        2, "record: must be 32 bytes"
    )
    assert not (tmp_path / "received").exists()
    volens("bundle", "dec_made_up", "--out", "b.json", *town.key("journal")).refused(3, "no such decision")
    volens("bundle", "../../v1/ledger", "--out", "b.json", *town.key("journal")).refused(2, "not a code")
    assert not (tmp_path / "b.json").exists()


def test_a_file_in_the_way_is_left_alone_and_nothing_is_asked(volens, town, tmp_path):
    record, _ = town.consented()
    (tmp_path / "received").mkdir()
    (tmp_path / "received" / "narrative.md").write_text("precious")
    command = ("release", "--record", record, "--purpose", "case-report", "--channel", "journal", "--out", "received")
    volens(*command, "--item", "narrative.md", *town.key("journal")).refused(3, "exists already")
    assert (tmp_path / "received" / "narrative.md").read_text() == "precious"
    case = next(case for case in town.patient().book.cases if case.record == record)
    assert [entry["kind"] for entry in town.patient().accesses(case)] == []


def test_evidence_is_not_written_where_it_cannot_be(volens, town, tmp_path):
    record, _ = town.consented()
    evaluation = town.recipient().ask(record, "case-report", "journal", ["narrative.md"]).evaluation
    volens("bundle", evaluation, "--out", "nowhere/b.json", *town.key("journal")).refused(2, "nowhere/b.json")


@pytest.fixture(scope="session")
def evidence(town, tmp_path_factory):
    record, _ = town.consented()
    data = town.recipient().bundle(town.recipient().ask(record, "case-report", "journal", ["narrative.md"]).evaluation)
    path = tmp_path_factory.mktemp("evidence") / "bundle.json"
    path.write_bytes(data)
    return path, json.loads(data)["block"]["hash"]


def test_evidence_that_was_changed_does_not_hold(volens, town, tmp_path, evidence):
    path, block = evidence
    trust = ("--trusted-block", block, "--deployment", town.facts)
    verify = ("audit", "verify-bundle")
    assert volens(*verify, path, *trust).code == 0
    assert volens(*verify, path, "--trusted-block", block.upper().replace("X", "x"), *trust[2:]).code == 0
    volens(*verify, path, "--trusted-block", HASH, *trust[2:]).refused(5)
    data = path.read_bytes()
    for size in (0, 1, 100, len(data) // 2, len(data) - 1):
        (tmp_path / "cut.json").write_bytes(data[:size])
        volens(*verify, "cut.json", *trust).refused(5)
    stated = data.index(b'"decision":{"at":')  # the two clocks of a decision are stated, not proven
    for place in [*range(7, stated, stated // 100), data.index(b'"label":"') + 12]:
        changed = bytearray(data)
        changed[place] ^= 1
        (tmp_path / "flipped.json").write_bytes(changed)
        volens(*verify, "flipped.json", *trust).refused(5)


def test_old_evidence_is_not_passed_off_as_later_evidence(volens, town, tmp_path, evidence):
    path, block = evidence
    value = json.loads(path.read_bytes())
    value["decision"] |= {"at": value["decision"]["at"] + 86_400, "maxAge": 100_000}
    (tmp_path / "later.json").write_bytes(canonical(value))
    volens("audit", "verify-bundle", "later.json", "--trusted-block", block, "--deployment", town.facts).refused(
        5, "maxAge"
    )


def test_evidence_of_another_deployment_does_not_hold(volens, town, tmp_path, evidence):
    path, block = evidence
    facts = json.loads(town.facts.read_text())
    for name, value in (("genesis", HASH), ("chainId", 1)):
        (tmp_path / "facts.json").write_text(json.dumps(facts | {name: value}))
        volens("audit", "verify-bundle", path, "--trusted-block", block, "--deployment", "facts.json").refused(5)


# Services and nodes that are not there, or not ours ----------------------------------------------------------

NOBODY = "http://127.0.0.1:9"


def test_no_service(volens, town):
    here = [str(part) for part in town.key("journal")]
    here[here.index(town.url)] = NOBODY
    volens("verify", "--record", HASH, "--purpose", "press", *here).refused(4, "does not answer")
    volens("party", "list", "--url", NOBODY).refused(4, f"{NOBODY} does not answer")
    ran = volens("party", "list", "--url", NOBODY, "--json")
    assert (ran.code, ran.json["error"]) == (4, "unavailable")
    volens("wallet", "show", *town.wallet[:-1], NOBODY).refused(4, "does not answer")


def test_something_else_at_the_address_of_the_service(volens, town):
    """The port of the node, say."""
    ran = volens("wallet", "show", *town.wallet[:-1], town.rpc_url)
    assert ran.code in (2, 4), ran.err
    assert len(ran.err.splitlines()) == 1
    ran = volens("audit", "log", "--url", town.rpc_url, "--deployment", town.facts)
    assert (ran.code, "is not a Volens service" in ran.err, len(ran.err.splitlines())) == (2, True, 1), ran.err


def test_no_node(volens, town, tmp_path):
    (tmp_path / "key").write_text("12" * 31 + "34")
    (tmp_path / "key").chmod(0o600)
    before = tree(tmp_path)
    volens("deploy", "--key-file", "key", "--rpc-url", NOBODY).refused(4, "node does not answer")
    volens("audit", "replay", "--rpc-url", NOBODY, "--deployment", town.facts).refused(4, "node does not answer")
    volens("audit", "block", "1", "--rpc-url", NOBODY, "--deployment", town.facts).refused(4, "node does not answer")
    keyed = NOBODY.replace("//", "//who:secret@") + "/v1/secret?key=secret"
    ran = volens("audit", "replay", "--rpc-url", keyed, "--deployment", town.facts)
    ran.refused(4, f"looked for at {NOBODY};", "VOLENS_RPC_URL")
    assert "secret" not in ran.err
    for strange in ("volens", "ftp://127.0.0.1", "http://127.0.0.1:port", "http://[::1"):
        ran = volens("audit", "replay", "--rpc-url", strange, "--deployment", town.facts)
        ran.refused(2, f"{strange} does not name an Ethereum node")
    assert tree(tmp_path) == before


def test_something_else_at_the_address_of_the_node(volens, town, tmp_path):
    """The address of the service, say."""
    (tmp_path / "key").write_text("12" * 31 + "34")
    (tmp_path / "key").chmod(0o600)
    volens("audit", "replay", "--rpc-url", town.url, "--deployment", town.facts).refused(4)
    volens("deploy", "--key-file", "key", "--rpc-url", town.url, "--out", "facts.json").refused(4)
    assert not (tmp_path / "facts.json").exists()


@pytest.fixture
def other_facts(town, tmp_path):
    """Facts of a ledger like ours, on another chain."""
    path = tmp_path / "other.json"
    path.write_text(json.dumps(json.loads(town.facts.read_text()) | {"genesis": to_hash(bytes(32))}))
    return path


def test_a_node_of_another_chain(volens, town, other_facts):
    volens("audit", "replay", "--rpc-url", town.rpc_url, "--deployment", other_facts).refused(5, "another chain")
    owner = town.stack.settings.state_dir / "keys" / "operator.key"
    before = len(town.client().get("/v1/parties"))
    volens(
        "party", "register", "0x" + "12" * 20, "--name", "Nobody", "--kind", "journal", "--role", "recipient",
        "--owner-key", owner, "--rpc-url", town.rpc_url, "--deployment", other_facts,
    ).refused(5, "another chain")  # fmt: skip
    assert len(town.client().get("/v1/parties")) == before


def test_a_service_on_another_ledger_than_the_pinned_one(volens, town, other_facts, monkeypatch):
    monkeypatch.setenv("VOLENS_DEPLOYMENT_FILE", str(other_facts))
    volens(*ask(town, HASH)).refused(5, "another ledger", "Nothing was signed")


def test_a_wallet_stays_with_its_ledger(volens, town, tmp_path, monkeypatch):
    """A wallet that knows one ledger signs nothing for a service that says it is on another."""
    shutil.copytree(town.folder / "wallet", tmp_path / "wallet")
    patient = town.patient()
    assert patient.book.deployment == town.stack.deployment
    stated = json.loads(town.facts.read_text()) | {"genesis": to_hash(bytes(32))}
    real = Client.get

    def elsewhere(self, path):
        answer = real(self, path)
        return answer | {"deployment": stated} if path == "/v1/ledger" else answer

    monkeypatch.setattr(Client, "get", elsewhere)
    volens("wallet", "show", *town.wallet).refused(5, "another ledger", "Nothing was signed")


def test_only_the_owner_lists_parties(volens, town, tmp_path):
    (tmp_path / "key").write_text(PartyKeys.new().secret.reveal().hex())
    (tmp_path / "key").chmod(0o600)
    register = (
        "party", "register", "0x" + "12" * 20, "--name", "Nobody", "--kind", "journal", "--role", "recipient",
        "--rpc-url", town.rpc_url, "--deployment", town.facts, "--owner-key",
    )  # fmt: skip
    volens(*register, "key").refused(3, "not the Directory owner's", "--owner-key", "OwnableUnauthorizedAccount")
    (tmp_path / "key").chmod(0o644)
    volens(*register, "key").refused(2, "can be read by others")


def fresh_owner(town, folder):
    """A new account with ether, and the file of its key."""
    account = PartyKeys.new()
    set_balance(town.rpc_url, account.address, 10**18)
    return account.address, secret_file(folder / "next.key", account.secret.reveal().hex())


def directory(town):
    """The options of whoever works on the town's Directory, but for the key."""
    return "--rpc-url", town.rpc_url, "--deployment", town.facts


def operator(town):
    return "--owner-key", operator_key(town.stack.settings.state_dir)


def has_role(town, party, role):
    data = call_data(Call("Directory", "hasRole", (party, role)))
    to = town.stack.deployment.addresses["Directory"]
    return int(Node(town.rpc_url).request("eth_call", {"to": to, "data": data}, "latest"), 16) == 1


def test_a_party_is_suspended_and_resumed(volens, town):
    party = PartyKeys.new().address
    where = (*operator(town), *directory(town))
    for word in ("suspend", "resume"):
        volens("party", word, party, *where).refused(3, "never listed", "`volens party list`", "UnknownParty")
    listed = volens("party", "register", party, "--name", "A", "--kind", "journal", "--role", "recipient", *where)
    assert listed.code == 0, listed.err
    assert has_role(town, party, 2)
    assert volens("party", "suspend", party, *where, "--json").json == {"address": party, "suspended": True}
    assert not has_role(town, party, 2)
    assert "may act again" in volens("party", "resume", party, *where).out
    assert has_role(town, party, 2)


def test_what_a_multisig_is_to_send(volens, town):
    """The call that is printed does, sent by the owner, what the command does; sent by others it is refused."""
    party = PartyKeys.new().address
    where = ("--calldata", "--deployment", town.facts, "--rpc-url", NOBODY, "--owner-key", "nowhere.key")
    node, owner = Node(town.rpc_url), address_of(make_key(operator_key(town.stack.settings.state_dir)))
    facts = town.stack.deployment
    register = ("party", "register", party, "--name", "A", "--kind", "journal", "--role", "recipient")
    prepared = volens(*register, *where, "--json").json
    assert prepared | {"data": ""} == {
        "chainId": facts.chain_id, "to": facts.addresses["Directory"], "value": "0", "data": ""
    }  # fmt: skip
    assert prepared["data"] in volens(*register, *where).out
    call = {"to": prepared["to"], "data": prepared["data"]}
    with pytest.raises(Reverted):
        node.request("eth_call", call | {"from": party}, "latest")
    node.request("eth_call", call | {"from": owner}, "latest")
    assert not has_role(town, party, 2)
    for arguments, expected in (
        (("suspend", party), Call("Directory", "setSuspended", (party, True))),
        (("resume", party), Call("Directory", "setSuspended", (party, False))),
        (("hand-over", party), Call("Directory", "transferOwnership", (party,))),
        (("take-over",), Call("Directory", "acceptOwnership", ())),
    ):
        assert volens("party", *arguments, *where, "--field", "data").out.strip() == call_data(expected)


def test_the_directory_is_handed_over_in_two_steps(volens, town, tmp_path):
    owner = address_of(make_key(operator_key(town.stack.settings.state_dir)))
    heir, key = fresh_owner(town, tmp_path)
    theirs = ("--owner-key", key, *directory(town))
    ours = (*operator(town), *directory(town))
    suspend = ("party", "suspend", town.keys["stranger"].address)
    volens("party", "take-over", *theirs).refused(3, "nor that of a next owner", "OwnableUnauthorizedAccount")
    assert "until then it stays" in volens("party", "hand-over", heir, *ours).out
    volens(*suspend, *theirs).refused(3, "OwnableUnauthorizedAccount")
    try:
        assert "is yours" in volens("party", "take-over", *theirs).out
        volens(*suspend, *ours).refused(3, "OwnableUnauthorizedAccount")
    finally:
        assert volens("party", "hand-over", owner, *theirs).code == 0
        assert volens("party", "take-over", *ours).code == 0


def test_an_entry_that_is_no_text_keeps_nobody_from_reading_on(volens, town):
    party, owner = PartyKeys.new().address, address_of(make_key(operator_key(town.stack.settings.state_dir)))
    data = bytes.fromhex(call_data(Call("Directory", "register", (party, 2, bytes(32), "??")))[2:])
    entry = {"from": owner, "to": town.stack.deployment.addresses["Directory"]}
    rpc(town.rpc_url, "hardhat_impersonateAccount", [owner])
    sent = rpc(town.rpc_url, "eth_sendTransaction", [entry | {"data": "0x" + data.replace(b"??", b"\xff\xfe").hex()}])
    rpc(town.rpc_url, "hardhat_stopImpersonatingAccount", [owner])
    await_receipt(Node(town.rpc_url), sent)
    replayed = volens("audit", "replay", *directory(town), "--url", town.url)
    assert replayed.code == 0, replayed.err
    (listed,) = [
        entry for entry in volens("party", "list", "--url", town.url, "--json").json if entry["address"] == party
    ]
    assert (listed["name"], listed["roles"]) == (None, ["recipient"])


def test_publishing_needs_ether(volens, town, tmp_path):
    publish = ("form", "publish", "--channel", "journal", "--deployment", town.facts, "--rpc-url", town.rpc_url)
    volens(*publish, *town.key("stranger")).refused(2, "has no ether", "party register --fund")


def test_a_form_is_replaced_by_its_issuer_alone(volens, town, tmp_path):
    where = ("--deployment", town.facts, "--rpc-url", town.rpc_url)
    old = volens(
        "form", "publish", "--channel", "social:mastodon", *where, *town.key("hospital"), "--field", "form"
    ).out.strip()
    document = town.client().get(f"/v1/documents/{old}")
    new = tmp_path / "new.json"
    replace = ("form", "replace", old, new, *where)

    def write(**changes):
        new.write_text(json.dumps(document | changes))

    write()
    volens(*replace, *town.key("hospital")).refused(2, "higher version than 1")
    write(version=2, title={"en": "A new title"})
    volens(*replace, *town.key("stranger")).refused(2, "and the key of")
    done = volens(*replace, *town.key("hospital"), "--immaterial", "--json").json
    assert (done["replaces"], done["material"]) == (old, False)
    assert town.client().get(f"/v1/documents/{done['form']}")["title"] == {"en": "A new title"}
    assert volens(*replace, *town.key("hospital"), "--json").json["form"] == done["form"], "asked again, done before"
    write(version=2, title={"en": "Another title"})
    volens(*replace, *town.key("hospital")).refused(3, "not published")


def test_the_directory_is_listed(volens, town):
    names = {entry["name"] for entry in volens("party", "list", "--url", town.url, "--json").json}
    assert {"Riverside Hospital", "The Journal"} <= names
    assert "The Journal\t0x" in volens("party", "list", "--url", town.url).out
    assert PASSPHRASE not in str(names)


def test_one_field_of_an_answer(volens, town):
    first = volens("party", "list", "--url", town.url, "--json").json[0]
    assert volens("party", "list", "--url", town.url, "--field", "0.address").out == first["address"] + "\n"
    ran = volens("party", "list", "--url", town.url, "--field", "0.shoe")
    ran.refused(2, "no field “0.shoe”")
    assert ran.out == ""


def test_summaries_are_made_by_the_same_rule(town):
    """What the offer says is what the wallet computes from the fields with names from the Directory."""
    _, draft, _ = town.offered()
    names = {town.keys["journal"].address: "The Journal"}
    assert with_summary(draft, names, "en") == draft
    assert struct_hash(draft)
