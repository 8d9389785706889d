"""`volens up` and `volens deploy` where they must not start: a sentence, an exit code, nothing left running."""

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from cli.test_bad_input import tree
from ledger.model import to_hash
from scripts.devnet import Devnet, rpc
from scripts.stack import Stack, operator_key
from wallet.keys import PartyKeys

pytestmark = pytest.mark.node


@pytest.fixture(autouse=True)
def handlers():
    """`up` takes SIGTERM for itself; a process of its own would end with it."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def taken():
    """A port that somebody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        yield bound.getsockname()[1]


def nodes():
    """The anvil processes that this one started: other tests may run beside it."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if name == "anvil" and int(rest.split()[1]) == os.getpid():
            found.add(path.parent.name)
    return found


@pytest.fixture
def nothing_left():
    before = nodes()
    yield
    assert nodes() <= before


def test_a_port_in_use(volens, taken, tmp_path, nothing_left):
    volens("up", "--port", taken).refused(2, f"Port {taken}", "--port")
    assert tree(tmp_path) == {}, "nothing is made before the port is ours"
    volens("up", "--port", 0, "--node-port", taken).refused(2, f"Port {taken} is in use")


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid"])
def test_an_address_that_is_not_ours(volens, tmp_path, host, nothing_left):
    volens("up", "--host", host, "--port", 0).refused(2, host)
    assert tree(tmp_path) == {}


def test_no_node(volens, nothing_left):
    volens("up", "--port", 0, "--rpc-url", "http://127.0.0.1:9").refused(4, "node does not answer")


@pytest.fixture
def made(town, tmp_path):
    """The keys and facts of a state folder as `up` leaves them, of another chain than any new one."""
    state = tmp_path / "state"
    (state / "keys").mkdir(parents=True, mode=0o700)
    for name in ("operator", "relayer", "custodian"):
        path = state / "keys" / f"{name}.key"
        path.write_text(PartyKeys.new().secret.reveal().hex())
        path.chmod(0o600)
    facts = json.loads(town.facts.read_text()) | {"genesis": to_hash(bytes(32))}
    (state / "deployment.json").write_text(json.dumps(facts, indent=2) + "\n")
    return state


def up(volens, state, *more):
    return volens("up", "--state", state, "--port", 0, "--node-port", 0, *more)


def said_last(ran, code, *parts):
    """`up` says what it does before it fails, so only stderr is one sentence."""
    assert (ran.code, len(ran.err.strip().splitlines())) == (code, 1), ran
    assert all(part in ran.err for part in parts), ran.err


def kept(state):
    """What may not change: keys, facts and database."""
    return {name: value for name, value in tree(state).items() if not name.startswith(("anvil", "node.log", "lock"))}


@pytest.mark.parametrize("chain", ["anvil", "hardhat"])
def test_a_state_folder_of_another_chain(volens, made, chain, nothing_left):
    before = kept(made)
    said_last(up(volens, made, "--chain", chain), 5, "another chain")
    assert kept(made) == before


def test_a_node_of_another_chain_gets_no_transaction(volens, town, made):
    def sent():
        operator = PartyKeys.from_secret(bytes.fromhex((made / "keys" / "operator.key").read_text()))
        return int(rpc(town.rpc_url, "eth_getTransactionCount", [operator.address, "latest"]), 16)

    before = kept(made)
    said_last(up(volens, made, "--rpc-url", town.rpc_url), 5, "another chain")
    assert (kept(made), sent()) == (before, 0)


@pytest.mark.parametrize("name", ["operator", "relayer", "custodian"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.chmod(0o644), "can be read by others"),
        (lambda path: path.write_text("secret"), "cannot be read as a key"),
        (lambda path: path.write_text(""), "must be 32 bytes"),
    ],
    ids=["open", "damaged", "empty"],
)
def test_a_key_that_is_damaged_or_open(volens, made, name, change, said, nothing_left):
    (made / "deployment.json").unlink()
    change(made / "keys" / f"{name}.key")
    said_last(up(volens, made), 2, said, f"{name}.key")


@pytest.mark.parametrize("content", ["", "{", "[]", "\0\1"])
def test_deployment_facts_that_are_damaged(volens, made, content, nothing_left):
    (made / "deployment.json").write_text(content)
    said_last(up(volens, made), 2, "deployment")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_saved_chain_that_is_damaged(volens, made, content, nothing_left):
    (made / "anvil.json").write_text(content)
    said_last(up(volens, made), 2, "is not a state of anvil")
    assert (made / "anvil.json").read_text() == content


def test_a_state_folder_in_use(volens, town, nothing_left):
    """Two nodes would write over each other's chain."""
    state = town.stack.settings.state_dir
    before = {name: value for name, value in kept(state).items() if name.startswith(("keys", "deployment"))}
    said_last(up(volens, state), 3, "Another `volens up` runs", "--state")
    assert before.items() <= kept(state).items()
    assert town.client().get("/v1/ledger")["deployment"]
    volens("party", "list", "--url", town.url, "--json").json[0]


def test_a_database_that_is_none(volens, made, nothing_left):
    (made / "deployment.json").unlink()
    (made / "volens.db").write_bytes(b"this is no database" * 1000)
    ran = up(volens, made)
    assert ran.code in (2, 4, 5), ran
    assert len(ran.err.strip().splitlines()) == 1
    assert (made / "volens.db").read_bytes().startswith(b"this is no database"), "it was left as it is"


def test_a_state_folder_that_is_a_file(volens, tmp_path, nothing_left):
    (tmp_path / "state").write_text("mine")
    ran = up(volens, tmp_path / "state")
    assert ran.code == 2, ran
    assert (tmp_path / "state").read_text() == "mine"


# Deploying ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chain():
    with Devnet.start("anvil") as node:
        yield node


@pytest.fixture
def payer(tmp_path):
    """A key that anvil gives ether to."""
    path = tmp_path / "payer.key"
    path.write_text("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
    path.chmod(0o600)
    return path


def test_deploying_again_changes_nothing(volens, chain, payer, tmp_path):
    deploy = ("deploy", "--key-file", payer, "--rpc-url", chain.rpc_url, "--out", "facts.json", "--json")
    first = volens(*deploy)
    assert first.code == 0, first.err
    height = rpc(chain.rpc_url, "eth_blockNumber")
    before = tree(tmp_path)
    again = volens(*deploy)
    assert (again.code, again.json) == (0, first.json)
    assert rpc(chain.rpc_url, "eth_blockNumber") == height
    assert tree(tmp_path) == before


def test_deploying_over_other_facts_is_refused(volens, chain, payer, town, tmp_path):
    (tmp_path / "facts.json").write_text(town.facts.read_text())
    before = tree(tmp_path)
    volens("deploy", "--key-file", payer, "--rpc-url", chain.rpc_url, "--out", "facts.json", "--json").refused(
        5, "another chain"
    )
    assert tree(tmp_path) == before


def test_facts_are_not_written_where_they_cannot_be(volens, chain, payer, tmp_path):
    (tmp_path / "file").write_text("mine")
    ran = volens("deploy", "--key-file", payer, "--rpc-url", chain.rpc_url, "--out", "file/facts.json", "--json")
    ran.refused(2, "file")


def test_a_payer_without_ether(volens, chain, tmp_path):
    (tmp_path / "poor.key").write_text(PartyKeys.new().secret.reveal().hex())
    (tmp_path / "poor.key").chmod(0o600)
    owner = PartyKeys.new().address  # so that there is something to deploy
    deploy = ("deploy", "--key-file", "poor.key", "--owner", owner, "--rpc-url", chain.rpc_url, "--out", "f.json")
    height = rpc(chain.rpc_url, "eth_blockNumber")
    volens(*deploy).refused(2, "has 0 ether", "may take up to")
    assert rpc(chain.rpc_url, "eth_blockNumber") == height
    assert not (tmp_path / "f.json").exists()


@pytest.mark.parametrize(
    ("owner", "code", "said"),
    [
        ("", 2, "--owner: must be an address"),
        ("0x" + "0" * 40, 2, "needs an owner"),
        (PartyKeys.new().address, 5, "another first owner"),
    ],
)
def test_an_owner_that_is_none_or_another_than_before_costs_nothing(volens, chain, payer, owner, code, said):
    deploy = ("deploy", "--key-file", payer, "--rpc-url", chain.rpc_url, "--out", "facts.json", "--json")
    assert volens(*deploy).code == 0
    height = rpc(chain.rpc_url, "eth_blockNumber")
    volens(*deploy, "--owner", owner).refused(code, said)
    assert rpc(chain.rpc_url, "eth_blockNumber") == height


def test_a_service_on_a_directory_that_somebody_else_owns(volens, chain, payer, tmp_path):
    """The consortium deployed; whoever runs the service has the facts, sends nothing and needs no key of the owner."""
    owner, state = PartyKeys.new().address, tmp_path / "state"
    facts = state / "deployment.json"
    deploy = ("deploy", "--key-file", payer, "--owner", owner, "--rpc-url", chain.rpc_url, "--out", facts, "--json")
    assert volens(*deploy).code == 0
    height = rpc(chain.rpc_url, "eth_blockNumber")
    with Stack.start(state, rpc_url=chain.rpc_url, port=0) as stack:
        assert stack.deployment.to_json() == json.loads(facts.read_text())
    assert not operator_key(state).exists()
    assert rpc(chain.rpc_url, "eth_blockNumber") == height


def test_a_chain_of_its_own_takes_no_key_that_everybody_knows_and_must_be_new_enough(volens, payer, tmp_path):
    (tmp_path / "own.key").write_text(PartyKeys.new().secret.reveal().hex())
    (tmp_path / "own.key").chmod(0o600)
    known = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    with Devnet.start("anvil", chain_id=555, hardfork="shanghai") as old:
        end = ("--rpc-url", old.rpc_url, "--out", "facts.json", "--json")
        volens("deploy", "--key-file", payer, *end).refused(2, "payer", "every development node")
        volens("deploy", "--key-file", "own.key", "--owner", known, *end).refused(2, "owner", "every development node")
        volens("deploy", "--key-file", "own.key", *end).refused(2, "Cancun")
        assert rpc(old.rpc_url, "eth_blockNumber") == "0x0"
    assert not (tmp_path / "facts.json").exists()


def test_contracts_of_other_code(volens, chain, payer, tmp_path):
    """Run last here: it spoils the chain."""
    deploy = ("deploy", "--key-file", payer, "--rpc-url", chain.rpc_url, "--out", "facts.json", "--json")
    facts = volens(*deploy).json
    rpc(chain.rpc_url, "anvil_setCode", [facts["contracts"]["PolicyRegistry"]["address"], "0x6001"])
    rpc(chain.rpc_url, "anvil_mine", ["0x2"])
    volens(*deploy).refused(5, "is not PolicyRegistry", "code differs")
    register = (
        "party",
        "register",
        PartyKeys.new().address,
        "--name",
        "J",
        "--kind",
        "journal",
        "--role",
        "recipient",
        "--json",
    )
    node = ("--rpc-url", chain.rpc_url, "--deployment", "facts.json", "--owner-key", payer)
    height = rpc(chain.rpc_url, "eth_blockNumber")
    volens(*register, *node).refused(5, "is not PolicyRegistry")
    assert rpc(chain.rpc_url, "eth_blockNumber") == height, "nothing is sent to contracts that are not ours"
    replay = ("audit", "replay", "--rpc-url", chain.rpc_url, "--deployment", "facts.json", "--json")
    volens(*replay).refused(5)
