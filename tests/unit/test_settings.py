"""The service does not start half configured, and says which setting is wrong, never what is in it."""

import json

import pytest

from api.app import build
from api.settings import COMMAND_VARIABLES, Settings, check_names, parse_key, read_key, read_settings, vault_secret
from ledger.deployment import Contract, Deployment
from ledger.errors import InvalidInput
from ledger.events import DEPLOYED
from ledger.model import ZERO_ADDRESS, ZERO_HASH

KEY = "11" * 31 + "12"


def refusal(**given):
    with pytest.raises(InvalidInput) as caught:
        read_settings(**given)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"public_url": "http://consent.example"}, "https://"),
        ({"host": "0.0.0.0"}, "VOLENS_PUBLIC_URL"),
        ({"host": "192.0.2.7"}, "VOLENS_PUBLIC_URL"),
        ({"master_key": KEY, "master_key_file": "custodian.key"}, "not both"),
        ({"trusted_proxies": "all"}, "VOLENS_TRUSTED_PROXIES"),
        ({"database_url": "mysql://volens:secret@db/volens"}, "VOLENS_DATABASE_URL"),
        ({"database_url": "postgres://volens@db/volens"}, "postgresql://"),
        ({"database_url": "postgresql://volens@db:none/volens"}, "VOLENS_DATABASE_URL"),
        ({"database_url": "volens.db"}, "sqlite:///"),
        ({"database_url": "sqlite://"}, "VOLENS_DATABASE_URL"),
        ({"database_url": "sqlite:///:memory:"}, "withdrawals"),
        ({"key_store_url": "oracle://db/keys"}, "VOLENS_KEY_STORE_URL"),
        ({"workers": 0}, "VOLENS_WORKERS"),
        ({"log_format": "xml"}, "VOLENS_LOG_FORMAT"),
        ({"rate_withdrawals": -1}, "VOLENS_RATE_WITHDRAWALS"),
        ({"shutdown_deadline": 0}, "VOLENS_SHUTDOWN_DEADLINE"),
    ],
)
def test_half_a_configuration_is_refused(given, said):
    assert said in refusal(**given)
    assert "secret" not in refusal(**given)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"host": "::1"},
        {"host": "localhost", "public_url": "http://localhost:8380"},
        {"host": "0.0.0.0", "public_url": "https://consent.example"},
        {"public_url": "http://127.0.0.1:9"},
    ],
)
def test_whole_ones_are_taken(given):
    assert read_settings(**given).url.startswith("http")


def test_a_misspelt_variable_is_refused_and_the_right_one_named(monkeypatch):
    monkeypatch.setenv("VOLENS_MASTER_KEY_FLIE", "x")
    assert "VOLENS_MASTER_KEY_FILE" in refusal()


def test_the_value_of_a_wrong_setting_is_not_repeated(monkeypatch):
    monkeypatch.setenv("VOLENS_PORT", "hunter2")
    said = refusal()
    assert "VOLENS_PORT" in said
    assert "hunter2" not in said


def test_what_commands_and_tests_read_is_no_mistake():
    check_names([*COMMAND_VARIABLES, "VOLENS_TEST_PROFILE", "VOLENS_BENCH_SIZE", "HOME"])
    check_names(f"VOLENS_{name.upper()}" for name in Settings.model_fields)


def test_the_master_key_does_not_show_itself(monkeypatch):
    monkeypatch.setenv("VOLENS_MASTER_KEY", KEY)
    settings = read_settings()
    assert KEY not in repr(settings) + str(settings.model_dump())
    assert settings.master_key.get_secret_value() == KEY


VAULT = {"vault_url": "s3://sealed/here", "vault_key_id": "id"}


@pytest.mark.parametrize(
    "given",
    [
        VAULT,
        VAULT | {"vault_key_id": "", "vault_secret": "hunter2"},
        VAULT | {"vault_secret": "hunter2", "vault_secret_file": "secret"},
        {"vault_key_id": "id", "vault_secret": "hunter2"},
        {"vault_endpoint": "https://storage.example"},
        {"vault_url": "/sealed", "vault_region": "eu-central-1"},
        {"vault_url": "gs://sealed"},
        {"vault_url": "s3://"},
        {"vault_url": "s3://id:hunter2@sealed"},
        {"vault_url": "s3://sealed", "vault_endpoint": "http://storage.example"},
        {"vault_url": "s3://sealed", "vault_endpoint": "https://id:hunter2@storage.example"},
    ],
)
def test_object_storage_that_is_half_configured_is_refused(given):
    with pytest.raises(InvalidInput, match="VOLENS_VAULT") as caught:
        read_settings(**given)
    assert "hunter2" not in str(caught.value)


def test_the_secret_of_a_bucket_does_not_show_itself_and_its_file_is_for_us_only(tmp_path):
    shown = read_settings(**VAULT, vault_secret="hunter2")
    assert "hunter2" not in repr(shown) + str(shown.model_dump())
    assert vault_secret(shown).reveal() == "hunter2"
    path = tmp_path / "secret"
    path.write_text("hunter2\n")
    path.chmod(0o640)
    kept = read_settings(**VAULT, vault_secret_file=path)
    with pytest.raises(InvalidInput, match="chmod 600"):
        vault_secret(kept)
    path.chmod(0o600)
    assert vault_secret(kept).reveal() == "hunter2"
    path.write_text(" ")
    with pytest.raises(InvalidInput, match="empty"):
        vault_secret(kept)
    assert vault_secret(read_settings()) is None


@pytest.mark.parametrize("text", ["", "11" * 31, "zz" * 32, "11" * 32, "00" * 32])
def test_what_is_no_key_is_refused(text):
    with pytest.raises(InvalidInput, match="The key") as caught:
        parse_key(text, "The key")
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_refused(tmp_path, mode):
    path = tmp_path / "custodian.key"
    path.write_text(KEY)
    path.chmod(mode)
    with pytest.raises(InvalidInput, match="chmod 600"):
        read_key(path, "The key")
    path.chmod(0o600)
    assert read_key(path, "The key").reveal() == bytes.fromhex(KEY)


def test_a_key_that_every_development_node_prints_is_refused_elsewhere(tmp_path):
    printed = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    for name, key in (("custodian", KEY), ("relayer", printed), ("log", KEY[::-1])):
        (keys / f"{name}.key").write_text(key)
        (keys / f"{name}.key").chmod(0o600)
    contracts = {name: Contract(ZERO_ADDRESS, ZERO_HASH, 1) for name in DEPLOYED}
    facts = Deployment(100, ZERO_HASH, contracts).to_json()
    (tmp_path / "deployment.json").write_text(json.dumps(facts))
    with pytest.raises(InvalidInput, match="every development node"):
        build(Settings(state_dir=tmp_path))
