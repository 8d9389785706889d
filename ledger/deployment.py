"""Deployment facts: which chain, which contracts, which code. What the service, wallets and auditors pin."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.errors import InvalidInput, InvalidMessage
from ledger.events import DEPLOYED
from ledger.model import Address, Hash, address, hash32, integer
from ledger.typed_data import Domain

DEVELOPMENT_CHAINS = (1337, 31337)
"""Chain ids of Ganache, and of Hardhat and anvil."""
DEVELOPMENT_ACCOUNTS = {
    "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
    "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
    "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
    "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
    "0x976EA74026E726554dB657fA54763abd0C3a0aa9",
    "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
    "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
    "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
}
"""The accounts of "test test test … junk", the phrase of Hardhat and anvil: everybody has their keys."""


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
