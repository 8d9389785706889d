"""The demonstration on both nodes: every step comes out as stated, and the answer says how long each took."""

import contextvars
import io
import json

import psycopg
import pytest
from postgres import Postgres
from rich.console import Console
from typer.testing import CliRunner

from scripts import demo
from scripts.cli import app
from scripts.demo import Unexpected, run

pytestmark = pytest.mark.node

TITLES = [
    "Start a devnet",
    "The hospital strips and seals",
    "The patient gets her key",
    "She opens the sealed items",
    "The journal asks before posting",
    "The journal asks for the keys",
    "She takes the journal's consent back",
    "She reads who asked",
    "An auditor replays the chain",
]
STATED = [
    "narrative and CT slice in the journal: permitted",
    "the same on Instagram: channel_not_covered",
    "one byte of the narrative changed: content_changed",
    "a stranger asks: no_consent",
    "the very next question: revoked",
    "her revocation is in a block: False",
    "the research group's own grant: permitted",
    "recomputed heads equal the contracts': True",
    "the bundle verifies without a network: 0",
]


def check(steps):
    assert [step["step"] for step in steps] == list(range(1, 10))
    assert all(step["title"].startswith(title) for step, title in zip(steps, TITLES, strict=True))
    assert all(0 < step["seconds"] < 60 for step in steps)
    happened = [line for step in steps for line in step["happened"]]
    for line in STATED:
        assert f"✓ {line}" in happened


def test_on_anvil_by_its_command(tmp_path):
    result = contextvars.copy_context().run(
        CliRunner().invoke, app, ["demo", "--json", "--keep", str(tmp_path / "kept")]
    )
    assert result.exit_code == 0, result.stderr
    value = json.loads(result.stdout)
    check(value["steps"])
    assert abs(sum(step["seconds"] for step in value["steps"]) - value["seconds"]) < 1
    assert "Traceback" not in result.stderr
    kept = {path.name for path in (tmp_path / "kept").iterdir()}
    assert {"original", "case", "preview", "received", "wallet", "state", "decision.bundle.json"} <= kept
    assert not (tmp_path / "kept" / "stolen").exists()


def test_on_hardhat_and_postgresql(monkeypatch):
    told = io.StringIO()
    with Postgres() as server:
        stores = server.database(), server.database()
        for name, url in zip(("VOLENS_DATABASE_URL", "VOLENS_KEY_STORE_URL"), stores, strict=True):
            monkeypatch.setenv(name, url)
        check(run(Console(file=told), "hardhat"))
        for url, table in zip(stores, ("log", "record_keys"), strict=True):
            with psycopg.connect(url) as connection:
                assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() > (0,)
    assert "9. An auditor replays the chain" in told.getvalue()


def test_a_step_that_comes_out_otherwise_fails_the_run(monkeypatch, tmp_path):
    """What is stated is checked, not only told; and nothing is left behind."""
    monkeypatch.setattr(demo, "CHANNELS", ("journal", "social:mastodon"))
    monkeypatch.setattr(demo.Cast, "institution", lambda _: (_ for _ in ()).throw(Unexpected("broken on purpose")))
    monkeypatch.setattr(demo.tempfile, "mkdtemp", lambda prefix: str(tmp_path / prefix))
    with pytest.raises(Unexpected, match="broken on purpose"):
        run(Console(file=io.StringIO()))
    assert list(tmp_path.iterdir()) == []
