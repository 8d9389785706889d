"""What is said of a consent is what its own signer's state is, whoever else signs the same grant."""

import json
from pathlib import Path

import pytest

from wallet.standing import own

VIEWS = json.loads((Path(__file__).parents[1] / "vectors" / "standing.json").read_text())["views"]


@pytest.mark.parametrize("case", VIEWS, ids=lambda case: case["about"])
@pytest.mark.parametrize("order", [1, -1])
def test_what_is_said_of_a_consent(case, order):
    found = own(case["views"][::order], case["subject"], case["now"])
    hers = {view["id"] for view in case["views"] if view["subject"] == case["subject"]}
    assert {view["id"] for view, _ in found} == hers
    assert {view["id"]: state for view, state in found}[case["grant"]] == case["state"]
