"""Does what docs/tutorial.md says: every block, in order, against a real `volens up` in an empty folder."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from json_schema import check

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
DONE = "-- block done"
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Block:
    """One block of commands, and the lines its output must have."""

    line: int
    words: list[str]
    script: str
    expected: list[str]

    @property
    def exit_code(self) -> int:
        return next((int(word.removeprefix("exit=")) for word in self.words if word.startswith("exit=")), 0)


def blocks() -> list[Block]:
    text = TUTORIAL.read_text(encoding="utf-8")
    found: list[Block] = []
    for fence in FENCE.finditer(text):
        language, words, content = fence.groups()
        if language == "sh":
            found.append(Block(text.count("\n", 0, fence.start()) + 1, words.split(), content, []))
        elif language == "text":
            found[-1].expected = content.splitlines()
    return found


def missing(expected: list[str], output: str) -> list[str]:
    """The expected lines that the output does not have, in whole or in part; `…` stands for anything."""
    patterns = {line: ".*".join(re.escape(part) for part in line.strip().split("…")) for line in expected}
    return [line for line, pattern in patterns.items() if not re.search(pattern, output)]


class Terminal:
    """A shell that stays open, so that a variable set in one block is there in the next."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.shell = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env=environment,
            text=True,
            encoding="utf-8",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, block: Block) -> tuple[int, str]:
        """Run a block; its exit code, or that of an earlier command in it that failed, and what it printed."""
        script = self.folder / "block.sh"
        script.write_text(block.script, encoding="utf-8")
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        self.shell.stdin.write(
            f"failed=0; set -E; trap 'failed=$?' ERR\n. ./{script.name} < /dev/null\n"
            f'code=$?; trap - ERR; [ $failed = 0 ] && failed=$code; echo; echo "{DONE} $failed"\n'
        )
        self.shell.stdin.flush()
        lines: list[str] = []
        for line in self.shell.stdout:
            if line.startswith(DONE):
                return int(line.removeprefix(DONE)), "".join(lines)
            lines.append(line)
        raise AssertionError("the shell ended:\n" + "".join(lines))

    def close(self) -> None:
        self.shell.kill()
        self.shell.wait()
        for pipe in (self.shell.stdin, self.shell.stdout):
            if pipe is not None:
                pipe.close()


class Ledger:
    """`volens up` as the tutorial has it, on free ports."""

    def __init__(self, block: Block, folder: Path, environment: dict[str, str]) -> None:
        command = block.script.strip()
        assert command.startswith("volens up"), "the first terminal runs volens up"
        self.block, self.lines = block, []
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec {command} --port 0 --node-port 0"],
            cwd=folder,
            env=environment | {"PYTHONUNBUFFERED": "1"},
            text=True,
            encoding="utf-8",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    def output(self) -> str:
        return "".join(self.lines)

    def wait(self, seconds: float = 90) -> dict[str, str]:
        """Where the service and the node answer, once they do."""
        deadline = time.monotonic() + seconds
        while "Ctrl-C" not in self.output():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.1)
        assert missing(self.block.expected, self.output()) == []
        (told,) = re.findall(r"^export (.+)$", self.output(), re.MULTILINE)  # the line for the second terminal
        return dict(word.split("=", 1) for word in told.split())

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=90)
        self.reader.join(timeout=30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def test_every_fence_of_commands_has_words_that_are_known():
    for block in blocks():
        assert all(re.fullmatch(r"setup|terminal=1|exit=[0-5]", word) for word in block.words), block.line


@pytest.mark.node
def test_the_tutorial_does_what_it_says(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VOLENS_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    todo = [block for block in blocks() if "setup" not in block.words]  # whoever runs this test has done that
    (first,) = [block for block in todo if "terminal=1" in block.words]
    ledger = Ledger(first, tmp_path, environment)
    terminal = None
    try:
        terminal = Terminal(tmp_path, environment | ledger.wait())
        for block in todo:
            if block is first:
                continue
            code, output = terminal.run(block)
            assert code == block.exit_code, f"tutorial.md:{block.line}: exit code {code}\n{output}\n{ledger.output()}"
            assert missing(block.expected, output) == [], f"tutorial.md:{block.line}:\n{output}"
    finally:
        if terminal is not None:
            terminal.close()
        code = ledger.stop()
    assert code == 0, ledger.output()
    assert "Traceback" not in ledger.output()

    bundle = json.loads((tmp_path / "evidence.json").read_text(encoding="utf-8"))
    schema = json.loads((ROOT / "docs" / "bundle.schema.json").read_text(encoding="utf-8"))
    assert check(bundle, schema) == []
