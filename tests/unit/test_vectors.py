"""The vector files are what their sources give: regenerating them leaves no diff."""

import json

from scripts import vectors


def test_the_vector_files_are_fresh():
    assert vectors.stale() == []
    assert vectors.main(["--check"]) == 0


def test_check_names_what_is_stale(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(vectors, "VECTORS", tmp_path)
    assert vectors.main(["--check"]) == 1
    assert all(f"tests/vectors/{name}.json is stale" in capsys.readouterr().err for name in ["invalid"])
    assert vectors.main([]) == 0
    assert vectors.main(["--check"]) == 0
    (tmp_path / "summary.json").write_text("{}")
    assert vectors.main(["--check"]) == 1
    assert "summary" in capsys.readouterr().err


def test_unknown_arguments_are_refused(capsys):
    assert vectors.main(["--chekc"]) == 2
    assert "usage" in capsys.readouterr().err


def test_files_are_ascii_and_hold_what_was_given():
    content = {"about": "é", "cases": [{"a": "\ud800"}, [1]], "empty": []}
    assert vectors.render(content).isascii()
    assert json.loads(vectors.render(content)) == content
    assert json.loads(vectors.render([1, 2])) == [1, 2]
