"""The desk issuer: a process of its own that makes a patient's key for her, writes it down, and ends.

``python -I -m wallet.desk FOLDER LANGUAGE``, started by `volens desk issue`. It reads the passphrase from a terminal,
or from its standard input if that is none, and answers with one line of JSON. What it leaves is two files in the
folder: the key under the passphrase, and the sheet to print. The words are in no other place.
"""

import contextlib
import errno
import getpass
import json
import os
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from ledger.errors import Conflict, InvalidInput, Refused, VolensError
from wallet.isolation import isolate
from wallet.keys import new_words, words_to_entropy
from wallet.keystore import MAX_PASSPHRASE, lock
from wallet.sheet import check_language, sheet

KEYSTORE, SHEET = "keystore.json", "recovery-sheet.pdf"
"""The first is the name that a wallet's folder has for it: `volens wallet --wallet FOLDER` opens it."""
COST = 2**17
"""scrypt's n: what the page takes too. She may open the file on a phone."""
ERRORS = {error.code: error for error in (Conflict, Refused, InvalidInput)}
"""What the answer's `error` can be; others are told as the first that they are kinds of."""


def issue(folder: Path, language: str, day: date) -> None:
    """Make a key and write both files. The process must have been isolated.

    Args:
        folder: where; it is made if it is not there.
        language: of the sheet.
        day: printed on the sheet.

    Raises:
        InvalidInput: no such language, or a passphrase that is not acceptable.
        Conflict: one of the files is there already; both names are left as they are.
        Refused: the folder cannot take files without a name.
        OSError: the folder cannot be made or written.
    """
    check_language(language)
    if any(os.path.lexists(folder / name) for name in (KEYSTORE, SHEET)):
        raise Conflict(_TAKEN)
    passphrase = ask()
    words = new_words()
    keystore = json.dumps(lock(words_to_entropy(words), passphrase, "words", COST), indent=1) + "\n"
    place(folder, {KEYSTORE: keystore.encode(), SHEET: sheet(words, language, day)})


def ask() -> str:
    """The passphrase: typed twice without echo at a terminal, else all of the standard input.

    Raises:
        InvalidInput: what was typed differs, or what was given is not text.
    """
    if sys.stdin.isatty():
        passphrase = getpass.getpass("Passphrase: ")
        if getpass.getpass("The same again: ") != passphrase:
            raise InvalidInput("The two passphrases differ.")
        return passphrase
    try:
        return sys.stdin.buffer.read(4 * MAX_PASSPHRASE).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise InvalidInput("The passphrase is not valid Unicode.") from None


def place(folder: Path, files: dict[str, bytes]) -> None:
    """Put files that only their owner can read (0600) into a folder, all of them or none.

    Until all are written and synced they have no name: whoever ends this process, and be it the power, leaves
    nothing to be found. Names are given in the order of `files`, and none is taken from another file.

    Args:
        folder: made if it is not there.
        files: content by name. The last gets its name last: the words in the clear are there only with the rest.

    Raises:
        Conflict: a name is taken. Refused: the folder cannot take files without a name. OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.ExitStack() as closing:
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        closing.callback(os.close, directory)
        written = {}
        for name, content in files.items():
            try:
                handle = os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600)
            except OSError as error:
                if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):  # what file systems say that cannot
                    raise Refused(_IN_SIGHT) from None
                raise
            file = closing.enter_context(os.fdopen(handle, "wb"))
            file.write(content)
            file.flush()
            os.fsync(handle)
            written[name] = handle
        _name(written, directory)
        os.fsync(directory)


def _name(written: dict[str, int], directory: int) -> None:
    try:
        for name, handle in written.items():
            # Naming the directory makes this linkat(2), which can follow the link to a file without a name.
            os.link(f"/proc/self/fd/{handle}", name, dst_dir_fd=directory)
    except BaseException as error:
        for name, handle in written.items():
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.stat(name, dir_fd=directory, follow_symlinks=False), os.fstat(handle)):
                    os.unlink(name, dir_fd=directory)
        if isinstance(error, FileExistsError):
            raise Conflict(_TAKEN) from None
        raise


_IN_SIGHT = "A half-written file would be in sight in this folder; choose one on a local disk of this machine."
_TAKEN = f"The folder has a {KEYSTORE} or a {SHEET} already. Nothing was changed; choose another folder."


def main(arguments: Sequence[str]) -> int:
    """Run the process; returns its exit code.

    Args:
        arguments: the folder and the language.
    """
    try:
        folder, language = arguments
        isolate()
        issue(Path(folder), language, date.today())
    except VolensError as error:
        kind = next(code for code, kind in ERRORS.items() if isinstance(error, kind))
        print(json.dumps({"error": kind, "message": str(error)}))
        return error.exit_code
    except OSError as error:
        said = f"{error.filename or folder}: {error.strerror or error}."
        print(json.dumps({"error": InvalidInput.code, "message": said}))
        return InvalidInput.exit_code
    except (KeyboardInterrupt, EOFError):
        return 130
    print(json.dumps({"keystore": str(Path(folder) / KEYSTORE), "sheet": str(Path(folder) / SHEET)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
