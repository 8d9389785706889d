"""Everything the OpenAPI document allows, and much that it does not, against the service: schemathesis's checks.

``VOLENS_TEST_PROFILE=deep`` tries fifty times as much. One check is left out: that a body which fits its schema is
taken. Signatures and hashes fit theirs when they are made up, and are refused.
"""

import os
from contextlib import asynccontextmanager
from unittest.mock import MagicMock

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api.app import create_app

DEEP = os.environ.get("VOLENS_TEST_PROFILE") == "deep"
EXAMPLES = 500 if DEEP else 10
ENDLESS = ("/v1/events",)
"""A stream that begins does not end by itself; test_changes.py has it."""

load_all_checks()


@asynccontextmanager
async def no_life(_):
    """Each request of schemathesis would start the application and close its store."""
    yield


@pytest.fixture(scope="module")
def described(shared_web):
    shared_web.app.router.lifespan_context = no_life
    schema = schemathesis.openapi.from_asgi("/openapi.json", shared_web.app)
    return {found.ok().label: found.ok() for found in schema.get_all_operations()}, shared_web


def labels():
    paths = create_app(MagicMock()).openapi()["paths"]
    return sorted(
        f"{method.upper()} {path}" for path, entry in paths.items() for method in entry if path not in ENDLESS
    )


@pytest.mark.parametrize("label", labels())
def test_answers_are_as_described_whatever_is_asked(described, label):
    operations, web = described
    bearer = {"Authorization": f"Bearer {web.token(web.forge.world.journal)}"}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @seed(int.from_bytes(os.urandom(4)) if DEEP else 1)
    @given(case=operations[label].as_strategy())
    def run(case):
        case.call_and_validate(headers=bearer, excluded_checks=[positive_data_acceptance])

    run()


def test_it_is_openapi_3_1_with_an_example_of_every_failure(shared_web):
    document = shared_web.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, entry in document["paths"].items():
        for method, operation in entry.items():
            assert operation["summary"], (method, path)
            for status, answer in operation["responses"].items():
                if status.startswith(("4", "5")) and status != "416":
                    assert [content["example"] for content in answer["content"].values()], (method, path, status)


@pytest.mark.parametrize("path", ["/v1/log/leaves?first={}", "/v1/log/proof?index={0}&size={0}"])
def test_a_number_no_store_can_hold_is_refused(shared_web, path):
    assert shared_web.get(path.format(2**70)).status_code == 400
