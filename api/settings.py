"""Everything that can be configured, in one place. Each setting is an environment variable ``VOLENS_<NAME>``."""

import difflib
import os
import re
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.limits import networks
from ledger.errors import InvalidInput
from ledger.sealing import Secret

COMMAND_VARIABLES = {"VOLENS_URL", "VOLENS_PASSPHRASE_FILE", "VOLENS_KEY", "VOLENS_WALLET"}
"""What the commands read beside the settings; docs/settings.md says which."""
TEST_VARIABLES = ("VOLENS_TEST_", "VOLENS_BENCH_")


_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class Settings(BaseSettings):
    """The settings of the service. `.env` files are not read: what is set is set where one can see it."""

    model_config = SettingsConfigDict(env_prefix="VOLENS_", frozen=True, extra="forbid")

    state_dir: Path = Field(Path(".volens"), description="Where database, sealed files and keys are kept.")
    database_url: str = Field("", description="SQLAlchemy URL of the store; empty: SQLite in the state directory.")
    vault_url: str = Field("", description="Sealed bytes: a folder, or s3://bucket/prefix; empty: vault in state_dir.")
    vault_endpoint: str = Field("", description="URL of object storage that is not Amazon's.")
    vault_region: str = Field("", description="Region of the bucket.")
    vault_key_id: str = Field("", description="Access key of the bucket; empty: those of the machine (AWS_*).")
    vault_secret_file: Path | None = Field(None, description="The secret of that access key, in a file.")
    vault_secret: SecretStr | None = Field(None, description="The same itself, where there can be no file.")
    key_store_url: str = Field("", description="SQLAlchemy URL of record keys; empty: keys/records.db in state_dir.")
    rpc_url: str = Field("http://127.0.0.1:8545", description="JSON-RPC endpoints of Ethereum nodes, comma separated.")
    rpc_timeout: float = Field(5, gt=0, le=60, description="Seconds after which a node counts as unreachable.")
    head_interval: float = Field(1, gt=0, le=60, description="Seconds between two looks at the newest block.")
    head_reuse: float = Field(
        0.25, ge=0, le=1, description="Seconds for which questions reuse a verified block; releases never do."
    )
    deployment_file: Path | None = Field(None, description="Deployment facts; default: deployment.json in state_dir.")
    master_key_file: Path | None = Field(None, description="The custodian's 32-byte master key in hexadecimal.")
    master_key: SecretStr | None = Field(None, description="The same key itself, where there can be no file.")
    relayer_key_file: Path | None = Field(None, description="Private key of the account that pays for relaying.")
    log_key_file: Path | None = Field(None, description="The Ed25519 key that signs the access log's checkpoints.")
    page_dir: Path | None = Field(None, description="The patient's page, built; default: wallet/web/dist here.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8380, ge=0, le=65535, description="Port to listen on.")
    workers: int = Field(1, ge=1, le=64, description="Processes that answer requests.")
    public_url: str = Field("", description="URL under which clients reach the service; default: host and port.")
    confirmations: int = Field(2, ge=1, le=256, description="How many blocks deep a grant must be to count.")
    max_head_age: int = Field(36, ge=1, le=3600, description="Seconds the newest block may be old.")
    reorganisation_limit: int = Field(256, ge=1, le=100_000, description="Blocks that may be replaced unattended.")
    relay_interval: float = Field(0.5, gt=0, le=60, description="Seconds between two looks at the outbox.")
    relay_patience: float = Field(
        30, gt=0, le=3600, description="Seconds after which a transaction that is not mined is offered more."
    )
    relay_max_fee: float = Field(
        500, gt=0, le=10**6, description="Gwei per gas that a withdrawal may offer at most; others an eighth less."
    )
    relay_alarm: float = Field(
        120, gt=0, le=86_400, description="Seconds after which a received message must be in a block."
    )
    idempotency_life: int = Field(
        86_400, ge=60, le=30 * 86_400, description="Seconds for which the answer to an Idempotency-Key is remembered."
    )
    anchor_interval: float = Field(30, gt=0, le=3600, description="Seconds between two anchors of the access log.")
    shutdown_deadline: int = Field(10, ge=1, le=600, description="Seconds that requests have left when it stops.")
    rate_per_address: float = Field(200, ge=0, description="Requests a second from one address; 0: no limit.")
    rate_per_party: float = Field(200, ge=0, description="Requests a second of one signed-in party; 0: no limit.")
    rate_signatures: float = Field(20, ge=0, description="Signed messages a second from one address; 0: no limit.")
    rate_withdrawals: float = Field(
        50, ge=0, description="Withdrawals and delegations a second from one address; 0: no limit."
    )
    heavy_at_once: int = Field(
        16,
        ge=0,
        description="Releases, uploads, bundles, searches and answers from the past worked on at once; 0: no limit.",
    )
    trusted_proxies: str = Field("", description="Networks of proxies whose X-Forwarded-For is believed.")
    log_format: Literal["json", "text"] = Field("json", description="How log lines are written: json or text.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="What is logged: debug, info, warning or error."
    )

    @field_validator("public_url")
    @classmethod
    def _url(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment):
            raise ValueError("must be a URL such as https://consent.example")
        return value.rstrip("/")

    @field_validator("vault_url")
    @classmethod
    def _vault(cls, value: str) -> str:
        parts = urlsplit(value)
        if "://" in value and (parts.scheme != "s3" or not _BUCKET.fullmatch(parts.netloc) or parts.query):
            raise ValueError("must be a folder, or s3://bucket/prefix without credentials in it")
        return value

    @field_validator("vault_endpoint")
    @classmethod
    def _endpoint(cls, value: str) -> str:
        parts = urlsplit(value)
        safe = parts.scheme == "https" or (parts.scheme == "http" and is_local(parts.hostname or ""))
        if value and (not safe or not parts.netloc or "@" in parts.netloc or parts.query):
            raise ValueError("must be a URL that begins with https://, without credentials in it")
        return value.rstrip("/")

    @field_validator("database_url", "key_store_url")
    @classmethod
    def _database(cls, value: str) -> str:
        if not value:
            return value
        if not value.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
            raise ValueError("must begin with sqlite:/// or postgresql://; no other database is supported")
        if "memory" in urlsplit(value).query or ":memory:" in value:
            raise ValueError("must name a file: what is in memory is lost, withdrawals too")
        try:
            urlsplit(value).port  # noqa: B018 (raises)
        except ValueError:
            raise ValueError("must be a URL such as postgresql://user@host:5432/volens") from None
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, value: str) -> str:
        try:
            networks(value)
        except InvalidInput as error:
            raise ValueError(str(error).rstrip(".")) from None
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Refuse to start with half of what is needed."""
        if self.master_key is not None and self.master_key_file is not None:
            raise InvalidInput("Set VOLENS_MASTER_KEY_FILE or VOLENS_MASTER_KEY, not both. A file is better.")
        secrets = [one for one in (self.vault_secret, self.vault_secret_file) if one is not None]
        if len(secrets) > 1:
            raise InvalidInput("Set VOLENS_VAULT_SECRET_FILE or VOLENS_VAULT_SECRET, not both. A file is better.")
        if bool(self.vault_key_id) != bool(secrets):
            raise InvalidInput("VOLENS_VAULT_KEY_ID and its secret (VOLENS_VAULT_SECRET_FILE) go together: set both.")
        if (secrets or self.vault_endpoint or self.vault_region) and not self.vault_url.startswith("s3://"):
            raise InvalidInput("Object storage is half configured: set VOLENS_VAULT_URL to s3://bucket/prefix too.")
        if not self.public_url and not is_local(self.host):
            raise InvalidInput(
                f"The service is to listen on {self.host}, so others reach it, but under which URL? "
                "Set VOLENS_PUBLIC_URL to it: sign-in messages must name it."
            )
        parts = urlsplit(self.public_url)
        if parts.scheme == "http" and not is_local(parts.hostname or ""):
            raise InvalidInput(
                "VOLENS_PUBLIC_URL must begin with https://: tokens and keys must not cross a network in the open."
            )
        return self

    @property
    def rpc_urls(self) -> tuple[str, ...]:
        """The URLs of the nodes; the first is preferred, the others must agree with it."""
        return tuple(url.strip() for url in self.rpc_url.split(",") if url.strip()) or ("",)

    @property
    def url(self) -> str:
        """The URL under which clients reach the service."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"

    @property
    def database(self) -> str:
        """The SQLAlchemy URL of the store."""
        return self.database_url or f"sqlite:///{self.state_dir / 'volens.db'}"

    @property
    def key_store(self) -> str:
        """The SQLAlchemy URL of the key store."""
        return self.key_store_url or f"sqlite:///{self.state_dir / 'keys' / 'records.db'}"

    @property
    def next_master_key_path(self) -> Path:
        """The file of the master key that is rotated to, while it is."""
        return self.master_key_path.with_name(self.master_key_path.name + ".next")

    @property
    def deployment(self) -> Path:
        """The file of deployment facts."""
        return self.deployment_file or self.state_dir / "deployment.json"

    @property
    def master_key_path(self) -> Path:
        """The file of the custodian's master key."""
        return self.master_key_file or self.state_dir / "keys" / "custodian.key"

    @property
    def relayer_key(self) -> Path:
        """The file of the relayer's private key."""
        return self.relayer_key_file or self.state_dir / "keys" / "relayer.key"

    @property
    def log_key(self) -> Path:
        """The file of the key that signs the access log's checkpoints."""
        return self.log_key_file or self.state_dir / "keys" / "log.key"


def is_local(host: str) -> bool:
    """Whether a host name or address never leaves this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def check_names(names: Iterable[str]) -> None:
    """Refuse variables that nobody reads: a misspelt setting must not silently be a default.

    Raises:
        InvalidInput: names the variable, and the one that may have been meant.
    """
    known = {f"VOLENS_{name.upper()}" for name in Settings.model_fields} | COMMAND_VARIABLES
    for name in sorted(names):
        if name.startswith("VOLENS_") and name not in known and not name.startswith(TEST_VARIABLES):
            near = difflib.get_close_matches(name, known, 1)
            hint = f" Did you mean {near[0]}?" if near else " docs/settings.md lists them."
            raise InvalidInput(f"{name} is set, but there is no such setting.{hint}")


def read_settings(**given: Any) -> Settings:
    """Settings from given values and the environment.

    Raises:
        InvalidInput: a value is not acceptable, or a variable is none of ours; names it, never its value.
    """
    check_names(os.environ)
    try:
        return Settings(**given)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        name = "_".join(str(part) for part in problem["loc"]).upper()
        raise InvalidInput(f"The setting VOLENS_{name} is wrong: {problem['msg']}.") from None


def read_key(path: Path, what: str) -> Secret[bytes]:
    """Read a 32-byte key in hexadecimal from a file.

    Raises:
        InvalidInput: there is no such file, others may read it, or it holds something else.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise InvalidInput(f"{what} ({path}) can be read by others. Run: chmod 600 {path}")
        text = path.read_text()
    except FileNotFoundError:
        raise InvalidInput(f"{what} is missing: {path}. `volens up` makes one for a local ledger.") from None
    except (OSError, ValueError):
        raise InvalidInput(f"{what} ({path}) cannot be read as a key in hexadecimal.") from None
    return parse_key(text, f"{what} ({path})")


def parse_key(text: str, what: str) -> Secret[bytes]:
    """A 32-byte key in hexadecimal.

    Raises:
        InvalidInput: it is something else, or one byte over and over, which no generator makes.
    """
    try:
        key = bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        raise InvalidInput(f"{what} cannot be read as a key in hexadecimal.") from None
    if len(key) != 32:
        raise InvalidInput(f"{what} must be 32 bytes in hexadecimal.")
    if len(set(key)) == 1:
        raise InvalidInput(f"{what} is no random key. Make one with: openssl rand -hex 32")
    return Secret(key)


def vault_secret(settings: Settings) -> Secret[str] | None:
    """The secret of the bucket's access key; None where there is none.

    Raises:
        InvalidInput: the file is not there, is empty, or others may read it.
    """
    if settings.vault_secret is not None:
        return Secret(settings.vault_secret.get_secret_value())
    path = settings.vault_secret_file
    if path is None:
        return None
    try:
        if path.stat().st_mode & 0o077:
            raise InvalidInput(f"The vault's secret ({path}) can be read by others. Run: chmod 600 {path}")
        text = path.read_text().strip()
    except (OSError, ValueError):
        raise InvalidInput(f"The vault's secret ({path}) cannot be read.") from None
    if not text:
        raise InvalidInput(f"The vault's secret ({path}) is empty.")
    return Secret(text)


def master_keys(settings: Settings) -> list[Secret[bytes]]:
    """The custodian's master key and, while it is rotated, the next one.

    Raises:
        InvalidInput: see `read_key`.
    """
    if settings.master_key is not None:
        found = [parse_key(settings.master_key.get_secret_value(), "VOLENS_MASTER_KEY")]
    else:
        found = [read_key(settings.master_key_path, "The custodian's master key")]
    if settings.next_master_key_path.exists():
        found.append(read_key(settings.next_master_key_path, "The custodian's next master key"))
    return found
