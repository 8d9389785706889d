"""Both nodes as child processes: they start, prove what they say, keep their state and never stay behind."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from waiting import alive, eventually

from ledger.errors import InvalidFile, InvalidInput, InvalidProof, LedgerUnavailable, VolensError, WrongChain
from ledger.proofs import read_proof, verify_header
from scripts import devnet
from scripts.devnet import (
    Devnet,
    RpcError,
    hold_mining,
    is_anvil,
    mine,
    resume_mining,
    revert,
    rpc,
    set_balance,
    snapshot,
)

pytestmark = pytest.mark.node

NOBODY = "0x00000000000000000000000000000000000000aa"
SLOT = "0x" + "0" * 64


@pytest.fixture(scope="module", params=["anvil", "hardhat"])
def node(request):
    with Devnet.start(request.param) as started:
        yield started


def height(node):
    return int(rpc(node.rpc_url, "eth_blockNumber"), 16)


def block(node, name="latest"):
    return rpc(node.rpc_url, "eth_getBlockByNumber", [name, False])


def send(node, wei=1):
    sender = rpc(node.rpc_url, "eth_accounts")[0]
    return rpc(node.rpc_url, "eth_sendTransaction", [{"from": sender, "to": NOBODY, "value": hex(wei)}])


def mined(node, transaction):
    return rpc(node.rpc_url, "eth_getTransactionReceipt", [transaction]) is not None


def proven(node, address=NOBODY, name="latest"):
    """The account at a block, proven against that block's own hash."""
    header = verify_header(block(node, name))
    answer = rpc(node.rpc_url, "eth_getProof", [address, [SLOT], {"blockHash": header.hash}])
    account, (slot,) = read_proof(answer)
    found = account.verify(header)
    assert slot.verify(found) == 0
    return found


def test_chain_and_client(node):
    assert rpc(node.rpc_url, "eth_chainId") == hex(31337)
    assert is_anvil(node.rpc_url) == (node.kind == "anvil")
    assert node.running()


def test_every_header_hashes_and_links(node):
    mine(node.rpc_url, 5)
    headers = [verify_header(block(node, hex(number))) for number in range(height(node) + 1)]
    for parent, child in itertools.pairwise(headers):
        assert child.parent_hash == parent.hash
        # Not strictly: anvil gives blocks of one second the same time.
        assert child.timestamp >= parent.timestamp


def test_proofs_hold_against_the_block_asked_by_hash(node):
    # Both were seen to prove another state than that of the block named, for a moment around mining.
    resume_mining(node.rpc_url, 1)
    try:
        held = failed = 0
        while held < 60:
            send(node)
            for _ in range(10):
                try:
                    proven(node)
                except InvalidProof:
                    failed += 1
                    time.sleep(0.025)
                else:
                    held += 1
                    break
            else:
                pytest.fail("no proof held in ten attempts")
        assert failed < held
    finally:
        resume_mining(node.rpc_url)


def test_absent_account_and_older_block(node):
    set_balance(node.rpc_url, NOBODY, 10)
    before = height(node)
    set_balance(node.rpc_url, NOBODY, 20)
    mine(node.rpc_url, 3)
    assert proven(node).balance == 20
    assert proven(node, name=hex(before)).balance == 10
    assert proven(node, "0x" + "ab" * 20).balance == 0


def test_state_no_block_has_is_not_proven(node):
    """Why `set_balance` mines before and after: it spoils the newest block."""
    mine(node.rpc_url)
    spoilt = hex(height(node))
    set_balance(node.rpc_url, NOBODY, 30, settle=False)
    with pytest.raises(InvalidProof):
        proven(node)
    mine(node.rpc_url)
    assert proven(node).balance == 30
    with pytest.raises(InvalidProof):
        proven(node, name=spoilt)


def test_slot_that_was_read_and_is_zero(node):
    """anvil keeps such slots in its storage trie, as leaves that hold zero; Hardhat does not."""
    # Stores 7 in slot 7, then returns code that reads slot 0: PUSH0 SLOAD STOP.
    created = "0x6007600755" + "625f5400" + "60e81b5f52" + "60035ff3"
    sender = rpc(node.rpc_url, "eth_accounts")[0]
    sent = rpc(node.rpc_url, "eth_sendTransaction", [{"from": sender, "data": created, "gas": "0x100000"}])
    mine(node.rpc_url)
    contract = rpc(node.rpc_url, "eth_getTransactionReceipt", [sent])["contractAddress"]
    assert rpc(node.rpc_url, "eth_getCode", [contract, "latest"]) == "0x5f5400"
    rpc(node.rpc_url, "eth_sendTransaction", [{"from": sender, "to": contract, "gas": "0x100000"}])
    mine(node.rpc_url)
    header = verify_header(block(node))
    keys = [SLOT, "0x" + "0" * 63 + "7", "0x" + "0" * 63 + "8"]
    account, slots = read_proof(rpc(node.rpc_url, "eth_getProof", [contract, keys, {"blockHash": header.hash}]))
    assert [slot.verify(account.verify(header)) for slot in slots] == [0, 7, 0]


def test_mining_is_held_and_resumed(node):
    hold_mining(node.rpc_url)
    at = height(node)
    waiting = send(node)
    time.sleep(0.2)
    assert not mined(node, waiting)
    assert height(node) == at
    mine(node.rpc_url)
    assert mined(node, waiting)
    assert height(node) == at + 1
    waiting = send(node)
    resume_mining(node.rpc_url)
    assert mined(node, waiting)
    waiting = send(node)
    eventually(lambda: mined(node, waiting))


def test_mining_at_intervals(node):
    resume_mining(node.rpc_url, 1)
    at = height(node)
    eventually(lambda: height(node) > at)
    hold_mining(node.rpc_url)
    at = height(node)
    time.sleep(1.2)
    assert height(node) == at
    resume_mining(node.rpc_url)


@pytest.mark.parametrize("seconds", [0, -1, 0.0001])
def test_impossible_intervals(node, seconds):
    with pytest.raises(InvalidInput):
        resume_mining(node.rpc_url, seconds)


def test_snapshot_and_revert(node):
    at, name = height(node), snapshot(node.rpc_url)
    mine(node.rpc_url, 2)
    revert(node.rpc_url, name)
    assert height(node) == at
    with pytest.raises((InvalidInput, RpcError)):
        revert(node.rpc_url, name)


def test_errors_of_rpc(node, monkeypatch):
    with pytest.raises(RpcError) as caught:
        rpc(node.rpc_url, "volens_unknown")
    assert caught.value.number in (-32601, -32004)
    with pytest.raises(InvalidInput):
        rpc("https://localhost", "eth_chainId")
    with pytest.raises(LedgerUnavailable):
        rpc(f"http://127.0.0.1:{devnet._bound(0)}", "eth_chainId")
    monkeypatch.setattr(devnet, "MAX_ANSWER", 10)
    with pytest.raises(LedgerUnavailable, match="too large"):
        rpc(node.rpc_url, "eth_chainId")


def test_port_in_use(node):
    with pytest.raises(InvalidInput, match=f"Port {node.port} is in use"):
        Devnet.start(node.kind, port=node.port)


def test_hardhat_has_no_state_file(tmp_path):
    with pytest.raises(InvalidInput, match="anvil"):
        Devnet.start("hardhat", state=tmp_path / "state.json")


def test_state_survives_stop_and_restart(tmp_path):
    state, log = tmp_path / "deep" / "state.json", tmp_path / "logs" / "node.log"
    with Devnet.start(state=state, log=log) as first:
        port = first.port
        set_balance(first.rpc_url, NOBODY, 12345)
        genesis, head = block(first, "0x0"), block(first)
    assert not first.running()
    assert log.exists()
    for _ in range(3):  # anvil adds a genesis at each start, see `_repair`
        time.sleep(0.4)
        with Devnet.start(port=port, state=state, block_time=1) as again:
            assert block(again, "0x0") == genesis
            assert block(again, head["number"])["hash"] == head["hash"]
            assert proven(again).balance == 12345
            mine(again.rpc_url)
            head = block(again)
            assert int(head["timestamp"], 16) <= time.time() + 1


def test_state_of_a_chain_without_blocks_keeps_its_genesis(tmp_path):
    state = tmp_path / "state.json"
    with Devnet.start(state=state) as node:
        genesis = block(node)
    for _ in range(2):
        time.sleep(1.0)
        with Devnet.start(state=state) as node:
            assert block(node) == genesis


def test_killed_node_keeps_what_it_had_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(devnet, "STATE_INTERVAL", 1)
    state = tmp_path / "state.json"
    with Devnet.start(state=state) as node:
        set_balance(node.rpc_url, NOBODY, 777)
        # Two saves from now, the second has begun after the block was made.
        for _ in range(2):
            saved = state.stat().st_mtime_ns if state.exists() else 0
            eventually(lambda at=saved: state.exists() and state.stat().st_mtime_ns != at)
        node.kill()
        assert not node.running()
        with pytest.raises(LedgerUnavailable):
            height(node)
    with Devnet.start(port=node.port, state=state) as again:
        assert proven(again).balance == 777


@pytest.mark.parametrize("cut", ["", '{"block":{"number":"0x1"},"blocks":[{"header":{', '{"blocks":[{}'])
def test_save_that_was_cut_off_is_passed_over(tmp_path, cut):
    state, saved = tmp_path / "state.json", tmp_path / "state.json.saved"
    with Devnet.start(state=state) as node:
        set_balance(node.rpc_url, NOBODY, 888)
    saved.write_text(cut)
    with Devnet.start(state=state) as again:
        assert proven(again).balance == 888
        again.kill()


def test_save_that_mixes_two_moments_is_passed_over(tmp_path):
    """Accounts as after a block that is not in it: anvil leaves such a file behind now and then."""
    state, saved = tmp_path / "state.json", tmp_path / "state.json.saved"
    with Devnet.start(state=state) as node:
        set_balance(node.rpc_url, NOBODY, 888)
        payer = rpc(node.rpc_url, "eth_accounts")[0]
        sent = rpc(node.rpc_url, "eth_sendTransaction", [{"from": payer, "to": NOBODY, "value": "0x1"}])
        eventually(lambda: rpc(node.rpc_url, "eth_getTransactionReceipt", [sent]))
    torn = json.loads(state.read_text())
    torn["accounts"][payer.lower()]["nonce"] += 1
    saved.write_text(json.dumps(torn))
    with Devnet.start(state=state) as again:
        assert proven(again).balance == 889
        assert rpc(again.rpc_url, "eth_getTransactionCount", [payer, "latest"]) == "0x1"
        again.kill()


def test_save_made_after_the_parent_was_killed_is_used(tmp_path):
    state = tmp_path / "state.json"
    with Devnet.start(state=state) as node:
        set_balance(node.rpc_url, NOBODY, 1)
    earlier = state.read_bytes()
    with Devnet.start(state=state) as node:
        set_balance(node.rpc_url, NOBODY, 2)
    state.write_bytes(earlier)
    os.utime(state, (0, 0))
    with Devnet.start(state=state) as again:
        assert proven(again).balance == 2


def test_state_file_moved_away_means_a_new_chain(tmp_path):
    state = tmp_path / "state.json"
    with Devnet.start(state=state) as node:
        set_balance(node.rpc_url, NOBODY, 2)
    state.unlink()
    with Devnet.start(state=state) as again:
        assert height(again) == 0


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"blocks":[{}]}', "\0"])
def test_damaged_state_file(tmp_path, text):
    state = tmp_path / "state.json"
    state.write_text(text)
    with pytest.raises(InvalidFile, match="Move it away"):
        Devnet.start(state=state)


def test_node_that_ends_at_once_says_why(tmp_path):
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"blocks": []}))
    with pytest.raises(VolensError, match=r"anvil node ended while starting: error: .*block"):
        Devnet.start(state=state)


def test_wrong_chain_leaves_no_process_behind(monkeypatch):
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(devnet, "rpc", lambda *_, **__: "0x1")
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[0])
    with pytest.raises(WrongChain):
        Devnet.start()
    assert started[0].returncode is not None


def test_missing_node(monkeypatch, tmp_path):
    monkeypatch.setattr(devnet, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    for kind in ("anvil", "hardhat"):
        with pytest.raises(InvalidInput, match="make setup"):
            Devnet.start(kind)


def test_exception_ends_the_node():
    with pytest.raises(ZeroDivisionError), Devnet.start() as node:
        raise ZeroDivisionError
    assert not node.running()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", node.port)) != 0
    node.stop()


PARENT = """
import sys, time
from pathlib import Path
from scripts.devnet import Devnet
node = Devnet.start(sys.argv[1], state=Path(sys.argv[2]) if sys.argv[2] else None)
print(node.pid, flush=True)
if sys.argv[3] == "wait":
    time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["anvil", "hardhat"])
@pytest.mark.parametrize("end", ["exit", signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_node_ends_with_its_parent(kind, end, tmp_path):
    state = tmp_path / "state.json" if kind == "anvil" else ""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, kind, str(state), "exit" if end == "exit" else "wait"],
        cwd=devnet.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as parent:
        pid = int(parent.stdout.readline())
        if end != "exit":
            assert alive(pid)
            parent.send_signal(end)
        parent.wait(20)
        eventually(lambda: not alive(pid))
    if state:
        eventually(lambda: state.exists() or state.with_name("state.json.saved").exists())
