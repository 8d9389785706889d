"""Running `volens`, and what every refusal must look like."""

import contextvars
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from scripts.cli import app
from wallet.keys import entropy_to_words

PASSPHRASE = "correct horse battery"
WORDS = entropy_to_words(bytes(range(32)))
CHEAP = 2**12


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    def refused(self, code, *said):
        """Check that the command said no, in one sentence on stderr, and with its own exit code."""
        assert self.code == code, (self.code, self.out, self.err)
        for part in said:
            assert part in self.err, self.err
        assert len(self.err.strip().splitlines()) == 1, self.err
        assert self.err.startswith("✗ ")
        assert self.err.rstrip()[-1] in ".?!", self.err
        return self

    def refused_quietly(self, code):
        """Check an answer that is a no rather than an error."""
        assert (self.code, self.err) == (code, ""), self.err
        assert self.out.startswith("✗ no")
        return self


def run(*arguments, env=None, stdin=None):
    """Run `volens` in this process."""
    given = [str(argument) for argument in arguments]
    # Each run starts with its own context, as a process would.
    root, mask = logging.getLogger(), os.umask(0o022)
    os.umask(mask)
    handlers, level = root.handlers[:], root.level
    try:
        result = contextvars.copy_context().run(CliRunner().invoke, app, given, env=env, input=stdin)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        os.umask(mask)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise AssertionError(f"volens {' '.join(given)} ended in a traceback") from result.exception
    assert "Traceback" not in result.stdout + result.stderr
    return Ran(result.exit_code, result.stdout, result.stderr)


def secret_file(path: Path, content: str, mode: int = 0o600) -> Path:
    path.write_text(content)
    path.chmod(mode)
    return path
