"""The rows of the peers, each doing the nearest it has to granting and taking back."""

from collections.abc import Iterator, Sequence
from typing import Any

from eth_abi.abi import encode

from ledger.model import ZERO_ADDRESS, Address, keccak
from scripts.gas.chain import DEADLINE, Chain, Contract, split, typed_digest
from scripts.gas.rows import Row
from scripts.vector_sources.world import phrase
from wallet.keys import SigningKey

EAS, ETHR, ROLES, FLOOR = "EAS", "ethr-did", "AccessControl", "Floor"
EAS_LISTS = (10, 100, 1000)
FLOOR_LISTS = (1, 10, 100, 1000)

SCHEMA = "bytes32 grantHash"
ATTEST = (
    "Attest(address attester,bytes32 schema,address recipient,uint64 expirationTime,bool revocable,bytes32 refUID,"
    "bytes data,uint256 value,uint256 nonce,uint64 deadline)"
)
REVOKE = "Revoke(address revoker,bytes32 schema,bytes32 uid,uint256 value,uint256 nonce,uint64 deadline)"
CONSENT = keccak(b"consent")
YEAR = 365 * 86_400

Build = dict[str, dict[str, Any]]
Attestation = tuple[Address, int, bool, bytes, bytes, int]


class Eas:
    """The Ethereum Attestation Service. A grant is a revocable attestation of its hash, by the patient, about nobody.

    This is its cheapest form: naming a recipient or an expiry would cost more.
    """

    def __init__(self, chain: Chain, builds: Build) -> None:
        self.chain = chain
        registry, self._registry_gas = chain.deploy(builds["SchemaRegistry"])
        self._eas, self._gas = chain.deploy(builds["EAS"], ["address"], registry.address)
        chain.call(chain.operator, registry, "register", SCHEMA, ZERO_ADDRESS, True, events=1)
        self._schema = keccak(SCHEMA.encode() + bytes(20) + b"\1")

    @staticmethod
    def _data(name: str, count: int) -> list[Attestation]:
        words = [phrase(f"gas eas {name} {number}") for number in range(count)]
        return [(ZERO_ADDRESS, 0, True, bytes(32), word, 0) for word in words]

    def _sign_attest(self, by: SigningKey, data: Attestation, nonce: int) -> tuple[int, bytes, bytes]:
        recipient, expires, revocable, reference, content, value = data
        types = ["bytes32", "address", "bytes32", "address", "uint64", "bool", "bytes32", "bytes32", "uint256"]
        words = [
            keccak(ATTEST.encode()), by.address, self._schema, recipient, expires, revocable, reference,
            keccak(content), value, nonce, DEADLINE,
        ]  # fmt: skip
        return self._sign(by, keccak(encode([*types, "uint256", "uint64"], words)))

    def _sign_revoke(self, by: SigningKey, uid: bytes, nonce: int) -> tuple[int, bytes, bytes]:
        types = ["bytes32", "address", "bytes32", "bytes32", "uint256", "uint256", "uint64"]
        words = [keccak(REVOKE.encode()), by.address, self._schema, uid, 0, nonce, DEADLINE]
        return self._sign(by, keccak(encode(types, words)))

    def _sign(self, by: SigningKey, struct: bytes) -> tuple[int, bytes, bytes]:
        return split(by.sign(typed_digest("EAS", "1.4.0", self._eas.address, struct)))

    def _row(self, key: str, group: str, what: str, gas: int, count: int = 1) -> Row:
        return Row(f"{EAS} {key}", EAS, group, what, gas, count, count)

    def _uids(self, logs: Sequence[dict[str, Any]]) -> list[bytes]:
        return [bytes.fromhex(log["data"][2:]) for log in logs]

    def single(self) -> Iterator[Row]:
        """One attestation and its revocation, relayed and in the patient's own transactions."""
        patient, relayer = self.chain.stranger("eas"), self.chain.relayer
        (data,) = self._data("single", 1)
        request = (self._schema, data, self._sign_attest(patient, data, 0), patient.address, DEADLINE)
        receipt = self.chain.call(relayer, self._eas, "attestByDelegation", request, events=1)
        yield self._row("attestByDelegation", "Granting", "attestByDelegation", receipt.gas)
        (uid,) = self._uids(receipt.logs)
        word = (self._schema, (uid, 0), self._sign_revoke(patient, uid, 1), patient.address, DEADLINE)
        gas = self.chain.call(relayer, self._eas, "revokeByDelegation", word, events=1).gas
        yield self._row("revokeByDelegation", "Taking back", "revokeByDelegation", gas)
        rich = self.chain.account("eas direct")
        (data,) = self._data("direct", 1)
        receipt = self.chain.call(rich, self._eas, "attest", (self._schema, data), events=1)
        yield self._row("attest", "Own transactions", "attest", receipt.gas)
        (uid,) = self._uids(receipt.logs)
        gas = self.chain.call(rich, self._eas, "revoke", (self._schema, (uid, 0)), events=1).gas
        yield self._row("revoke", "Own transactions", "revoke", gas)
        for function in ("timestamp", "revokeOffchain"):
            gas = self.chain.call(rich, self._eas, function, phrase(f"gas eas {function}"), events=1).gas
            yield self._row(function, "Own transactions", f"{function}, of an attestation kept off chain", gas)

    def lists(self, count: int) -> Iterator[Row]:
        """Attestations of one patient in one transaction; each is signed by itself, as EAS demands."""
        patient = self.chain.stranger(f"eas {count}")
        data = self._data(f"lists {count}", count)
        signatures = [self._sign_attest(patient, entry, nonce) for nonce, entry in enumerate(data)]
        batch = [(self._schema, data, signatures, patient.address, DEADLINE)]
        receipt = self.chain.call(self.chain.relayer, self._eas, "multiAttestByDelegation", batch, events=count)
        what = f"multiAttestByDelegation, {count:,} of one patient"
        yield self._row(f"multiAttestByDelegation {count}", "Granting", what, receipt.gas, count)
        uids = self._uids(receipt.logs)
        signatures = [self._sign_revoke(patient, uid, count + at) for at, uid in enumerate(uids)]
        batches = [(self._schema, [(uid, 0) for uid in uids], signatures, patient.address, DEADLINE)]
        gas = self.chain.call(self.chain.relayer, self._eas, "multiRevokeByDelegation", batches, events=count).gas
        what = f"multiRevokeByDelegation, {count:,} of one patient"
        yield self._row(f"multiRevokeByDelegation {count}", "Taking back", what, gas, count)

    def bundle(self, count: int) -> Iterator[Row]:
        """One attestation with a list of hashes in it: one signature, but they can only be revoked together."""
        patient = self.chain.stranger(f"eas bundle {count}")
        content = b"".join(phrase(f"gas eas bundle {number}") for number in range(count))
        data = (ZERO_ADDRESS, 0, True, bytes(32), content, 0)
        request = (self._schema, data, self._sign_attest(patient, data, 0), patient.address, DEADLINE)
        gas = self.chain.call(self.chain.relayer, self._eas, "attestByDelegation", request, events=1).gas
        what = f"attestByDelegation, {count} hashes in one attestation"
        yield self._row(f"attestByDelegation of {count}", "Granting", what, gas, count)

    def many(self, count: int) -> Iterator[Row]:
        """One attestation each of many patients in one transaction."""
        batch = []
        for number in range(count):
            patient = self.chain.stranger(f"eas many {number}")
            data = self._data(f"many {number}", 1)
            batch.append((self._schema, data, [self._sign_attest(patient, data[0], 0)], patient.address, DEADLINE))
        gas = self.chain.call(self.chain.relayer, self._eas, "multiAttestByDelegation", batch, events=count).gas
        what = f"multiAttestByDelegation, {count} patients, one each"
        yield self._row(f"multiAttestByDelegation {count} patients", "Granting", what, gas, count)

    def deployments(self) -> Iterator[Row]:
        """Its two contracts."""
        yield self._row("deploy", "Deployment", "EAS", self._gas)
        yield self._row("deploy SchemaRegistry", "Deployment", "SchemaRegistry", self._registry_gas)


def ethr(chain: Chain, builds: Build) -> Iterator[Row]:
    """The registry of did:ethr. A grant is a delegate of the patient's identity, for a year."""
    registry, deployed = chain.deploy(builds["EthereumDIDRegistry"])
    journal, delegate_type = chain.stranger("journal").address, keccak(b"consent")

    def row(key: str, group: str, what: str, gas: int) -> Row:
        return Row(f"{ETHR} {key}", ETHR, group, what, gas)

    def sign(by: SigningKey, nonce: int, rest: bytes) -> tuple[int, bytes, bytes]:
        place, identity = (bytes.fromhex(text[2:]) for text in (registry.address, by.address))
        return split(by.sign(keccak(b"\x19\0" + place + nonce.to_bytes(32) + identity + rest)))

    patient, raw = chain.stranger("ethr"), delegate_type + bytes.fromhex(journal[2:])
    signature = sign(patient, 0, b"addDelegate" + raw + YEAR.to_bytes(32))
    words: tuple[object, ...] = (patient.address, *signature, delegate_type, journal, YEAR)
    gas = chain.call(chain.relayer, registry, "addDelegateSigned", *words, events=1).gas
    yield row("addDelegateSigned", "Granting", "addDelegateSigned", gas)
    signature = sign(patient, 1, b"revokeDelegate" + raw)
    words = (patient.address, *signature, delegate_type, journal)
    gas = chain.call(chain.relayer, registry, "revokeDelegateSigned", *words, events=1).gas
    yield row("revokeDelegateSigned", "Taking back", "revokeDelegateSigned", gas)
    rich = chain.account("ethr direct")
    gas = chain.call(rich, registry, "addDelegate", rich.address, delegate_type, journal, YEAR, events=1).gas
    yield row("addDelegate", "Own transactions", "addDelegate", gas)
    gas = chain.call(rich, registry, "revokeDelegate", rich.address, delegate_type, journal, events=1).gas
    yield row("revokeDelegate", "Own transactions", "revokeDelegate", gas)
    yield row("deploy", "Deployment", "EthereumDIDRegistry", deployed)


def roles(chain: Chain, builds: Build) -> Iterator[Row]:
    """OpenZeppelin's AccessControl. A grant is a role, given by an administrator."""
    operator = chain.operator
    book, deployed = chain.deploy(builds["RoleBook"], ["address"], operator.address)
    journal = chain.stranger("journal").address
    for function in ("grantRole", "revokeRole"):
        gas = chain.call(operator, book, function, CONSENT, journal, events=1).gas
        yield Row(f"{ROLES} {function}", ROLES, "Own transactions", f"{function}, by the administrator", gas)
    yield Row(f"{ROLES} deploy", ROLES, "Deployment", "AccessControl", deployed)


def floor(chain: Chain, builds: Build) -> Iterator[Row]:
    """A slot and an event, and nothing else."""
    bare, deployed = chain.deploy(builds["Floor"])
    yield from _floor_single(chain, bare)
    for count in FLOOR_LISTS[1:]:
        sender = chain.account(f"floor {count}")
        words = [phrase(f"gas floor {count} {number}") for number in range(count)]
        for function in ("grant", "revoke"):
            gas = chain.call(sender, bare, f"{function}List", words, events=count).gas
            what = f"{function}List, {count:,} grants"
            yield Row(f"{FLOOR} {function} {count}", FLOOR, "Own transactions", what, gas, count, count)
    yield Row(f"{FLOOR} deploy", FLOOR, "Deployment", "Floor", deployed)


def _floor_single(chain: Chain, bare: Contract) -> Iterator[Row]:
    sender = chain.account("floor")
    for function in ("grant", "revoke"):
        gas = chain.call(sender, bare, function, phrase("gas floor"), events=1).gas
        yield Row(f"{FLOOR} {function} 1", FLOOR, "Own transactions", function, gas)
