"""The main job, end to end, on real files: a patient's consent governs a case report.

Everything is the real thing: a devnet, the contracts, the service over HTTP, the wallet, DICOM and JPEG files.
Every step says what it expects; the run ends with 0 only if everything came out so.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from client.http import Client
from client.institution import Institution, report_json
from client.recipient import Asked, Recipient
from ledger.documents import Profile
from ledger.errors import Conflict, NotAuthorised, VolensError
from ledger.model import ZERO_HASH, Hash
from scripts.audit import replay_chain
from scripts.canary import encodings, search
from scripts.deploy import write
from scripts.devnet import Kind, hold_mining, resume_mining, rpc
from scripts.parties import publish, registration, transact
from scripts.samples import CT_SLICE, NARRATIVE, PHOTOGRAPH, write_samples
from scripts.stack import BLOCK_TIME, Stack, make_key, operator_key
from wallet.book import Book
from wallet.keys import PartyKeys, new_words
from wallet.patient import Patient

TITLE = "Case report: a shadow on a chest scan that was not what it seemed"
ETHER = 10**18
CHANNELS = ("journal", "social:mastodon", "social:instagram")
PARTIES = {
    "hospital": ("Riverside Teaching Hospital", "hospital", ("controller",)),
    "journal": ("Journal of Instructive Cases", "journal", ("recipient",)),
    "research": ("Chest Imaging Research Group", "research-group", ("recipient",)),
}


class Unexpected(VolensError):
    """A step came out otherwise than stated."""

    code = "unexpected"


@dataclass
class Cast:
    """Who takes part in the demonstration, and what they have so far."""

    folder: Path
    stack: Stack
    ending: ExitStack
    keys: dict[str, PartyKeys]
    form: Hash = ZERO_HASH
    record: Hash = ZERO_HASH
    invitation: str = ""
    decision: str = ""

    def client(self) -> Client:
        """A new connection to the service, closed at the end."""
        return self.ending.enter_context(Client(self.stack.url, self.stack.deployment))

    def institution(self) -> Institution:
        """The hospital."""
        return Institution(self.client(), self.keys["hospital"])

    def recipient(self, who: str) -> Recipient:
        """The journal, the research group or a stranger."""
        return Recipient(self.client(), self.keys[who])


class Narrator:
    """Tells the run: a heading and a time for each step, a line for each thing that happened."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.steps: list[dict[str, Any]] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One numbered step."""
        number = len(self.steps) + 1
        self.console.print(Text(f"{number}. {title}", "bold"))
        started = time.monotonic()
        lines: list[str] = []
        self.steps.append({"step": number, "title": title, "happened": lines, "seconds": 0.0})
        yield
        seconds = time.monotonic() - started
        self.steps[-1]["seconds"] = round(seconds, 2)
        self.console.print(Text(f"   {seconds:.1f} s", "dim"))

    def say(self, line: str) -> None:
        """Something that happened."""
        self.steps[-1]["happened"].append(line)
        shown = Text(f"   {line}")
        shown.highlight_words(["✓"], "green")
        self.console.print(shown)

    def expect(self, line: str, found: object, wanted: object) -> None:
        """Something that had to happen.

        Raises:
            Unexpected: it did not.
        """
        if found != wanted:
            raise Unexpected(f"{line}: expected {wanted}, found {found}.")
        self.say(f"✓ {line}: {found}")

    def refused(self, line: str, act: Callable[[], object], kind: type[VolensError]) -> None:
        """Something that had to be refused."""
        try:
            act()
        except kind as error:
            self.say(f"✓ {line}: refused. {error}")
            return
        raise Unexpected(f"{line}: was not refused.")


def run(console: Console, chain: Kind = "anvil", keep: Path | None = None) -> list[dict[str, Any]]:
    """Run the demonstration.

    Args:
        chain: which devnet.
        keep: folder to leave everything in; otherwise it is removed.

    Returns:
        What happened, step by step.

    Raises:
        VolensError: a step came out otherwise than stated.
    """
    tell = Narrator(console)
    folder = keep or Path(tempfile.mkdtemp(prefix="volens-demo-"))
    with ExitStack() as ending:
        if keep is None:
            ending.callback(shutil.rmtree, folder, ignore_errors=True)
        with tell.step("Start a devnet, deploy the contracts, list the parties, publish a consent form"):
            stack = ending.enter_context(Stack.start(folder / "state", chain=chain, port=0, progress=tell.say))
            stack.serve_in_background()
            cast = Cast(folder, stack, ending, {name: PartyKeys.new() for name in (*PARTIES, "stranger")})
            _introduce(cast, tell)
        with tell.step("The hospital strips and seals a narrative, a CT slice and a photograph"):
            _seal(cast, tell)
        with tell.step("The patient gets her key and answers the invitation; the hospital signs the record"):
            patient = _enrol(cast, tell)
        with tell.step("She opens the sealed items, reads what she is asked, and signs one consent"):
            _consent(cast, patient, tell)
        with tell.step("The journal asks before posting"):
            _ask(cast, tell)
        with tell.step("The journal asks for the keys and opens the files"):
            _release(cast, tell)
        with tell.step("She takes the journal's consent back; nothing is mined yet"):
            _revoke(cast, patient, tell)
        with tell.step("She reads who asked and who received"):
            _accesses(patient, tell)
        with tell.step("An auditor replays the chain and checks the evidence offline"):
            _audit(cast, tell)
    return tell.steps


def _introduce(cast: Cast, tell: Narrator) -> None:
    stack = cast.stack
    owner = make_key(operator_key(stack.settings.state_dir))
    hospital = cast.keys["hospital"]
    listings = [
        registration(cast.keys[role].address, roles, Profile(version=1, name=name, kind=kind))
        for role, (name, kind, roles) in PARTIES.items()
    ]
    transact(stack.rpc_url, stack.deployment, owner, *listings, (hospital.address, ETHER))
    for name, _, roles in PARTIES.values():
        tell.say(f"listed {name} as {', '.join(roles)}")
    form = publish(stack.rpc_url, stack.deployment, hospital.secret.reveal(), hospital.address, CHANNELS, cast.client())
    cast.form = form.hash
    tell.expect("statements in the consent form", len(form.statements), 6)
    tell.say(f"terms for {', '.join(form.channels)}")


def _seal(cast: Cast, tell: Narrator) -> None:
    samples = write_samples(cast.folder / "original")
    patient_name = b"CompressedSamples^CT1"
    tell.expect("the CT slice names a patient", patient_name in samples[1].read_bytes(), True)
    tell.expect("the photograph says where it was taken", b"Exif" in samples[2].read_bytes(), True)
    for report in cast.institution().seal(samples, cast.folder / "case"):
        found = report_json(report)
        removed = [entry["what"] for entry in found["removed"]]
        shown = ", ".join(removed[:4]) + (f" and {len(removed) - 4} more" if len(removed) > 4 else "")
        tell.say(f"{report.name}: took out {shown or 'nothing'}")
    readable = [p.name for p in (cast.folder / "case").iterdir() if patient_name in p.read_bytes()]
    tell.expect("files in the case folder that still name her", readable, [])


def _enrol(cast: Cast, tell: Narrator) -> Patient:
    institution = cast.institution()
    cast.invitation = institution.invite(TITLE)
    words = new_words()
    book = Book.create(cast.folder / "wallet", words, "a passphrase only she knows")
    tell.expect("words that are her key", len(words.split()), 24)
    patient = Patient(book, cast.client())
    case = patient.join(cast.invitation)
    tell.say(f"invited by {cast.client().party_name(case.controller)}; she answers as {case.subject}")
    _, cast.record = institution.register(cast.folder / "case", cast.invitation)
    tell.say(f"record {cast.record}")
    tell.expect("traces of her key at the service", _traces(cast, words, patient), [])
    return patient


def _traces(cast: Cast, words: str, patient: Patient) -> list[str]:
    keys = patient.book.keys(patient.book.cases[0])
    secrets = {"words": words.encode(), "key": keys.secret.reveal()}
    return search(cast.stack.settings.state_dir, encodings(secrets))


def _consent(cast: Cast, patient: Patient, tell: Narrator) -> None:
    institution = cast.institution()
    proposals: list[dict[str, Any]] = [
        {
            "recipient": cast.keys["journal"].address,
            "items": [NARRATIVE, CT_SLICE],
            "purposes": ["case-report"],
            "channels": ["journal", "social:mastodon"],
            "onward": "quote",
            "days": 365,
        },
        {
            "recipient": cast.keys["research"].address,
            "items": [CT_SLICE],
            "purposes": ["DUO:0000006"],
            "channels": [],
            "days": 182,
        },
    ]
    grants = [institution.draft(cast.record, cast.form, proposal) for proposal in proposals]
    offer = patient.offer(institution.offer(cast.record, grants))
    opened = patient.open_items(offer, cast.folder / "preview")
    tell.say(f"she sees {', '.join(path.name for path in opened)}")
    for sentence in offer.sentences:
        tell.say(sentence)
    relay = patient.agree(offer, range(len(offer.grants)))
    recorded = cast.client().wait_for(relay, ("final",))
    tell.say(f"recorded in block {recorded['block']}; the relayer paid, she paid nothing")


def _ask(cast: Cast, tell: Narrator) -> None:
    journal, stranger = cast.recipient("journal"), cast.recipient("stranger")
    narrative = (cast.folder / "preview" / NARRATIVE).read_bytes()
    files = {NARRATIVE: narrative}

    def ask(who: Recipient, channel: str, **more: Any) -> Asked:
        return who.ask(cast.record, "case-report", channel, **more)

    permitted = ask(journal, "journal", files=files, items=[CT_SLICE])
    tell.expect("narrative and CT slice in the journal", permitted.reason, "permitted")
    cast.decision = permitted.evaluation
    tell.expect("the same on Mastodon", ask(journal, "social:mastodon", files=files).reason, "permitted")
    tell.expect("the same on Instagram", ask(journal, "social:instagram", files=files).reason, "channel_not_covered")
    tell.expect("the photograph", ask(journal, "journal", items=[PHOTOGRAPH]).reason, "item_not_covered")
    changed = {NARRATIVE: narrative[:-1] + bytes([narrative[-1] ^ 1])}
    tell.expect("one byte of the narrative changed", ask(journal, "journal", files=changed).reason, "content_changed")
    tell.expect("a stranger asks", ask(stranger, "journal", items=[NARRATIVE]).reason, "no_consent")


def _release(cast: Cast, tell: Narrator) -> None:
    journal, stranger = cast.recipient("journal"), cast.recipient("stranger")
    request = journal.request(cast.record, [NARRATIVE, CT_SLICE], "case-report", "journal")
    opened = journal.release(request, cast.folder / "received")
    for path in opened:
        same = path.read_bytes() == (cast.folder / "preview" / path.name).read_bytes()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        tell.expect(f"{path.name} ({digest[:16]}…) is the very file she saw", same, True)
    tell.refused("the same request again", lambda: journal.release(request, cast.folder / "again"), Conflict)
    own = stranger.request(cast.record, [NARRATIVE], "case-report", "journal")
    tell.refused("a stranger's request", lambda: stranger.release(own, cast.folder / "stolen"), NotAuthorised)


def _revoke(cast: Cast, patient: Patient, tell: Narrator) -> None:
    journal, research = cast.recipient("journal"), cast.recipient("research")
    case = patient.book.cases[0]
    mine = [g for g in patient.standings(case) if g["grant"]["recipient"] == cast.keys["journal"].address]
    hold_mining(cast.stack.rpc_url)
    try:
        started = time.monotonic()
        (relay,) = patient.revoke([Hash(mine[0]["id"])])
        asked = journal.ask(cast.record, "case-report", "journal", items=[NARRATIVE])
        milliseconds = (time.monotonic() - started) * 1000
        tell.expect("the very next question", asked.reason, "revoked")
        status = cast.client().get(f"/v1/relays/{relay}")["status"]
        tell.expect("her revocation is in a block", status in ("recorded", "final"), False)
        tell.say(f"from her signature to the denial: {milliseconds:.0f} ms")
        request = journal.request(cast.record, [NARRATIVE], "case-report", "journal")
        tell.refused("a release to the journal", lambda: journal.release(request, cast.folder / "late"), NotAuthorised)
        still = research.ask(cast.record, "DUO:0000006", items=[CT_SLICE], action="use")
        tell.expect("the research group's own grant", still.reason, "permitted")
    finally:
        resume_mining(cast.stack.rpc_url, BLOCK_TIME)
    recorded = cast.client().wait_for(relay)
    tell.say(f"now recorded in block {recorded['block']}")


def _accesses(patient: Patient, tell: Narrator) -> None:
    entries = patient.accesses(patient.book.cases[0])
    for entry in entries:
        who = entry["askerName"] or "somebody not in the Directory"
        what = {"decision": "asked", "release": "asked for the keys", "outcome": "received the keys"}[entry["kind"]]
        answer = "yes" if entry["permitted"] else f"no ({entry['reason']})"
        where = f" on {entry['channel']}" if entry["channel"] else ""
        tell.say(f"{who} {what} for {entry['purpose']}{where}: {answer}")
    kinds = [entry["kind"] for entry in entries]
    tell.expect("questions, denials included", kinds.count("decision"), 8)
    tell.expect("requests for keys, refusals included", kinds.count("release"), 3)
    tell.expect("keys handed over", kinds.count("outcome"), 1)


def _audit(cast: Cast, tell: Narrator) -> None:
    stack = cast.stack
    bundle = cast.folder / "decision.bundle.json"
    bundle.write_bytes(cast.recipient("journal").bundle(cast.decision))
    replayed = replay_chain(stack.rpc_url, stack.deployment, with_state=True)
    stated = cast.client().get("/v1/ledger/digest")
    tell.say(f"{replayed.events} events in {replayed.block + 1} blocks, from the chain alone")
    tell.expect("recomputed heads equal the contracts'", replayed.heads_match, True)
    # A block may have been mined in between; nothing happens in it.
    tell.expect("the digest equals the service's", replayed.digest(), stated["digest"])
    facts = cast.folder / "deployment.json"
    write(stack.deployment, facts)
    block = _trusted_block(stack.rpc_url, bundle)
    tell.expect("the bundle verifies without a network", _verify_offline(bundle, block, facts), 0)
    data = bytearray(bundle.read_bytes())
    place = data.index(b'"proof":["0x') + 40
    data[place] = ord("0") if data[place] != ord("0") else ord("1")
    flipped = cast.folder / "flipped.bundle.json"
    flipped.write_bytes(data)
    tell.expect("the bundle with one byte flipped", _verify_offline(flipped, block, facts) != 0, True)


def _trusted_block(rpc_url: str, bundle: Path) -> str:
    """What the auditor's own node says is the hash of the block that the bundle names."""
    number = json.loads(bundle.read_text())["block"]["number"]
    return str(rpc(rpc_url, "eth_getBlockByNumber", [hex(number), False])["hash"])


def _verify_offline(bundle: Path, block: str, facts: Path) -> int:
    """Verify in a new process that cannot open a socket."""
    command = [sys.executable, "-c", _NO_NETWORK, "audit", "verify-bundle", str(bundle)]
    command += ["--trusted-block", block, "--deployment", str(facts)]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode  # noqa: S603


_NO_NETWORK = """
import socket

def refuse(*arguments, **options):
    raise OSError("this process has no network")

socket.socket.__init__ = socket.getaddrinfo = refuse
from scripts.cli import main
main()
"""
