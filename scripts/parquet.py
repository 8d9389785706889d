"""The logs of a ledger in a Parquet file, written and read in a stream by DuckDB: an auditor's own copy to ask.

One row is one log, as the chain emitted it. Nothing in the file is believed: `volens audit replay` recomputes the heads
from it and compares them with the chain.
"""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from ledger.adapters.replay import Row
from ledger.deployment import Deployment
from ledger.errors import InvalidFile, WrongChain
from ledger.model import Hash

COLUMNS = (
    ("contract", "VARCHAR"),
    ("event", "VARCHAR"),
    ("block_number", "BIGINT"),
    ("log_index", "BIGINT"),
    ("block_time", "BIGINT"),
    ("argument_1", "VARCHAR"),
    ("argument_2", "VARCHAR"),
    ("argument_3", "VARCHAR"),
    ("data", "VARCHAR"),
    ("block_hash", "VARCHAR"),
    ("transaction_hash", "VARCHAR"),
)
"""In the order of `Row`; the arguments are the indexed ones of the event."""
AT_ONCE = 10_000
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,  # a file's name may look like an address: nothing is fetched
    "autoload_known_extensions": False,
    "memory_limit": "512MB",
    "threads": 1,
}

QUIET = "SET enable_progress_bar = false"
"""DuckDB would print its bar between our own lines."""


@dataclass(frozen=True)
class Extent:
    """What a file says it holds: every log up to and with a block of a chain."""

    chain_id: int
    genesis: Hash
    block: int


def write(path: Path, deployment: Deployment, block: int, batches: Iterable[list[Row]]) -> int:
    """Write a file, whole or not at all.

    Args:
        block: the last block whose logs are among `batches`.

    Returns:
        How many rows were written.

    Raises:
        InvalidFile: there is a file of that name, or it cannot be written. Whatever `batches` raises.
    """
    if path.exists():
        raise InvalidFile(f"{path} is there already. Choose another name, or move it away.")
    try:
        with tempfile.TemporaryDirectory(prefix=f"{path.name}.", dir=path.parent) as folder:
            rows = _write(Path(folder), deployment, block, batches)
            (Path(folder) / "logs.parquet").rename(path)
            return rows
    except (OSError, duckdb.Error) as error:
        raise InvalidFile(f"{path} cannot be written: {str(error).splitlines()[0]}") from None


def _write(folder: Path, deployment: Deployment, block: int, batches: Iterable[list[Row]]) -> int:
    rows = 0
    with duckdb.connect(str(folder / "logs.duckdb"), config=_SETTINGS) as database:
        database.execute(QUIET)
        database.execute(f"CREATE TABLE logs ({', '.join(f'{name} {kind}' for name, kind in COLUMNS)})")
        for batch in batches:
            if not batch:
                continue
            columns = {
                name: np.array(values, dtype=np.int64 if kind == "BIGINT" else object)
                for (name, kind), values in zip(COLUMNS, zip(*batch, strict=True), strict=True)
            }
            database.register("batch", columns)
            database.execute("INSERT INTO logs SELECT * FROM batch")
            database.unregister("batch")
            rows += len(batch)
        # What is put into the statement is our own: two numbers, a checked hash, and a fixed name in our folder.
        about = f"chain_id: '{deployment.chain_id}', genesis: '{deployment.genesis}', block: '{block}'"
        target = str(folder / "logs.parquet").replace("'", "''")
        database.execute(f"COPY logs TO '{target}' (FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{about}}})")
    return rows


@contextmanager
def _opened(path: Path) -> Iterator["duckdb.DuckDBPyConnection"]:
    if not path.is_file():
        raise InvalidFile(f"{path} is not a file.")
    try:
        with duckdb.connect(config=_SETTINGS) as database:
            database.execute(QUIET)
            yield database
    except duckdb.Error as error:
        raise InvalidFile(f"{path} does not hold exported logs: {str(error).splitlines()[0]}") from None


def extent(path: Path, deployment: Deployment) -> Extent:
    """What a file says it holds.

    Raises:
        InvalidFile: not a file that `write` wrote. WrongChain: of another chain.
    """
    with _opened(path) as database:
        told: list[tuple[Any, Any]] = database.execute(
            "SELECT key, value FROM parquet_kv_metadata(?)", [str(path)]
        ).fetchall()
    try:
        about = {bytes(key).decode(): bytes(value).decode() for key, value in told}
        found = Extent(int(about["chain_id"]), Hash(about["genesis"]), int(about["block"]))
    except (KeyError, ValueError):
        raise InvalidFile(f"{path} does not say which chain it is of. Was it made by `volens audit export`?") from None
    if (found.chain_id, found.genesis) != (deployment.chain_id, deployment.genesis):
        raise WrongChain(f"{path} holds the logs of another chain than the deployment facts name.")
    return found


def read(path: Path) -> Iterator[list[Row]]:
    """The rows of a file in its order, some thousands at a time.

    Raises:
        InvalidFile: it is not readable as such.
    """
    columns = ", ".join(f"CAST({name} AS {kind})" for name, kind in COLUMNS)
    with _opened(path) as database:
        database.execute(f"SELECT {columns} FROM read_parquet(?)", [str(path)])  # noqa: S608 (our own names)
        while rows := database.fetchmany(AT_ONCE):
            yield rows
