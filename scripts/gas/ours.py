"""The rows of Volens: deployed as `volens deploy` does it, signed as the wallet does it, sent as the relay does it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from ledger.adapters.logs import artifact
from ledger.deployment import Deployment
from ledger.documents import Profile
from ledger.events import DEPLOYED
from ledger.merkle import CohortTree
from ledger.model import (
    RIGHT_GRANT,
    RIGHT_REVOKE,
    ZERO_HASH,
    Address,
    Closure,
    Delegation,
    Grant,
    Hash,
    RevokeAll,
    Suspension,
    to_hash,
)
from ledger.state import ROLE_CONTROLLER
from ledger.typed_data import Domain, commitment_hash, struct_hash
from scripts.deploy import deploy
from scripts.devnet import revert, snapshot
from scripts.gas.chain import DEADLINE, START, Chain, Contract
from scripts.gas.rows import VOLENS, Row
from scripts.vector_sources.world import World, key, phrase
from wallet.keys import SigningKey

LISTS = (1, 10, 100, 1000)
BY_HAND = "By hand"
COHORTS = (1_000, 10_000, 100_000)
LATER = START + 365 * 86_400
Progress = Callable[[int, int], None]


class Ours:
    """The contracts of Volens on a node."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.deployment: Deployment = deploy(
            chain.rpc_url, chain.operator.secret.reveal(), chain.operator.address, lambda _: None
        )
        self._contracts = {
            name: Contract(place, artifact(name)["abi"]) for name, place in self.deployment.addresses.items()
        }
        self._registry = self._contracts["ConsentRegistry"]
        self._domain = self.deployment.domain
        self._world = World()

    # words, and signatures on them

    def _grants(self, name: str) -> Iterator[Grant]:
        """Grants that differ in their salt, as many as one takes."""
        base, number = self._world.grant(), 0
        while True:
            yield replace(base, salt=to_hash(phrase(f"gas {name} {number}")))
            number += 1

    def _hashes(self, name: str, count: int) -> tuple[Hash, ...]:
        return tuple(struct_hash(grant) for grant in islice(self._grants(name), count))

    def _signed(
        self, kind: str, subject: Address, hashes: Sequence[Hash], by: SigningKey, deadline: int | None = None
    ) -> str:
        """A signature on a Consent or Revocation. By hashes: a list of a thousand is more than a message holds."""
        return by.sign(self._domain.digest_of(commitment_hash(kind, subject, tuple(hashes), deadline)))

    def _consent(self, patient: SigningKey, hashes: Sequence[Hash], by: SigningKey | None = None) -> tuple[object, ...]:
        """The arguments of `grantFor`."""
        signer = by or patient
        signature = self._signed("Consent", patient.address, hashes, signer, DEADLINE)
        return patient.address, list(hashes), DEADLINE, signer.address, signature

    def _grant_for(self, patient: SigningKey, hashes: Sequence[Hash], by: SigningKey | None = None) -> int:
        arguments = self._consent(patient, hashes, by)
        return self._relay("grantFor", *arguments, events=len(hashes))

    def _revoke_for(self, patient: SigningKey, hashes: Sequence[Hash], by: SigningKey | None = None) -> int:
        signer = by or patient
        signature = self._signed("Revocation", patient.address, hashes, signer)
        arguments = patient.address, list(hashes), signer.address, signature
        return self._relay("revokeFor", *arguments, events=len(hashes))

    def _relay(self, function: str, *arguments: object, events: int = 1) -> int:
        return self.chain.call(self.chain.relayer, self._registry, function, *arguments, events=events).gas

    # rows

    def lists(self, count: int) -> Iterator[Row]:
        """Granting and revoking lists, relayed."""
        patient, hashes = self.chain.stranger(f"lists {count}"), self._hashes(f"lists {count}", count)
        what = f"{count:,} grant{'s' if count > 1 else ''}"
        gas = self._grant_for(patient, hashes)
        yield Row(f"grantFor {count}", VOLENS, "Granting", f"grantFor, {what} in one consent", gas, count, count)
        gas = self._revoke_for(patient, hashes)
        yield Row(f"revokeFor {count}", VOLENS, "Taking back", f"revokeFor, {what}", gas, count, count)

    def by_hand(self, build: dict[str, Any]) -> Iterator[Row]:
        """One consent of one grant, to a contract that does nothing else and is written for gas alone."""
        bare, _ = self.chain.deploy(build)
        patient, hashes = self.chain.stranger("by hand"), self._hashes("by hand", 1)
        message = commitment_hash("Consent", patient.address, hashes, DEADLINE)
        signature = patient.sign(Domain(self._domain.chain_id, bare.address).digest_of(message))
        arguments = patient.address, list(hashes), DEADLINE, patient.address, signature
        called = Contract(bare.address, self._registry.abi)
        gas = self.chain.call(self.chain.relayer, called, "grantFor", *arguments, events=1).gas
        yield Row(f"{BY_HAND} grantFor 1", BY_HAND, "Granting", "grantFor, 1 grant", gas)

    def many(self, count: int) -> Iterator[Row]:
        """A relayer brings the consents of many patients in one transaction."""
        calls = [
            self._consent(self.chain.stranger(f"many {count} {number}"), self._hashes(f"many {count} {number}", 1))
            for number in range(count)
        ]
        gas = self._relay("grantForMany", calls, events=count)
        what = f"grantForMany, {count} patients, one grant each"
        yield Row(f"grantForMany {count}", VOLENS, "Granting", what, gas, count, count)

    def everything(self, count: int) -> Iterator[Row]:
        """The same patient takes everything back, holding more or fewer grants; the chain is set back in between."""
        patient, back = self.chain.stranger("everything"), snapshot(self.chain.rpc_url)
        self._grant_for(patient, self._hashes("everything", count))
        signature = patient.sign_typed(self._domain, RevokeAll(patient.address, DEADLINE))
        gas = self._relay("revokeAllFor", patient.address, DEADLINE, patient.address, signature)
        revert(self.chain.rpc_url, back)
        what = f"revokeAllFor, holding {count:,} grant{'s' if count > 1 else ''}"
        yield Row(f"revokeAllFor {count}", VOLENS, "Taking back", what, gas, count)

    def cohort(self, progress: Progress) -> Iterator[Row]:
        """Anchoring the root over real grants of as many patients, each with a key of her own."""
        base, pairs = self._world.research_grant, []
        for number in range(COHORTS[-1]):
            salt = to_hash(phrase(f"gas cohort {number}"))
            pairs.append((key(f"gas cohort {number}").address, struct_hash(replace(base, salt=salt))))
            if number % 1000 == 0:
                progress(number, COHORTS[-1])
        for count in COHORTS:
            gas = self._relay("anchor", CohortTree.of(pairs[:count]).root, count)
            yield Row(f"anchor {count}", VOLENS, "Cohorts", f"anchor, {count:,} participants", gas, count)

    def states(self) -> Iterator[Row]:
        """Pausing, closing and delegating, relayed."""
        patient, helper = self.chain.stranger("states"), self.chain.stranger("helper")
        for suspended, at in ((True, START), (False, START + 1)):
            word = "suspend" if suspended else "resume"
            signature = patient.sign_typed(self._domain, Suspension(patient.address, suspended, at))
            gas = self._relay("suspendFor", patient.address, suspended, at, patient.address, signature)
            yield Row(f"suspendFor {word}", VOLENS, "Pausing, helpers", f"suspendFor, {word}", gas)
        delegation = Delegation(patient.address, helper.address, RIGHT_REVOKE | RIGHT_GRANT, LATER, START)
        arguments = (helper.address, delegation.rights, delegation.valid_until, delegation.at)
        gas = self._relay("delegateFor", patient.address, *arguments, patient.sign_typed(self._domain, delegation))
        yield Row("delegateFor", VOLENS, "Pausing, helpers", "delegateFor, a helper gets both rights", gas)
        hashes = self._hashes("states", 1)
        gas = self._grant_for(patient, hashes, helper)
        yield Row("grantFor by helper", VOLENS, "Pausing, helpers", "grantFor, 1 grant, signed by the helper", gas)
        gas = self._revoke_for(patient, hashes, helper)
        yield Row("revokeFor by helper", VOLENS, "Pausing, helpers", "revokeFor, 1 grant, signed by the helper", gas)
        leaver = self.chain.stranger("leaver")
        signature = leaver.sign_typed(self._domain, Closure(leaver.address))
        gas = self._relay("closeFor", leaver.address, leaver.address, signature)
        yield Row("closeFor", VOLENS, "Pausing, helpers", "closeFor", gas)

    def direct(self) -> Iterator[Row]:
        """What a patient with ether of her own sends herself, without anybody's help."""
        for count in LISTS:
            patient, hashes = self.chain.account(f"direct {count}"), self._hashes(f"direct {count}", count)
            what = f"{count:,} grant{'s' if count > 1 else ''}"
            for function in ("grant", "revoke"):
                gas = self.chain.call(patient, self._registry, function, list(hashes), events=count).gas
                yield Row(f"{function} {count}", VOLENS, "Own transactions", f"{function}, {what}", gas, count, count)
        helper = self.chain.stranger("helper")
        calls: tuple[tuple[str, tuple[object, ...]], ...] = (
            ("revokeAll", (DEADLINE,)),
            ("suspend", (True,)),
            ("delegate", (helper.address, RIGHT_REVOKE, LATER)),
            ("close", ()),
        )
        for function, arguments in calls:
            patient = self.chain.account(f"direct {function}")
            gas = self.chain.call(patient, self._registry, function, *arguments, events=1).gas
            yield Row(function, VOLENS, "Own transactions", function, gas)

    def registers(self) -> Iterator[Row]:
        """Parties, documents and log checkpoints."""
        operator, hospital = self.chain.operator, self.chain.account("hospital")
        stranger = self.chain.stranger("hospital without a profile")
        group = "Parties, documents, checkpoints"
        profile = Profile(1, "Example Hospital", "hospital")
        first, second, third = (to_hash(phrase(f"gas document {number}")) for number in range(3))
        log = to_hash(phrase("gas log"))
        calls: tuple[tuple[SigningKey, str, str, str, tuple[object, ...]], ...] = (
            (
                operator, "Directory", "register", "with a profile",
                (hospital.address, ROLE_CONTROLLER, profile.hash, profile.data_uri()),
            ),
            (operator, "Directory", "register", "without one", (stranger.address, ROLE_CONTROLLER, ZERO_HASH, "")),
            (operator, "Directory", "setSuspended", "", (hospital.address, True)),
            (hospital, "PolicyRegistry", "publish", "", (first,)),
            (hospital, "PolicyRegistry", "supersede", "", (first, second, True)),
            (hospital, "PolicyRegistry", "retract", "what was published", (second,)),
            (hospital, "CheckpointLog", "checkpoint", "the first of a log", (log, 1_000, third)),
            (hospital, "CheckpointLog", "checkpoint", "the next", (log, 2_000, second)),
        )  # fmt: skip
        for by, contract, function, note, arguments in calls:
            gas = self.chain.call(by, self._contracts[contract], function, *arguments, events=1).gas
            name = f"{contract}.{function}"
            yield Row(f"{name} {note}".strip(), VOLENS, group, f"{name}{', ' if note else ''}{note}", gas)

    def deployments(self) -> Iterator[Row]:
        """What putting each contract on a chain cost, by the deterministic deployment proxy."""
        for name in DEPLOYED:
            gas = self.chain.gas_of_block(self.deployment.contracts[name].block)
            yield Row(f"deploy {name}", VOLENS, "Deployment", name, gas)
