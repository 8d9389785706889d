"""volens keys: the custodian's master key."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from scripts.console import Json, command, err, out, show

app = typer.Typer(no_args_is_help=True)


@command(app)
def rotate(
    state: Annotated[Path, typer.Option("--state", envvar="VOLENS_STATE_DIR", help="The service's folder.")] = Path(
        ".volens"
    ),
    as_json: Json = False,
) -> None:
    """Wrap every record key with a new master key; the old one is refused from then on.

    The service may run meanwhile. Killed at any moment, the same command goes on where it stopped.
    """
    from api.app import open_stores
    from api.settings import master_keys, read_key, read_settings
    from ledger.services.custody import Master
    from ledger.services.rotation import rotate as wrap_anew
    from scripts.stack import make_key
    from wallet.keystore import write_private

    settings = read_settings(state_dir=state)
    current, coming = settings.master_key_path, settings.next_master_key_path
    old, *_ = master_keys(settings)
    store, _, keys = open_stores(settings)
    store.close()
    try:
        if coming.exists() and Master.of(read_key(coming, "The next master key")).id == Master.of(old).id:
            coming.unlink()  # of a rotation that is over: the variable holds it by now
        coming.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        make_key(coming)
        new = read_key(coming, "The next master key")
        with _bar(as_json) as progress:
            done = wrap_anew(keys, old, new, progress)
    finally:
        keys.close()
    before, after = Master.of(old).id, Master.of(new).id
    if settings.master_key is not None:
        said = f"Set VOLENS_MASTER_KEY to what is in {coming}, restart the service, then destroy the old key."
        kept = None
    else:
        kept = current.with_name(f"{current.name}.{before}.old")
        write_private(kept, old.reveal().hex() + "\n", overwrite=True)
        coming.replace(current)
        said = f"The old key is in {kept}. Back the key store up, then destroy it: with it, older backups open."
    value = {"wrapped": done, "old": before, "new": after, "oldKeyFile": str(kept) if kept else None}
    show(value, as_json, lambda: out.print(f"{done} record keys wrapped with the new master key {after}. {said}"))


@contextmanager
def _bar(quiet: bool) -> Iterator[Callable[[int, int], None]]:
    from rich.progress import Progress

    with Progress(console=err, transient=True, disable=quiet or not err.is_terminal) as bar:
        task = bar.add_task("Wrapping record keys", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
