"""Files are cleaned in a process of their own, with bounds that the system enforces."""

import subprocess

import pytest

from client import cleaning
from client.cleaning import clean
from ledger.deidentify import deidentify
from ledger.errors import InvalidFile
from scripts.samples import write_samples

MARKDOWN = b"# A case\n\nSeen by Dr. Jones on 3 May 2019.\n"


def test_it_says_what_is_said_in_process(tmp_path):
    for path in write_samples(tmp_path):
        here, there = deidentify(path.name, path.read_bytes()), clean(path.name, path.read_bytes())
        assert (there.media_type, there.warnings) == (here.media_type, here.warnings)
        if (
            here.media_type == "application/dicom"
        ):  # identifiers are exchanged for random ones, now and then for the same
            gone = [{entry for entry in found.removed if entry.action == "removed"} for found in (here, there)]
            assert gone[0] == gone[1] != set()
        else:
            assert (there.data, there.removed) == (here.data, here.removed)


def test_a_refusal_is_the_same_sentence():
    for name, content in (("a.png", MARKDOWN), ("a.md", b""), ("a.exe", b"\0\1\2")):
        with pytest.raises(InvalidFile) as here:
            deidentify(name, content)
        with pytest.raises(InvalidFile) as there:
            clean(name, content)
        assert str(there.value) == str(here.value)


def test_more_memory_than_it_may_have_is_refused():
    assert clean("a.md", MARKDOWN)
    with pytest.raises(InvalidFile):
        clean("a.md", MARKDOWN, memory=8 * 2**20)


def test_what_never_ends_is_ended(monkeypatch):
    def endless(*_, **options):
        raise subprocess.TimeoutExpired("cleaning", options["timeout"])

    monkeypatch.setattr(subprocess, "run", endless)
    with pytest.raises(InvalidFile, match="memory or time"):
        clean("a.md", MARKDOWN)


def test_neither_name_nor_content_is_in_the_arguments_or_the_environment(monkeypatch):
    seen, real = [], subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *a, **options: (seen.append((a, options)), real(*a, **options))[1])
    clean("jane-doe.md", MARKDOWN)
    ((command,), options) = seen[0]
    assert "jane" not in str(command) + str(options["env"])
    assert set(options["env"]) == {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
    assert cleaning.MEMORY >= 2**30
