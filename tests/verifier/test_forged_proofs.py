"""Forged proofs: of a hundred thousand (a million deep) none makes the chain say something that it does not hold.

A statement is what the gate relies on: in this block, this contract's slot holds this value. Ours is verified as the
gate does it, header, account, slot. Whatever is changed in the statement or its proof, the outcome is a refusal or the
truth of the changed statement, which the tries it was made from know.
"""

import json
import os
import random
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import rlp
from trie import HexaryTrie

from ledger.errors import InvalidProof
from ledger.model import address, keccak, to_hash
from ledger.proofs import Account, AccountProof, Header, SlotProof, header_rlp, read_proof, verify_header

DEEP = os.environ.get("VOLENS_TEST_PROFILE") == "deep"
FORGERIES = 1_000_000 if DEEP else 100_000
AGREEMENTS = 100_000 if DEEP else 10_000
NODES = json.loads((Path(__file__).parents[1] / "vectors" / "proofs.json").read_text())["nodes"]
CHANCE = random.Random(7)
SLOTS = (0, 1, 2, 5, 17, 300)
"""How many slots the contracts of each block have."""


@dataclass(frozen=True)
class Statement:
    """What is shown: a header, the hash it must have, and the way from there to a slot."""

    block: str
    header: bytes
    account: str
    account_nodes: tuple[bytes, ...]
    key: str
    slot_nodes: tuple[bytes, ...]

    def verify(self):
        """The value, as the gate comes to it.

        Raises:
            InvalidProof: the statement is not proven.
        """
        header = Header.from_rlp(self.header, self.block)
        account = AccountProof(self.account, self.account_nodes).verify(header)
        return SlotProof(self.key, self.slot_nodes).verify(account)


def path(trie, key):
    return tuple(rlp.encode(node) for node in trie.get_proof(keccak(key)) if node)


def word(number):
    return to_hash(number.to_bytes(32))


class World:
    """Some blocks; of each slot of each contract it is known what it holds."""

    def __init__(self, blocks=3):
        self.truth, self.statements, parent = {}, [], "0x" + "00" * 32
        for number in range(blocks):
            accounts, storages = HexaryTrie({}), {}
            for index, size in enumerate(SLOTS):
                at = address("0x" + keccak(f"{number % 2} {index}".encode())[:20].hex())
                trie, held = HexaryTrie({}), {}
                for slot in range(size):
                    # Zero is what anvil leaves of a slot that was cleared; small values are embedded in their parents.
                    held[word(slot)] = CHANCE.choice((0, 1, 127, 128, CHANCE.getrandbits(64), CHANCE.getrandbits(256)))
                    trie[keccak(bytes.fromhex(word(slot)[2:]))] = rlp.encode(held[word(slot)])
                code = keccak(at.encode())
                accounts[keccak(bytes.fromhex(at[2:]))] = rlp.encode([1, 0, trie.root_hash, code])
                storages[at] = trie, held
            fields = NODES["anvil"]["block"] | {
                "parentHash": parent,
                "stateRoot": to_hash(accounts.root_hash),
                "number": hex(number),
            }
            header = Header.from_rlp(header_rlp(NODES["anvil"]["block"] | fields))
            parent = header.hash
            nobody = address("0x" + keccak(b"nobody")[:20].hex())
            storages[nobody] = HexaryTrie({}), {}
            for at, (trie, held) in storages.items():
                self.truth[header.hash, at] = held
                nodes = path(accounts, bytes.fromhex(at[2:]))
                absent = [word(CHANCE.getrandbits(256)) for _ in range(max(3, len(held) // 2))]
                for key in [*held, *absent]:
                    slot_nodes = path(trie, bytes.fromhex(key[2:]))
                    self.statements.append(Statement(header.hash, header.rlp, at, nodes, key, slot_nodes))

    def true_value(self, statement):
        """What the slot a statement is about holds in the block it names."""
        return self.truth.get((statement.block, statement.account), {}).get(statement.key, 0)


@pytest.fixture(scope="module")
def world():
    return World()


def test_every_honest_statement_is_proven(world):
    values = {statement.verify() == world.true_value(statement) for statement in world.statements}
    assert values == {True}
    absent = [s for s in world.statements if not world.true_value(s)]
    assert len(absent) > 100
    assert len(world.statements) > 1_000


# Ways to change bytes


def flip_bit(chance, data, _):
    at = chance.randrange(len(data) * 8)
    return data[: at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1 :]


def truncate(chance, data, _):
    return data[: chance.randrange(len(data))]


def extend(chance, data, _):
    more = chance.randbytes(chance.choice((1, 1, 2, 32)))
    return more + data if chance.random() < 0.3 else data + more


def cut_out(chance, data, _):
    start = chance.randrange(len(data))
    return data[:start] + data[start + chance.choice((1, 2, 32)) :]


def foreign_bytes(chance, data, other):
    start, size = chance.randrange(len(data)), chance.choice((1, 4, 32))
    source = chance.randrange(max(1, len(other)))
    return data[:start] + other[source : source + size] + data[start + size :]


def lengths(chance, data, _):
    """A length written with more digits, or one that says another size."""
    at = chance.randrange(min(4, len(data)))
    return data[:at] + bytes([data[at] ^ chance.choice((1, 2, 0x38, 0x40))]) + data[at + 1 :]


def structure(chance, data, other):
    """Decode, change the tree of values, encode again: well-formed, and something else."""
    try:
        value, foreign = rlp.decode(data), rlp.decode(other)
    except rlp.exceptions.RLPException:
        return flip_bit(chance, data, other)
    if not isinstance(value, list) or not value:
        return flip_bit(chance, data, other)
    at = chance.randrange(len(value))
    match chance.randrange(6):
        case 0:
            value.pop(at)
        case 1:
            value.insert(at, value[chance.randrange(len(value))])
        case 2:
            there = chance.randrange(len(value))
            value[at], value[there] = value[there], value[at]
        case 3 if isinstance(foreign, list) and foreign:
            value[at] = chance.choice(foreign)
        case 4:
            value[at] = [value[at]]
        case _:
            value[at] = chance.choice((b"", b"\0", b"\1", b"\x20", chance.randbytes(32)))
    return rlp.encode(value)


BYTES = (flip_bit, truncate, extend, cut_out, foreign_bytes, lengths, structure)


def in_nodes(nodes, chance, other):
    """Bytes of one node changed."""
    if not nodes:
        return (chance.randbytes(33),)
    at = chance.randrange(len(nodes))
    foreign = chance.choice(other or nodes)
    return (*nodes[:at], chance.choice(BYTES)(chance, nodes[at], foreign), *nodes[at + 1 :])


def of_nodes(nodes, chance, other):
    """Nodes dropped, doubled, exchanged, put in another order, or taken from another proof."""
    found = list(nodes)
    match chance.randrange(6):
        case 0 if found:
            found.pop(chance.randrange(len(found)))
        case 1 if found:
            found.insert(chance.randrange(len(found) + 1), chance.choice(found))
        case 2:
            chance.shuffle(found)
        case 3 if other:
            found.insert(chance.randrange(len(found) + 1), chance.choice(other))
        case 4 if other and found:
            found[chance.randrange(len(found))] = chance.choice(other)
        case _:
            cut = chance.randrange(len(found) + 1)
            found = found[:cut] + list(other)[cut:]
    return tuple(found)


def forge(statement, other, chance):
    """A statement with something changed, and the name of what."""
    match chance.randrange(10):
        case 0:
            return "header bytes", replace(
                statement, header=chance.choice(BYTES)(chance, statement.header, other.header)
            )
        case 1:
            return "another header", replace(statement, header=other.header)
        case 2:
            return "another block", replace(statement, block=other.block)
        case 3:
            return "account node bytes", replace(
                statement, account_nodes=in_nodes(statement.account_nodes, chance, other.account_nodes)
            )
        case 4:
            return "account nodes", replace(
                statement, account_nodes=of_nodes(statement.account_nodes, chance, other.account_nodes)
            )
        case 5:
            return "slot node bytes", replace(
                statement, slot_nodes=in_nodes(statement.slot_nodes, chance, other.slot_nodes)
            )
        case 6:
            return "slot nodes", replace(statement, slot_nodes=of_nodes(statement.slot_nodes, chance, other.slot_nodes))
        case 7:
            return "another slot's proof", replace(statement, slot_nodes=other.slot_nodes)
        case 8:
            return "another account", replace(statement, account=other.account)
        case _:
            return "another slot", replace(statement, key=other.key)


def test_no_forgery_of_a_hundred_thousand_is_accepted(world):
    seed = random.SystemRandom().randrange(2**32) if DEEP else 20261125
    chance, outcomes = random.Random(seed), Counter()
    while outcomes.total() < FORGERIES:
        statement, other = chance.choice(world.statements), chance.choice(world.statements)
        kind, forged = forge(statement, other, chance)
        if forged == statement:
            continue
        try:
            value = forged.verify()
        except InvalidProof:
            outcomes[kind, "refused"] += 1
            continue
        # A changed statement may be true: another absent slot below the same node, one trie in two blocks.
        assert value == world.true_value(forged), f"seed {seed}: {kind} was accepted: {forged}"
        assert kind in ("another slot", "another slot's proof", "another account", "slot nodes"), (seed, kind, forged)
        outcomes[kind, "true"] += 1
    refused = sum(count for (_, outcome), count in outcomes.items() if outcome == "refused")
    assert refused > 0.95 * FORGERIES, outcomes
    assert len({kind for kind, _ in outcomes}) == 10


def test_a_verifier_that_skips_a_check_would_accept_some(world):
    """The forgeries reach deep enough: where the storage root is not that of the account, some pass."""
    chance, accepted = random.Random(1), 0
    for _ in range(4_000):
        statement, other = chance.choice(world.statements), chance.choice(world.statements)
        _, forged = forge(statement, other, chance)
        if forged == statement or not forged.slot_nodes:
            continue
        try:
            header = Header.from_rlp(forged.header, forged.block)
            account = AccountProof(forged.account, forged.account_nodes).verify(header)
            # The root is taken from the proof itself instead of the account: what a careless verifier does.
            root = to_hash(keccak(forged.slot_nodes[0]))
            value = SlotProof(forged.key, forged.slot_nodes).verify(replace(account, storage_root=root))
        except InvalidProof:
            continue
        accepted += value != world.true_value(forged)
    assert accepted > 10


# Beside @ethereumjs/mpt


def asked(root, key, nodes):
    return {"root": root, "key": key, "proof": ["0x" + node.hex() for node in nodes]}


def test_ethereumjs_reads_the_same_from_ten_thousand_proofs(world, second):
    statements = list(world.statements)
    questions, expected = [], []
    for node in NODES.values():
        header = verify_header(node["block"])
        account, slots = read_proof(node["contract"])
        root = account.verify(header).storage_root
        questions += [asked(root, slot.key, slot.nodes) for slot in slots]
        expected += [slot.verify(account.verify(header)) for slot in slots]
    chance = random.Random(3)
    while len(questions) < AGREEMENTS:
        trie, held = HexaryTrie({}), {}
        for _ in range(chance.choice((1, 2, 3, 20, 200, 1000))):
            key = chance.randbytes(32)
            held[key] = chance.getrandbits(chance.choice((1, 8, 64, 256))) + 1
            trie[keccak(key)] = rlp.encode(held[key])
        for key in [*held, *(chance.randbytes(32) for _ in range(max(20, len(held) // 3)))]:
            root, name = to_hash(trie.root_hash), to_hash(key)
            questions.append(asked(root, name, path(trie, key)))
            expected.append(SlotProof(name, path(trie, key)).verify(of(root)))
            assert expected[-1] == held.get(key, 0)
    for statement in statements[:: max(1, len(statements) // 500)]:
        header = Header.from_rlp(statement.header, statement.block)
        account = AccountProof(statement.account, statement.account_nodes).verify(header)
        questions.append(asked(account.storage_root, statement.key, statement.slot_nodes))
        expected.append(statement.verify())
    answers = second(questions)
    assert sum(value == 0 for value in expected) > AGREEMENTS / 10, "proofs of absence too"
    for question, answer, value in zip(questions, answers, expected, strict=True):
        assert "why" not in answer, (question, answer)
        assert number(answer["value"]) == value


def of(root):
    """An account with this storage, proven elsewhere."""
    return Account(storage_root=root)


def number(value):
    return rlp.decode(bytes.fromhex(value[2:]), rlp.sedes.big_endian_int) if value else 0


def test_ethereumjs_refuses_the_same_forgeries(world, second):
    chance, questions, ours = random.Random(4), [], []
    while len(questions) < AGREEMENTS / 5:
        statement, other = chance.choice(world.statements), chance.choice(world.statements)
        header = Header.from_rlp(statement.header, statement.block)
        root = AccountProof(statement.account, statement.account_nodes).verify(header).storage_root
        change = chance.choice((in_nodes, of_nodes))
        nodes = change(statement.slot_nodes, chance, other.slot_nodes)
        questions.append(asked(root, statement.key, nodes))
        try:
            ours.append(SlotProof(statement.key, nodes).verify(of(root)))
        except InvalidProof:
            ours.append(None)
    for question, answer, value in zip(questions, second(questions), ours, strict=True):
        theirs = None if "why" in answer else number(answer["value"])
        assert theirs == value, (question, answer, value)
    assert ours.count(None) > len(ours) / 2
