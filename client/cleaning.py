"""Cleaning a file in a process of its own: what parsers of hostile files do there, they do to nobody else.

The process may use so much memory and time, writes no file and inherits nothing. The file's name and content go through
its standard input, since others can read the arguments of a process.
"""

import json
import resource
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from ledger.deidentify import Deidentified, Removed, deidentify
from ledger.errors import InvalidFile

MEMORY = 4 * 2**30
"""Bytes of address space: several times what the largest picture needs."""
SECONDS = 120
"""Of computing; a little more on the wall."""
_ROOT = Path(__file__).resolve().parents[1]


def clean(name: str, content: bytes, memory: int = MEMORY, seconds: int = SECONDS) -> Deidentified:
    """`deidentify` with its limits enforced by the system.

    Args:
        memory: bytes of address space. seconds: of computing.

    Raises:
        InvalidFile: what `deidentify` says, or that the file took more than it may.
    """
    said = json.dumps({"name": name, "memory": memory, "seconds": seconds}).encode()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "client.cleaning"],
            input=len(said).to_bytes(4) + said + content,
            capture_output=True,
            check=False,
            timeout=2 * seconds + 10,
            cwd=_ROOT,
            env={"PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        size = int.from_bytes(done.stdout[:4])
        found = json.loads(done.stdout[4 : 4 + size]) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):  # whatever took that process over says what it likes
        found = None
    if found is None:
        raise InvalidFile("The file took more memory or time to read than any honest one; it may be damaged.")
    if "refused" in found:
        raise InvalidFile(str(found["refused"]))
    return Deidentified(
        done.stdout[4 + size :],
        str(found["media_type"]),
        tuple(Removed(entry["what"], entry["action"]) for entry in found["removed"]),
        tuple(found["warnings"]),
    )


def _work() -> None:
    """The process: everything in, everything out, nothing else."""
    stream = sys.stdin.buffer
    said = json.loads(stream.read(int.from_bytes(stream.read(4))))
    content = stream.read()
    for kind, most in (
        (resource.RLIMIT_AS, said["memory"]),
        (resource.RLIMIT_CPU, said["seconds"]),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    data = b""
    try:
        found = deidentify(said["name"], content)
        data, answer = found.data, {name: value for name, value in asdict(found).items() if name != "data"}
    except InvalidFile as error:
        answer = {"refused": str(error)}
    head = json.dumps(answer).encode()
    sys.stdout.buffer.write(len(head).to_bytes(4) + head + data)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    _work()
