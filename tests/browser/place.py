"""A running service with a hospital, a journal and a research group: what a patient's page is tested against."""

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from client.http import Client
from client.institution import Institution
from client.recipient import Recipient
from ledger.documents import ChannelTerms, Form, Profile, Statement, channel_terms, publication_form
from ledger.ports import Call
from scripts.devnet import set_balance
from scripts.parties import publish, registration, replace_form, transact
from scripts.samples import CT_SLICE, NARRATIVE, write_samples
from scripts.stack import Stack, make_key, operator_key
from wallet.keys import PartyKeys

TITLE = "A shadow on a chest scan that was not what it seemed"
HOSPITAL, JOURNAL, RESEARCH = (
    "Riverside Teaching Hospital",
    "Journal of Instructive Cases",
    "Chest Imaging Research Group",
)
PARTIES = {
    "hospital": (HOSPITAL, "hospital", ["controller"]),
    "journal": (JOURNAL, "journal", ["recipient"]),
    "research": (RESEARCH, "research-group", ["recipient"]),
}
CHANNELS = ("journal", "social:mastodon", "social:instagram")


@dataclass
class Place:
    """What a test needs to act as everybody but the patient."""

    folder: Path
    stack: Stack
    keys: dict[str, PartyKeys]
    form: str = ""
    ending: ExitStack = field(default_factory=ExitStack)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ending.close()

    @property
    def url(self):
        return self.stack.url

    def client(self):
        return self.ending.enter_context(Client(self.url, self.stack.deployment))

    def institution(self):
        return Institution(self.client(), self.keys["hospital"])

    def recipient(self, who="journal"):
        return Recipient(self.client(), self.keys[who])

    def introduce(self):
        """List everybody, publish the form, seal the files of a case."""
        rpc, deployment, hospital = self.stack.rpc_url, self.stack.deployment, self.keys["hospital"]
        set_balance(rpc, hospital.address, 10**18)
        transact(
            rpc,
            deployment,
            make_key(operator_key(self.stack.settings.state_dir)),
            *(
                registration(self.keys[who].address, roles, Profile(version=1, name=name, kind=kind))
                for who, (name, kind, roles) in PARTIES.items()
            ),
        )
        form = publish(rpc, deployment, hospital.secret.reveal(), hospital.address, CHANNELS, self.client())
        self.form = form.hash
        self.institution().seal(write_samples(self.folder / "original"), self.folder / "case")

    def register(self, invitation, *stewards):
        """The record of the sealed files, for whoever answered; the others who answered must agree too."""
        _, record = self.institution().register(self.folder / "case", invitation, stewards=stewards)
        return record

    def replace_form(self, material, **changes):
        """Put another form in the place of the current one: a statement says more, one goes, one comes. Gives it."""
        client = self.client()
        old = Form.from_json(client.get(f"/v1/documents/{self.form}"))
        first, _, *rest = old.statements
        more = Statement(first.id, dict(first.text) | {"en": f"{first.text['en']} Ask whenever you like."})
        fresh = Statement(f"new-{old.version}", {"en": "A search engine may copy it.", "ar": "قد ينسخها محرك بحث."})
        new = replace(old, **({"version": old.version + 1, "statements": (more, fresh, *rest)} | changes))
        secret = self.keys["hospital"].secret.reveal()
        replace_form(self.stack.rpc_url, self.stack.deployment, secret, self.form, new, material, client)
        self.form = new.hash
        return new

    def supersede(self, old, new):
        """Put a document in the place of another on the chain, and nothing else; the service is told of it."""
        call = Call("PolicyRegistry", "supersede", (bytes.fromhex(old[2:]), bytes.fromhex(new.hash[2:]), True))
        transact(self.stack.rpc_url, self.stack.deployment, self.keys["hospital"].secret.reveal(), call)
        self.client().post("/v1/documents", new.to_json())

    def own_form(self, name):
        """Publish terms and a form that no other test offers, and offer under it. Gives it."""
        client, issuer = self.client(), self.keys["hospital"].address
        texts = [channel_terms(code, issuer) for code in CHANNELS]
        terms = [replace(one, title=dict(one.title) | {"en": f"{one.title['en']} ({name})"}) for one in texts]
        form = publication_form(issuer, {one.channel: ChannelTerms(issuer, one.hash) for one in terms})
        documents = [*terms, replace(form, title=dict(form.title) | {"en": f"{form.title['en']} ({name})"})]
        calls = [Call("PolicyRegistry", "publish", (bytes.fromhex(one.hash[2:]),)) for one in documents]
        transact(self.stack.rpc_url, self.stack.deployment, self.keys["hospital"].secret.reveal(), *calls)
        for one in documents:
            client.post("/v1/documents", one.to_json())
        self.form = documents[-1].hash
        return documents[-1]

    def proposals(self):
        return [
            {
                "recipient": self.keys["journal"].address,
                "items": [NARRATIVE, CT_SLICE],
                "purposes": ["case-report"],
                "channels": ["journal", "social:mastodon"],
                "onward": "quote",
                "days": 365,
            },
            {
                "recipient": self.keys["research"].address,
                "items": [CT_SLICE],
                "purposes": ["DUO:0000006"],
                "channels": [],
                "days": 182,
            },
        ]

    def offer(self, record, proposals=None):
        """The token of an offer."""
        institution = self.institution()
        grants = [institution.draft(record, self.form, proposal) for proposal in proposals or self.proposals()]
        return institution.offer(record, grants)


def build(folder, stack):
    """A place over a running ledger; the service must answer already for `introduce`."""
    return Place(folder, stack, {name: PartyKeys.new() for name in (*PARTIES, "stranger")})
