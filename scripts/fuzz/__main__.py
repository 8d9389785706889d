"""Fuzz every parser of foreign bytes with atheris, each in a process of its own with bounded memory and time.

Run as ``python -m scripts.fuzz [--seconds N] [TARGET …]``. Exit code 1: something was found; the input that shows it is
under ``.fuzz/TARGET/``. Make it a test in tests/fuzz/ and mend the parser.
"""

import argparse
import resource
import subprocess
import sys
from pathlib import Path

from scripts.console import out

FOLDER = Path(".fuzz")
MEMORY = 3 * 2**30
"""Bytes of address space: a bomb that goes off is a find, not a dead machine."""
ONE_INPUT = 10
"""Seconds that one input may take."""


def work(name: str, seconds: int) -> None:
    """Fuzz one target in this process; it does not return."""
    import atheris

    with atheris.instrument_imports(include=["ledger", "wallet", "client", "api"]):
        from scripts.fuzz.targets import run, targets
    target = targets()[name]
    folder = FOLDER / name
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (folder / "corpus" / f"seed-{number}").write_bytes(seed)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    options = [f"-max_total_time={seconds}", f"-timeout={ONE_INPUT}", "-rss_limit_mb=0", "-verbosity=0"]
    options += [f"-max_len={max(4096, 2 * max(map(len, target.seeds)))}", f"-artifact_prefix={folder}/"]

    def one(data: bytes) -> None:
        run(target, data)

    atheris.Setup(["fuzz", *options, str(folder / "corpus")], one)
    atheris.Fuzz()


def main() -> int:
    """Fuzz all targets, or those named, one after the other."""
    from scripts.fuzz.targets import targets

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of: {', '.join(targets())}")
    parser.add_argument("--seconds", type=int, default=20, help="for each")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - targets().keys():
        parser.error(f"there is no target {min(unknown)}")
    if arguments.work:
        work(arguments.targets[0], arguments.seconds)
    found = []
    for name in arguments.targets or targets():
        command = [sys.executable, "-m", "scripts.fuzz", "--work", "--seconds", str(arguments.seconds), name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        finds = [path for path in (FOLDER / name).glob("*-*") if path.is_file()]
        if done.returncode or finds:
            found.append(name)
            out.print(f"✗ {name}: {', '.join(map(str, finds)) or 'it ended with an error'}", style="red")
            out.print(done.stdout[-1500:] + done.stderr[-3000:], markup=False)
        else:
            out.print(f"✓ {name}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
