"""What the tools that analyse the contracts say when they are asked amiss. Neither slither nor halmos is run here."""

import pytest

from scripts import prove, slither

CLAIMS = prove.properties()


def test_properties_are_chosen_by_part_of_their_name():
    assert prove.chosen(CLAIMS, []) == CLAIMS
    name = CLAIMS[0].name
    assert all(name in claim.name for claim in prove.chosen(CLAIMS, [name]))
    assert CLAIMS[0] in prove.chosen(CLAIMS, [name])


def test_a_property_that_is_not_there_is_no_proof(monkeypatch, capsys):
    monkeypatch.setattr(prove, "build", lambda: pytest.fail("built"))
    assert prove.main([CLAIMS[0].name, "check_nosuch"]) == 2
    said = capsys.readouterr()
    assert "No property is called check_nosuch" in said.err
    assert CLAIMS[0].name in said.err
    assert said.out == ""


@pytest.mark.parametrize("jobs", ["0", "-1", "many"])
def test_no_jobs_at_all(jobs):
    with pytest.raises(SystemExit) as left:
        prove.main(["--jobs", jobs])
    assert left.value.code == 2


@pytest.mark.parametrize("text", ["", "[", "[]", "7", '{"timestamp": []}', '{"timestamp": {"A.f": 7}}'])
def test_damaged_reasons_are_said_to_be_damaged(tmp_path, monkeypatch, capsys, text):
    path = tmp_path / "slither.json"
    path.write_text(text)
    monkeypatch.setattr(slither, "written", lambda: WRITTEN(path))
    monkeypatch.setattr(slither, "findings", lambda: pytest.fail("analysed"))
    assert slither.main([]) == 2
    assert "slither.json" in capsys.readouterr().err


def test_the_checked_in_reasons_are_read():
    assert "timestamp" in slither.written()


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["--nosuch"], 2), (["contracts"], 2)])
def test_slither_takes_no_words(monkeypatch, capsys, arguments, code):
    monkeypatch.setattr(slither, "findings", lambda: pytest.fail("analysed"))
    with pytest.raises(SystemExit) as left:
        slither.main(arguments)
    assert left.value.code == code
    said = capsys.readouterr()
    assert "usage: python -m scripts.slither" in said.out + said.err


WRITTEN = slither.written
