"""A running ledger with a hospital, a journal, a stranger and a patient in the middle of her case."""

import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from cli.running import CHEAP, PASSPHRASE
from client.http import Client
from client.institution import Institution
from client.recipient import Recipient
from ledger.documents import Profile
from ledger.model import Hash
from scripts.devnet import set_balance
from scripts.parties import publish, registration, transact
from scripts.stack import Stack, make_key, operator_key
from wallet.book import Book
from wallet.keys import PartyKeys, new_words
from wallet.keystore import lock
from wallet.patient import Patient

TITLE = "A case of nothing much"
NAMES = ("hospital", "journal", "stranger")


@dataclass
class Town:
    """What is needed to run commands against a real service."""

    folder: Path
    stack: Stack
    keys: dict[str, PartyKeys]
    form: Hash
    facts: Path
    passphrase: Path
    ending: ExitStack = field(default_factory=ExitStack)

    def __enter__(self):
        self.ending = ExitStack()
        return self

    def __exit__(self, *_):
        self.ending.close()

    @property
    def url(self):
        return self.stack.url

    @property
    def rpc_url(self):
        return self.stack.rpc_url

    def client(self):
        return self.ending.enter_context(Client(self.url, self.stack.deployment))

    def institution(self):
        return Institution(self.client(), self.keys["hospital"])

    def recipient(self, who="journal"):
        return Recipient(self.client(), self.keys[who])

    def key(self, who):
        """The options that make a command run as somebody."""
        return ("--key", self.folder / f"{who}.json", *self.open, "--url", self.url)

    @property
    def open(self):
        return ("--passphrase-file", self.passphrase)

    @property
    def wallet(self):
        return ("--wallet", self.folder / "wallet", *self.open, "--url", self.url)

    def patient(self):
        return Patient(Book.open(self.folder / "wallet", PASSPHRASE), self.client())

    def case(self, name="narrative.md", content="# A case\n\nA cough, and then no cough.\n"):
        """A new sealed case whose patient, of the town's wallet, has answered."""
        folder = self.folder / f"case-{len(list(self.folder.iterdir()))}"
        source = folder.with_name(folder.name + "-files")
        source.mkdir()
        (source / name).write_text(content)
        institution = self.institution()
        institution.seal([source / name], folder)
        invitation = institution.invite(TITLE)
        self.patient().join(invitation)
        return folder, invitation

    def offered(self):
        """A new record and the offer of a consent for the journal."""
        folder, invitation = self.case()
        institution = self.institution()
        _, record = institution.register(folder, invitation)
        draft = institution.draft(record, self.form, self.proposal())
        return record, draft, institution.offer(record, [draft])

    def proposal(self, **changes):
        return {
            "recipient": self.keys["journal"].address,
            "items": ["narrative.md"],
            "purposes": ["case-report"],
            "channels": ["journal"],
            "days": 30,
        } | changes

    def consented(self):
        """A new record with the journal's consent recorded; (record, grant, its hash)."""
        record, draft, offer = self.offered()
        patient = self.patient()
        opened = patient.offer(offer)
        self.client().wait_for(patient.agree(opened, [0]), ("final",))
        return record, draft


def build(folder, stack):
    """List everybody and publish the form."""
    keys = {name: PartyKeys.new() for name in NAMES}
    owner = make_key(operator_key(stack.settings.state_dir))
    roles = {
        "hospital": ("Riverside Hospital", "hospital", ["controller"]),
        "journal": ("The Journal", "journal", ["recipient"]),
    }
    transact(
        stack.rpc_url,
        stack.deployment,
        owner,
        *(
            registration(keys[who].address, role, Profile(version=1, name=name, kind=kind))
            for who, (name, kind, role) in roles.items()
        ),
    )
    set_balance(stack.rpc_url, keys["hospital"].address, 10**18)
    hospital = keys["hospital"]
    with Client(stack.url, stack.deployment) as client:
        form = publish(
            stack.rpc_url,
            stack.deployment,
            hospital.secret.reveal(),
            hospital.address,
            ["journal", "social:mastodon"],
            client,
        )
    for name, key in keys.items():
        (folder / f"{name}.json").write_text(json.dumps(lock(key.secret.reveal(), PASSPHRASE, "key", CHEAP)))
    passphrase = folder / "passphrase"
    passphrase.write_text(PASSPHRASE)
    Book.create(folder / "wallet", new_words(), PASSPHRASE, cost=CHEAP)
    return Town(folder, stack, keys, form.hash, stack.settings.deployment, passphrase)
