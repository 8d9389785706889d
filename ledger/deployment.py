"""Deployment facts: which chain, which contracts, which code. What the service, wallets and auditors pin."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.errors import InvalidInput, InvalidMessage
from ledger.events import DEPLOYED
from ledger.model import Address, Hash, address, hash32, integer
from ledger.typed_data import Domain


@dataclass(frozen=True)
class Contract:
    """One deployed contract. `code_hash` is keccak-256 of its runtime code, `block` where it was deployed."""

    address: Address
    code_hash: Hash
    block: int


@dataclass(frozen=True)
class Deployment:
    """The contracts on one chain. The genesis hash tells a fresh devnet from the one we know."""

    chain_id: int
    genesis: Hash
    contracts: Mapping[str, Contract]

    @property
    def domain(self) -> Domain:
        """The EIP-712 domain of every message in this ledger."""
        return Domain(self.chain_id, self.contracts["ConsentRegistry"].address)

    @property
    def addresses(self) -> dict[str, Address]:
        """Contract name → address."""
        return {name: contract.address for name, contract in self.contracts.items()}

    @property
    def first_block(self) -> int:
        """The block before which no event of ours can be."""
        return min(contract.block for contract in self.contracts.values())

    def did(self, party: Address) -> str:
        """A party's did:pkh identifier on this chain."""
        return f"did:pkh:eip155:{self.chain_id}:{party}"

    def party(self, did: object) -> Address:
        """The address in a did:pkh identifier of this chain.

        Raises:
            InvalidMessage: another form, or another chain.
        """
        prefix = f"did:pkh:eip155:{self.chain_id}:"
        if not isinstance(did, str) or not did.startswith(prefix):
            raise InvalidMessage("subject.id", f"must be {prefix}<address>")
        return address(did.removeprefix(prefix), "subject.id")

    def to_json(self) -> dict[str, Any]:
        """The facts as they are written to the deployment file and served by the API."""
        return {
            "chainId": self.chain_id,
            "genesis": self.genesis,
            "contracts": {
                name: {"address": c.address, "codeHash": c.code_hash, "block": c.block}
                for name, c in self.contracts.items()
            },
        }

    @classmethod
    def from_json(cls, value: object) -> "Deployment":
        """Read deployment facts.

        Raises:
            InvalidInput: they are not complete.
        """
        try:
            assert isinstance(value, dict)  # noqa: S101 (reported like every other wrong shape, below)
            contracts = {
                name: Contract(
                    address(value["contracts"][name]["address"], f"contracts.{name}.address"),
                    hash32(value["contracts"][name]["codeHash"], f"contracts.{name}.codeHash"),
                    integer(value["contracts"][name]["block"], f"contracts.{name}.block"),
                )
                for name in DEPLOYED
            }
            return cls(integer(value["chainId"], "chainId"), hash32(value["genesis"], "genesis"), contracts)
        except (KeyError, TypeError, AssertionError):
            raise InvalidInput("These are not the facts of a Volens deployment: run `volens deploy`.") from None
