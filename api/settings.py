"""Everything that can be configured, in one place. Each setting is an environment variable ``VOLENS_<NAME>``."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ledger.errors import InvalidInput
from ledger.sealing import Secret


class Settings(BaseSettings):
    """The settings of the service. `.env` files are not read: what is set is set where one can see it."""

    model_config = SettingsConfigDict(env_prefix="VOLENS_", frozen=True, extra="forbid")

    state_dir: Path = Field(Path(".volens"), description="Where database, sealed files and keys are kept.")
    database_url: str = Field("", description="SQLAlchemy URL of the store; empty: SQLite in the state directory.")
    rpc_url: str = Field("http://127.0.0.1:8545", description="JSON-RPC endpoint of an Ethereum node.")
    deployment_file: Path | None = Field(None, description="Deployment facts; default: deployment.json in state_dir.")
    master_key_file: Path | None = Field(None, description="The custodian's 32-byte master key in hexadecimal.")
    relayer_key_file: Path | None = Field(None, description="Private key of the account that pays for relaying.")
    log_key_file: Path | None = Field(None, description="The Ed25519 key that signs the access log's checkpoints.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8380, ge=0, le=65535, description="Port to listen on.")
    public_url: str = Field("", description="URL under which clients reach the service; default: host and port.")
    confirmations: int = Field(2, ge=1, le=256, description="How many blocks deep a grant must be to count.")
    max_head_age: int = Field(36, ge=1, le=3600, description="Seconds the newest block may be old.")
    reorganisation_limit: int = Field(256, ge=1, le=100_000, description="Blocks that may be replaced unattended.")
    relay_interval: float = Field(0.5, gt=0, le=60, description="Seconds between two looks at the outbox.")
    anchor_interval: float = Field(30, gt=0, le=3600, description="Seconds between two anchors of the access log.")

    @field_validator("public_url")
    @classmethod
    def _url(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment):
            raise ValueError("must be a URL such as https://consent.example")
        return value.rstrip("/")

    @property
    def url(self) -> str:
        """The URL under which clients reach the service."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def database(self) -> str:
        """The SQLAlchemy URL of the store."""
        return self.database_url or f"sqlite:///{self.state_dir / 'volens.db'}"

    @property
    def deployment(self) -> Path:
        """The file of deployment facts."""
        return self.deployment_file or self.state_dir / "deployment.json"

    @property
    def master_key(self) -> Path:
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


def read_settings(**given: Any) -> Settings:
    """Settings from given values and the environment.

    Raises:
        InvalidInput: a value is not acceptable; names the variable, never the value.
    """
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
        key = bytes.fromhex(path.read_text().strip().removeprefix("0x"))
    except FileNotFoundError:
        raise InvalidInput(f"{what} is missing: {path}. `volens up` makes one for a local ledger.") from None
    except (OSError, ValueError):
        raise InvalidInput(f"{what} ({path}) cannot be read as a key in hexadecimal.") from None
    if len(key) != 32:
        raise InvalidInput(f"{what} ({path}) must be 32 bytes in hexadecimal.")
    return Secret(key)
