"""A replay from a node and from an exported file alike: no log can be lost, changed, doubled or moved unseen."""

from dataclasses import replace

import duckdb
import pytest

from ledger.adapters.chain import Web3Chain
from ledger.adapters.logs import artifact
from ledger.adapters.node import Node
from ledger.adapters.replay import RunningHeads, rows_between
from ledger.errors import InvalidFile, InvalidProof, LedgerUnavailable, WrongChain
from ledger.model import keccak, to_hash
from ledger.state import LedgerState, replay
from scripts import parquet
from scripts.audit import export_logs, replay_chain
from scripts.deploy import await_receipt, deploy
from scripts.devnet import Devnet, rpc
from scripts.gas.chain import Contract
from scripts.vector_sources.world import key

pytestmark = pytest.mark.node

ETHER = 10**18
H = [to_hash(keccak(bytes([n]))) for n in range(40)]
OTHER = "0x00000000000000000000000000000000000000Aa"


class Ledger:
    """Every event of every contract, recorded by transactions of the accounts themselves."""

    def __init__(self, node):
        self.url = node.rpc_url
        self.owner = key("replay owner")
        rpc(self.url, "hardhat_setBalance", [self.owner.address, hex(100 * ETHER)])
        rpc(self.url, "anvil_impersonateAccount", [self.owner.address])
        self.deployment = deploy(self.url, self.owner.secret.reveal(), self.owner.address)
        self.subject, self.second, self.third, *_ = rpc(self.url, "eth_accounts")
        for batch in range(3):
            self.send("ConsentRegistry", "grant", H[batch * 10 : batch * 10 + 10])
        self.send("ConsentRegistry", "revoke", H[:2])
        self.send("ConsentRegistry", "delegate", OTHER, 3, 2**40)
        self.send("ConsentRegistry", "suspend", True, sender=self.third)
        self.send("ConsentRegistry", "anchor", H[30], 7)
        self.send("Directory", "register", self.subject, 1, H[31], "data:,é", sender=self.owner.address)
        self.send("Directory", "setSuspended", self.subject, True, sender=self.owner.address)
        self.send("PolicyRegistry", "publish", H[32])
        self.send("PolicyRegistry", "supersede", H[32], H[33], True)
        self.send("PolicyRegistry", "retract", H[33])
        self.send("CheckpointLog", "checkpoint", H[34], 5, H[35])
        self.send("ConsentRegistry", "revokeAll", 1_700_000_000, sender=self.second)
        self.send("ConsentRegistry", "close", sender=self.second)
        self.send("ConsentRegistry", "grant", H[36:39])

    def send(self, contract, function, *arguments, sender=None):
        called = Contract(self.deployment.addresses[contract], artifact(contract)["abi"])
        request = {"from": sender or self.subject, "to": called.address, "data": called.data(function, *arguments)}
        found = rpc(self.url, "eth_sendTransaction", [request | {"gas": hex(5_000_000)}])
        await_receipt(Node(self.url), found)


@pytest.fixture(scope="module")
def ledger():
    with Devnet.start("anvil") as node:
        yield Ledger(node)


@pytest.fixture(scope="module")
def exported(ledger, tmp_path_factory):
    file = tmp_path_factory.mktemp("export") / "ledger's logs.parquet"
    block, events = export_logs(ledger.url, ledger.deployment, file)
    return file, block, events


@pytest.fixture
def rows(ledger, exported):
    return [row for batch in parquet.read(exported[0]) for row in batch]


def state_of(ledger):
    """What the slower way of the service makes of it."""
    chain = Web3Chain(Node(ledger.url), ledger.deployment)
    events = [entry.event for entry in chain.events_between(0, chain.head().number)]
    return replay(LedgerState.empty(ledger.deployment.chain_id, ledger.deployment.addresses), events), len(events)


def test_the_heads_and_the_state_are_those_the_service_computes(ledger):
    state, events = state_of(ledger)
    found = replay_chain(ledger.url, ledger.deployment, with_state=True)
    assert found.heads_match
    assert found.heads == state.heads
    assert found.digest() == state.digest()
    assert found.events == events
    assert replay_chain(ledger.url, ledger.deployment).state is None


def test_every_event_there_is_was_replayed(ledger, rows):
    assert {(contract, event) for contract, event, *_ in rows} >= {
        ("ConsentRegistry", name)
        for name in ("Granted", "Revoked", "RevokedAll", "Suspended", "Closed", "Delegated", "Anchored")
    } | {("Directory", name) for name in ("Registered", "SuspensionChanged")} | {
        ("PolicyRegistry", name) for name in ("Published", "Superseded", "Retracted")
    } | {("CheckpointLog", "Checkpointed")}  # fmt: skip


def test_a_file_replays_as_the_node_does_and_what_came_later_is_asked_for(ledger, exported):
    file, block, events = exported
    before = replay_chain(ledger.url, ledger.deployment, file=file, with_state=True)
    assert before.heads_match
    assert (before.block, before.events) == (block, events)
    ledger.send("ConsentRegistry", "grant", [to_hash(keccak(b"later %d" % ledger_height(ledger)))])
    after = replay_chain(ledger.url, ledger.deployment, file=file, with_state=True)
    assert after.heads_match
    assert after.events == events + 1
    assert after.digest() == replay_chain(ledger.url, ledger.deployment, with_state=True).digest() != before.digest()


def ledger_height(ledger):
    return int(rpc(ledger.url, "eth_blockNumber"), 16)


def edited(place, change):
    def edit(rows):
        row = list(rows[place])
        change(row)
        return [*rows[:place], tuple(row), *rows[place + 1 :]]

    return edit


def set_to(column, value):
    def change(row):
        assert row[column] != value
        row[column] = value

    return change


def swapped(rows):
    """Two grants of one transaction change places: what stands in them, not where they stand."""
    first, second = rows[3], rows[4]
    return [*rows[:3], (*first[:5], *second[5:9], *first[9:]), (*second[:5], *first[5:9], *second[9:]), *rows[5:]]


def move_digits(row):
    """The bytes of both together stay the same."""
    row[5:7] = [row[5] + row[6][2:4], "0x" + row[6][4:]]


def last_digit(row):
    row[8] = row[8][:-1] + ("1" if row[8][-1] == "0" else "0")


def place_of(rows, event):
    return next(n for n, row in enumerate(rows) if row[1] == event)


def event_edited(event, column, value):
    return lambda rows: edited(place_of(rows, event), set_to(column, value))(rows)


TAMPERED = {
    "withheld, the first": lambda rows: rows[1:],
    "withheld, in the middle": lambda rows: [*rows[:7], *rows[8:]],
    "withheld, the last": lambda rows: rows[:-1],
    "all withheld": lambda rows: [],
    "doubled": lambda rows: [*rows[:6], rows[5], *rows[6:]],
    "doubled elsewhere": lambda rows: [*rows, (*rows[5][:3], 10**6, *rows[5][4:])],
    "reordered": lambda rows: [*rows[:3], rows[4], rows[3], *rows[5:]],
    "exchanged": swapped,
    "another subject": edited(0, set_to(5, "0x" + "00" * 12 + "ab" * 20)),
    "another grant": edited(0, set_to(6, H[39])),
    "another time": edited(0, set_to(4, 7)),
    "a negative time": edited(0, set_to(4, -1)),
    "a revocation made a grant": lambda rows: edited(place_of(rows, "Revoked"), set_to(1, "Granted"))(rows),
    "a grant made a revocation": edited(0, set_to(1, "Revoked")),
    "an unknown event": edited(0, set_to(1, "Permitted")),
    "an unknown contract": edited(0, set_to(0, "Registry")),
    "an argument missing": edited(0, set_to(6, None)),
    "an argument too many": edited(0, set_to(7, H[0])),
    "a digit moved from one argument to the other": edited(0, move_digits),
    "a space among the digits": edited(0, lambda row: row.__setitem__(5, row[5][:40] + "  " + row[5][42:])),
    "data missing": edited(0, set_to(8, "0x")),
    "another party's roles": event_edited("Registered", 8, "0x"),
    "a root anchored by another name": event_edited("Anchored", 5, H[39]),
    "another checkpoint": lambda rows: edited(place_of(rows, "Checkpointed"), last_digit)(rows),
    "another log's checkpoint": event_edited("Checkpointed", 6, H[39]),
    "the other replacement": lambda rows: edited(place_of(rows, "Superseded"), last_digit)(rows),
}  # fmt: skip


def refused(act):
    """Said to be wrong one way or the other, and never with a traceback of something else."""
    try:
        found = act()
    except (InvalidProof, LedgerUnavailable, InvalidFile):
        return True
    return not found.heads_match


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
def test_a_file_that_is_not_the_chains_is_refused(ledger, exported, rows, tamper, tmp_path):
    changed = tamper(rows)
    assert changed != rows
    file = tmp_path / "tampered.parquet"
    parquet.write(file, ledger.deployment, exported[1], [changed])
    assert refused(lambda: replay_chain(ledger.url, ledger.deployment, file=file))


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
def test_a_node_that_lies_about_its_logs_is_refused_and_nothing_is_exported(ledger, tamper, tmp_path, monkeypatch):
    def lying(node, deployment, first, last):
        yield last, tamper([row for _, batch in rows_between(node, deployment, first, last) for row in batch])

    monkeypatch.setattr("scripts.audit.rows_between", lying)
    assert refused(lambda: replay_chain(ledger.url, ledger.deployment))
    with pytest.raises((InvalidProof, LedgerUnavailable)):
        export_logs(ledger.url, ledger.deployment, tmp_path / "lie.parquet")
    assert not list(tmp_path.iterdir())


def test_a_file_of_another_chain_or_of_none_is_refused(ledger, exported, tmp_path):
    file = exported[0]
    foreign = replace(ledger.deployment, genesis=H[0])
    with pytest.raises(WrongChain):
        parquet.extent(file, foreign)
    (tmp_path / "noise").write_bytes(b"PAR1 and nothing else")
    bare = tmp_path / "bare.parquet"
    duckdb.sql("SELECT 1 AS block_number").write_parquet(str(bare))
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(file.read_bytes()[:-30])
    for wrong in (tmp_path / "noise", bare, cut, tmp_path / "none", tmp_path):
        with pytest.raises(InvalidFile):
            replay_chain(ledger.url, ledger.deployment, file=wrong)
    other = tmp_path / "other columns.parquet"
    about = f"chain_id: '{ledger.deployment.chain_id}', genesis: '{ledger.deployment.genesis}', block: '1'"
    duckdb.sql(f"COPY (SELECT 1 AS one) TO '{other}' (FORMAT parquet, KV_METADATA {{{about}}})")
    with pytest.raises(InvalidFile):
        replay_chain(ledger.url, ledger.deployment, file=other)


def test_a_file_beyond_the_node_or_beyond_itself_is_refused(ledger, exported, rows, tmp_path):
    ahead, behind = tmp_path / "ahead.parquet", tmp_path / "behind.parquet"
    parquet.write(ahead, ledger.deployment, 10**6, [rows])
    with pytest.raises(InvalidProof, match="caught up"):
        replay_chain(ledger.url, ledger.deployment, file=ahead)
    parquet.write(behind, ledger.deployment, rows[-1][2] - 1, [rows])
    with pytest.raises(InvalidFile, match="later blocks"):
        replay_chain(ledger.url, ledger.deployment, file=behind)


def test_nothing_is_written_over(ledger, exported):
    before = exported[0].read_bytes()
    with pytest.raises(InvalidFile, match="already"):
        export_logs(ledger.url, ledger.deployment, exported[0])
    assert exported[0].read_bytes() == before


def test_a_node_that_refuses_large_answers_is_asked_for_smaller_ones(ledger, monkeypatch):
    real = Node.request_as

    def limited(self, kind, method, wanted):
        found = real(self, kind, method, wanted)
        if len(found) > 12:
            raise LedgerUnavailable("query returned more than 12 results")
        return found

    expected = replay_chain(ledger.url, ledger.deployment)
    monkeypatch.setattr(Node, "request_as", limited)
    found = replay_chain(ledger.url, ledger.deployment)
    assert found.heads_match
    assert found.events == expected.events


def test_blocks_whose_time_the_node_does_not_tell_with_the_log_are_asked_for(ledger, monkeypatch):
    real = Node.request_as

    def silent(self, *arguments):
        found = real(self, *arguments)
        for log in found:
            log.block_timestamp = None
        return found

    monkeypatch.setattr(Node, "request_as", silent)
    assert replay_chain(ledger.url, ledger.deployment).heads_match


def test_the_rows_hold_no_more_memory_than_the_last_anchored_roots(ledger, rows):
    running = RunningHeads(ledger.deployment)
    running.fold(rows)
    assert len(running.checkpoints) == 1
