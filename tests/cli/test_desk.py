"""`volens desk issue`: the key comes out as two files, works, and is nowhere else."""

import json
import os
import pty
import re
import signal
import socket
import stat
import subprocess
import sys
from datetime import date
from errno import EACCES, ENOSPC, EOPNOTSUPP
from pathlib import Path

import pytest

from cli.running import PASSPHRASE, WORDS
from cli.traces import Traces, spellings
from ledger.errors import Conflict, Refused, UnknownCode
from wallet import desk
from wallet.book import Book
from wallet.desk import KEYSTORE, SHEET
from wallet.keys import entropy_to_words, words_to_entropy

DAY = date(2026, 11, 26)


def words_on(sheet: Path) -> str:
    """The words as a person reads them off the sheet."""
    return " ".join(re.findall(r"/Bold 14 Tf [\d.]+ [\d.]+ Td \((\w+)\)", sheet.read_text("latin-1")))


def program(code: str, *arguments: object, **options):
    """Run a few lines in a process of their own, which may isolate itself."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, timeout=120, check=False, **options
    )


def opened_by_the_page(keystore: Path):
    """What the page's own code finds in a key file."""
    core = (Path(__file__).parents[2] / "wallet/web/src/core").as_uri()
    code = f"""
        import {{ unlockFile }} from "{core}/web3_keystore.ts";
        import {{ entropyToWords }} from "{core}/keys.ts";
        import {{ readFileSync }} from "node:fs";
        const file = JSON.parse(readFileSync({json.dumps(str(keystore))}, "utf8"));
        const {{ kind, secret }} = await unlockFile(file, {json.dumps(PASSPHRASE)});
        console.log(JSON.stringify({{ kind, words: entropyToWords(secret) }}));
    """
    node = Path(sys.executable).parent / "node"
    done = subprocess.run([node, "--input-type=module", "-e", code], capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# What is looked for can be found ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "left",
    [
        WORDS, WORDS.upper(), WORDS.replace(" ", "\n"), json.dumps(WORDS.split()), WORDS.replace(" ", ""),
        "1 of 24: " + ", ".join(WORDS.split()[7:12]), WORDS.encode("utf-16-le"), WORDS.encode("utf-16-be"),
        words_to_entropy(WORDS), words_to_entropy(WORDS)[::-1], *sorted(spellings(words_to_entropy(WORDS))),
    ],
    ids=lambda left: str(left)[:12].encode().hex(),
)  # fmt: skip
def test_a_trace_of_the_key_is_found(left):
    left = left if isinstance(left, bytes) else left.encode()
    assert Traces(WORDS).found(b"before " + left + b" after")
    assert not Traces(entropy_to_words(bytes(range(32, 64)))).found(b"before " + left + b" after")


# The whole way ------------------------------------------------------------------------------------------------


@pytest.mark.node
def test_the_key_works_and_is_nowhere_but_on_the_sheet(volens, town, tmp_path, caplog):
    clinic, home, temporary = tmp_path / "clinic", tmp_path / "home", tmp_path / "temporary"
    for folder in (clinic, home, temporary):
        folder.mkdir()
    made = subprocess.run(
        [sys.executable, "-m", "scripts.cli", "desk", "issue", "--out", "given", "--passphrase-file", town.passphrase],
        cwd=clinic, env=os.environ | {"HOME": str(home), "TMPDIR": str(temporary), "XDG_CACHE_HOME": str(home)},
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert (made.returncode, made.stderr) == (0, b"")
    given = clinic / "given"
    assert sorted(path.name for path in given.iterdir()) == [KEYSTORE, SHEET]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in given.iterdir())
    words = words_on(given / SHEET)
    assert words == entropy_to_words(Book.entropy(given, PASSPHRASE))
    parameters = json.loads((given / KEYSTORE).read_text())["crypto"]["kdfparams"]
    assert (parameters["n"], parameters["r"], parameters["p"]) == (2**17, 8, 1), "the page takes up to 2^19"

    assert opened_by_the_page(given / KEYSTORE) == {"kind": "words", "words": words}

    # She takes part with the key file, loses it, and comes back with the words.
    opening = (*town.open, "--url", town.url)
    institution = town.institution()
    (tmp_path / "narrative.md").write_text("# A case\n\nA cough, and then no cough.\n")
    institution.seal([tmp_path / "narrative.md"], tmp_path / "case")
    invitation = institution.invite("A case from the desk")
    joined = volens("wallet", "join", invitation, "--wallet", given, *opening, "--json")
    assert joined.code == 0, joined.err
    institution.register(tmp_path / "case", invitation)
    (tmp_path / "paper").write_text(words)
    assert volens("wallet", "new", "--words-file", "paper", "--wallet", "again", *town.open).code == 0
    assert volens("wallet", "restore", "--wallet", "again", *opening, "--json").json == {"found": 1}
    assert Book.open(tmp_path / "again", PASSPHRASE).cases[0].subject == joined.json["subject"]

    traces, meant = Traces(words), {given / SHEET, tmp_path / "paper"}
    searched = [
        path for folder in (tmp_path, town.folder) for path in folder.rglob("*") if path.is_file() and path not in meant
    ]
    assert {"volens.db", "node.log", KEYSTORE, "book.sealed"} <= {path.name for path in searched}
    assert [path for path in searched if traces.found(path.read_bytes())] == []
    assert not traces.found(b"\n".join([made.stdout, made.stderr, caplog.text.encode(), joined.out.encode()]))
    assert all(traces.found(path.read_bytes()) for path in meant), "else nothing was looked for"


# Cut off ------------------------------------------------------------------------------------------------------

CUT_OFF = """
import _thread, ctypes, json, os, resource, signal, socket
from wallet.isolation import isolate

libc, _ = ctypes.CDLL(None), "loaded now".encode("idna")
if os.getuid() == 0:  # root may read every process; the rest of the world is asked
    os.setgid(65534)
    os.setuid(65534)
    libc.prctl(4, 1, 0, 0, 0)


def beside_a_thread():
    child = os.fork()
    if child == 0:
        _thread.start_new_thread(signal.pause, ())
        try:
            isolate()
        except Exception as error:
            os._exit(error.exit_code * ("other threads" in str(error)))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


beside = beside_a_thread()
isolate()


def tried(attempt):
    try:
        attempt()
    except OSError as error:
        return error.errno
    return 0


def looked_at():
    child = os.fork()
    if child == 0:
        os._exit(tried(lambda: open(f"/proc/{os.getppid()}/mem", "rb")))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def in_a_child():
    child = os.fork()
    if child == 0:
        os._exit(tried(lambda: socket.socket()))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


kinds = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK)
print(json.dumps({
    "beside": beside,
    "sockets": [tried(lambda: socket.socket(kind, socket.SOCK_DGRAM)) for kind in kinds],
    "pair": tried(socket.socketpair),
    "connection": tried(lambda: socket.create_connection(("127.0.0.1", 9), 1)),
    "child": in_a_child(),
    "memory": looked_at(),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "dumpable": libc.prctl(3, 0, 0, 0, 0),
}))
"""


def test_an_isolated_process_reaches_nothing_and_shows_nothing():
    done = program(CUT_OFF)
    assert json.loads(done.stdout) == {
        "beside": 3,
        "sockets": [1] * 4, "pair": 1, "connection": 1, "child": 1, "memory": EACCES, "core": [0, 0], "dumpable": 0
    }, done.stderr  # fmt: skip


ABORTED = """
import os, sys
from wallet import desk

if sys.argv[2] == "open":
    desk.isolate = lambda: None
desk.new_words = lambda: sys.argv[3][::-1]
desk.place = lambda *_: os.abort()
desk.COST = 2**12
desk.main([sys.argv[1], "en"])
"""


@pytest.mark.parametrize("how", ["isolated", "open"])
def test_a_process_that_crashes_leaves_no_picture_of_its_memory(tmp_path, passphrase_file, how):
    """The same crash without isolation does, where the system writes such pictures, and the key is in it."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    limit = f"import os, resource, sys; resource.setrlimit(4, ({hard}, {hard})); os.execv(sys.executable, sys.argv[1:])"
    command = [sys.executable, "-I", "-c", ABORTED, "out", how, WORDS[::-1]]  # not the words: arguments are in it too
    with passphrase_file.open("rb") as given:
        process = subprocess.Popen(
            [sys.executable, "-c", limit, *command], cwd=tmp_path, stdin=given, stdout=-1, stderr=-1
        )
        process.communicate(timeout=120)
    assert process.returncode == -signal.SIGABRT
    left = [path for path in tmp_path.rglob("core*") if path.is_file()]
    if how == "isolated":
        assert left == []
        assert not (tmp_path / "out").exists()
    elif left:
        assert Traces(WORDS).found(left[0].read_bytes())


def test_it_is_not_made_in_a_process_that_was_given_a_connection(tmp_path):
    one, other = socket.socketpair()
    with one, other:
        done = subprocess.run(
            [sys.executable, "-I", "-m", "wallet.desk", "out", "en"],
            stdin=one, cwd=tmp_path, capture_output=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 3
    assert "open connection" in json.loads(done.stdout)["message"]
    assert list(tmp_path.iterdir()) == []


# Refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [KEYSTORE, SHEET])
def test_what_is_there_is_left_as_it_is(volens, tmp_path, passphrase_file, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "wallet.py").write_text("raise SystemExit('a program that lies in the folder is run')")
    (tmp_path / "out" / name).write_text("hers")
    volens("desk", "issue", "--out", "out", "--passphrase-file", passphrase_file).refused(3, "Nothing was changed")
    assert [(path.name, path.read_text()) for path in (tmp_path / "out").iterdir()] == [(name, "hers")]


def test_nobody_types_a_passphrase_for_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(desk, "ask", lambda: pytest.fail("asked"))
    with pytest.raises(UnknownCode):
        desk.issue(tmp_path, "ar", DAY)
    (tmp_path / SHEET).symlink_to("nowhere")
    with pytest.raises(Conflict):
        desk.issue(tmp_path, "en", DAY)


def test_bad_input_makes_nothing(volens, tmp_path, passphrase_file):
    (tmp_path / "short").write_text("short\n")
    (tmp_path / "binary").write_bytes(b"\xff" * 20)
    (tmp_path / "file").write_text("")
    issue = ("desk", "issue", "--out", "out")
    volens(*issue, "--passphrase-file", "binary").refused(2, "not valid Unicode")
    volens(*issue, "--passphrase-file", "nowhere").refused(2, "nowhere cannot be read")
    volens(*issue).refused(2, "nobody to ask")
    volens(*issue, "--language", "ar", "--passphrase-file", passphrase_file).refused(2, "en, de, es")
    volens("desk", "issue", "--out", "file", "--passphrase-file", passphrase_file).refused(2, "file: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["binary", "file", "passphrase", "short"]
    answer = volens(*issue, "--passphrase-file", "short", "--json")
    assert (answer.code, json.loads(answer.out)["error"]) == (2, "invalid_input")
    assert "at least 8 characters" in answer.err


@pytest.mark.parametrize(("ends", "code", "said"), [(1, 3, "ended too soon (1)"), (130, 130, "Stopped.")])
def test_a_process_that_ends_too_soon_is_no_success(volens, tmp_path, passphrase_file, monkeypatch, ends, code, said):
    (tmp_path / "python").write_text(f"#!/bin/sh\nexit {ends}\n")
    (tmp_path / "python").chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    ran = volens("desk", "issue", "--out", "out", "--passphrase-file", passphrase_file)
    assert (ran.code, said in ran.err, ran.out) == (code, True, "")


# A terminal ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("then", ["the same", "another", "Ctrl-C"])
def test_the_passphrase_is_typed_twice_and_not_shown(tmp_path, then):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-I", "-m", "wallet.desk", "out", "en"],
        stdin=theirs, stdout=-1, stderr=-1, cwd=tmp_path, start_new_session=True,
    )  # fmt: skip
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        asked = process.stderr.read(len("Passphrase: "))  # from now on what is typed is not shown
        terminal.write(PASSPHRASE.encode() + b"\n")
        process.stderr.read(len("\nThe same again: "))
        if then == "Ctrl-C":
            process.send_signal(signal.SIGINT)
        else:
            terminal.write((PASSPHRASE if then == "the same" else "something else").encode() + b"\n")
        out, err = process.communicate(timeout=120)
        os.set_blocking(ours, False)
        shown = terminal.read(4096) or b""
        os.close(theirs)
    assert asked == b"Passphrase: "
    assert PASSPHRASE.encode() not in shown + out + err
    match then:
        case "the same":
            assert process.returncode == 0
            assert Book.entropy(tmp_path / "out", PASSPHRASE)
        case "another":
            assert (process.returncode, json.loads(out)["error"]) == (2, "invalid_input")
        case "Ctrl-C":
            assert (process.returncode, out) == (130, b"")
    assert (tmp_path / "out").exists() == (then == "the same")


# Putting the files in place -----------------------------------------------------------------------------------

FILES = {KEYSTORE: b"sealed", SHEET: b"in the clear"}


def left(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_both_are_there_or_none(tmp_path):
    desk.place(tmp_path, FILES)
    assert left(tmp_path) == FILES
    with pytest.raises(Conflict):
        desk.place(tmp_path, {KEYSTORE: b"other", SHEET: b"other"})
    assert left(tmp_path) == FILES


def test_a_name_that_somebody_takes_meanwhile_is_his(tmp_path):
    (tmp_path / SHEET).write_bytes(b"his")
    with pytest.raises(Conflict):
        desk.place(tmp_path, FILES)
    assert left(tmp_path) == {SHEET: b"his"}


@pytest.mark.parametrize("error", [OSError(ENOSPC, "No space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("broken", ["fsync", "link"])
@pytest.mark.parametrize("time", [1, 2])
@pytest.mark.parametrize("done", [False, True], ids=["not done", "done"])
def test_what_breaks_on_the_way_leaves_nothing(tmp_path, monkeypatch, error, broken, time, done):
    real, calls = getattr(os, broken), []

    def breaks(*given, **options):
        calls.append(given)
        if len(calls) == time and not done:
            raise error
        real(*given, **options)
        if len(calls) == time:
            raise error

    monkeypatch.setattr(os, broken, breaks)
    with pytest.raises(type(error)):
        desk.place(tmp_path, FILES)
    assert left(tmp_path) == {}


def test_a_folder_that_shows_unfinished_files_is_refused(tmp_path, monkeypatch):
    real = os.open

    def without(path, flags, *rest, **options):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(EOPNOTSUPP, "Operation not supported")
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", without)
    with pytest.raises(Refused, match="local disk"):
        desk.place(tmp_path, FILES)
    assert left(tmp_path) == {}


KILLED = """
import os, signal, sys
from pathlib import Path
from wallet import desk

for place in range(1, 6):
    child = os.fork()
    if child == 0:
        calls = []

        def dies(real):
            def call(*given, **options):
                calls.append(1)
                if len(calls) == place:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*given, **options)
            return call

        os.fsync, os.link = dies(os.fsync), dies(os.link)
        desk.place(Path(sys.argv[1]) / str(place), {"sealed": b"sealed", "clear": b"in the clear"})
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
"""


def test_killed_at_any_moment_it_leaves_no_words_without_the_rest(tmp_path):
    done = program(KILLED, tmp_path)
    assert done.returncode == 0, done.stderr
    found = [sorted(left(tmp_path / str(place))) for place in range(1, 6)]
    # Written and synced, twice; then named, twice; then the folder is synced.
    assert found == [[], [], [], ["sealed"], ["clear", "sealed"]]
