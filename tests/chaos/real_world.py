"""The forge of the other suites over a real anvil with the deployed contracts, and the oracle: the pure model on it."""

from copy import copy

from conftest import RATES, CopiedStore, Forge

from ledger.adapters.chain import Web3Chain, Web3Sender
from ledger.adapters.keys import SqlKeys
from ledger.adapters.memory import MemoryVault
from ledger.adapters.node import Node
from ledger.adapters.store import SqlStore
from ledger.decisions import decide
from ledger.documents import Profile
from ledger.evidence import Denials
from ledger.ports import Call
from ledger.services.evidence import gather
from ledger.services.index import Index
from ledger.typed_data import Domain
from scripts.deploy import deploy
from scripts.devnet import mine, rpc, set_balance
from scripts.parties import registration, transact
from scripts.vector_sources.world import DAY, World, key

BLOCK_SECONDS = 13
ETHER = 10**18


class RealChain(Web3Chain):
    """The simulated chain's few extras over a node: a clock that is the newest block's, and mining on demand."""

    def __init__(self, rpc_url, deployment, payer):
        self.rpc_url, self.node = rpc_url, Node(rpc_url)
        super().__init__(self.node, deployment)
        self.sender = Web3Sender(self.node, deployment, payer.secret.reveal())

    def __getattr__(self, name):
        return getattr(self.__dict__["sender"], name)

    def clock(self):
        return self.head().timestamp

    now = property(clock)

    def mine(self, blocks=1):
        mine(self.rpc_url, blocks)


class RealForge(Forge):
    """A registered record and the journal's recorded consent, on contracts that were really deployed."""

    def __init__(self, node):  # not a dataclass's: what is real cannot be copied from an original
        self.stage, self.stewards, self.confirmations, self.limits = "consented", (), 2, dict.fromkeys(RATES, 0)
        self.node, operator, relayer = node, key("operator"), key("relayer")
        self.patient_key = key("patient")
        for account in (operator, relayer, key("hospital"), key("patient")):
            set_balance(node.rpc_url, account.address, 10**6 * ETHER)
        rpc(node.rpc_url, "anvil_setBlockTimestampInterval", [BLOCK_SECONDS])
        self.deployment = deploy(node.rpc_url, operator.secret.reveal(), operator.address)
        now = int(rpc(node.rpc_url, "eth_getBlockByNumber", ["latest", False])["timestamp"], 16)
        self.world = real_world(self.deployment.domain, now)
        self.chain = RealChain(node.rpc_url, self.deployment, relayer)
        self.store, self.vault = SqlStore("sqlite://"), MemoryVault()
        self.keys = SqlKeys("sqlite://")
        hospital = self.world.hospital
        roles = {hospital.address: ("hospital", ["controller"])}
        listings = [
            registration(party, role, Profile(1, name, kind))
            for party, name in self.world.names.items()
            for kind, role in [roles.get(party, ("journal", ["recipient"]))]
        ]
        transact(node.rpc_url, self.deployment, operator.secret.reveal(), *listings)
        documents = [event.document for event in self.listings() if hasattr(event, "document")]
        published = [Call("PolicyRegistry", "publish", (bytes.fromhex(document[2:]),)) for document in documents]
        transact(node.rpc_url, self.deployment, hospital.secret.reveal(), *published)
        self.restart()
        self.deposits = self.register()
        self.consent(self.world.grant())
        self.settle()
        assert self.reason() == "permitted"

    def beside(self, chain, witnesses=(), **changes):
        """Another service, on a copy of the store, that reads the chain through something else."""
        other = copy(self)
        other.store = CopiedStore(self.store)
        other.restart(chain=chain, sender=self.chain, witnesses=witnesses, **changes)
        return other

    def suspend(self, suspended):
        """The patient's own transaction, past the service."""
        self.mine()  # later than the last one
        call = Call("ConsentRegistry", "suspend", (suspended,))
        transact(self.chain.rpc_url, self.deployment, self.patient_key.secret.reveal(), call)


class Oracle:
    """What is true: the pure model on events read from the node itself, by an index of its own."""

    def __init__(self, forge):
        self.forge = forge
        self.index = Index(forge.chain, SqlStore("sqlite://"), forge.deployment, forge.confirmations)

    def permits(self, **changes):
        forge = self.forge
        with self.index.at_head() as snapshot, forge.store.begin() as tx:
            evidence = gather(tx, forge.world.record_hash, forge.domain).evidence(snapshot.state, Denials())
            moment = snapshot.moment(forge.chain.clock(), 36)
            return decide(forge.world.question(**changes), evidence, moment).permitted


def real_world(domain: Domain, now: int) -> World:
    """The world under a domain that exists, at a time that is now."""

    class Deployed(World):
        def grant(self, **changes):
            return super().grant(**({"valid_from": now, "valid_until": now + 365 * DAY} | changes))

    Deployed.domain = domain
    return Deployed()
