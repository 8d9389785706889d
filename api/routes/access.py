"""OpenID AuthZEN Authorization API 1.0: may this recipient do this with this record, now?"""

import json
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request

from api.deps import Caller, Use
from api.services import Services
from ledger.errors import InvalidInput, InvalidMessage
from ledger.evidence import Question
from ledger.model import Address, Hash, hash32
from ledger.services.questions import Answer
from ledger.tokens import make_token, read_token

router = APIRouter(tags=["decisions"])
ACTIONS = ("view", "publish", "use", "release")
MAX_BODY = 2**20
EXAMPLE = {
    "subject": {"type": "recipient", "id": "did:pkh:eip155:31337:0xF943c10cCe125965BBa14dD771b1401834879E9c"},
    "action": {"name": "publish", "properties": {"purpose": "case-report", "channel": "journal"}},
    "resource": {"type": "record", "id": "0x1829ccd19cddae751fbe7bcb91f79b9f5b731b4d2e4560f1a2f1daa4dc8c48d8"},
}
REASON_USER = {
    "permitted": "The patient currently allows this.",
    "no_consent": "There is no consent for this.",
    "revoked": "The patient has taken this consent back. Do not start any new use.",
    "expired": "This consent has ended.",
    "not_yet_valid": "This consent has not begun yet.",
    "suspended": "The patient has paused this consent.",
    "closed": "The patient has ended all consent for this record.",
    "recipient_not_covered": "The consent names somebody else.",
    "recipient_suspended": "This recipient is suspended in the Directory.",
    "purpose_not_covered": "The consent is for another purpose.",
    "needs_review": "A person has to look at this purpose; it cannot be decided by rule.",
    "channel_not_covered": "The consent does not cover this channel.",
    "item_not_covered": "The consent does not cover every part asked for.",
    "content_changed": "This is not the file the patient agreed to.",
    "form_superseded": "The form or the channel's terms changed; the patient has to agree again.",
    "further_consent_needed": "Somebody else has to agree as well.",
    "awaiting_confirmations": "The consent was recorded moments ago; ask again shortly.",
    "controller_not_listed": "The institution that vouches for this record is not listed.",
    "record_retracted": "The institution has withdrawn this record.",
    "unknown_record": "There is no such record.",
    "stale_ledger": "The ledger is not up to date; ask again shortly.",
    "ledger_unavailable": "The ledger cannot be reached; ask again shortly.",
}


@router.get("/.well-known/authzen-configuration")
def configuration(use: Use) -> dict[str, str]:
    """What this policy decision point serves."""
    url = use.settings.url
    return {"policy_decision_point": url, "access_evaluation_endpoint": f"{url}/access/v1/evaluation"}


@router.post(
    "/access/v1/evaluation",
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"example": EXAMPLE}}}},
)
async def evaluation(request: Request, caller: Caller, use: Use) -> dict[str, Any]:
    """Answer one question. 200 for permit and deny alike; 400 for a question that cannot be understood."""
    body = await _json(request)
    return await to_thread.run_sync(lambda: evaluate(body, caller, use))


def evaluate(body: Any, caller: Address, use: Services) -> dict[str, Any]:
    """The answer to one AuthZEN evaluation request."""
    question = read_question(body, use)
    consistency = _object(_object(body.get("context", {}), "context").get("consistency", {}), "context.consistency")
    if "at_least_as_fresh" in consistency:
        use.index.require(*read_token(use.deployment, consistency["at_least_as_fresh"]))
    return shape(use.questions.ask(caller, question), use)


def read_question(body: Any, use: Services) -> Question:
    """Read the AuthZEN vocabulary of DESIGN, section 7.

    Raises:
        InvalidInput: something required is missing or of the wrong type. Unknown members are ignored, as AuthZEN
            demands.
    """
    request = _object(body, "the request")
    subject, action, resource = (_entity(request, name) for name in ("subject", "action", "resource"))
    _text(subject, "subject", "type"), _text(subject, "subject", "id")
    if _text(action, "action", "name") not in ACTIONS:
        raise InvalidMessage("action.name", f"must be one of {', '.join(ACTIONS)}")
    _text(resource, "resource", "type")
    properties = _object(action.get("properties", {}), "action.properties")
    digests = {str(name): _digest(value) for name, value in _object(properties.get("digests", {}), "digests").items()}
    items = properties.get("items", [])
    if not isinstance(items, list) or not all(isinstance(name, str) for name in items):
        raise InvalidMessage("action.properties.items", "must be a list of item names")
    return Question(
        recipient=use.deployment.party(subject["id"]),
        record=hash32(_text(resource, "resource", "id"), "resource.id"),
        purpose=_optional(properties, "purpose"),
        channel=_optional(properties, "channel"),
        items=tuple(items),
        digests=digests,
        facts=_facts(_object(subject.get("properties", {}), "subject.properties")),
    )


def _facts(declared: dict[str, Any]) -> dict[str, Any]:
    """What the asker declares of itself. Which disease is a kind of which is not for the asker to say."""
    return {name: value for name, value in declared.items() if name != "ancestors"}


def shape(answer: Answer, use: Services) -> dict[str, Any]:
    """An answer in AuthZEN's form; it is counted."""
    decision, moment = answer.decision, answer.decision.moment
    use.metrics.decided(decision.reason)
    context: dict[str, Any] = {
        "reason": str(decision.reason),
        "reason_user": {"en": REASON_USER[str(decision.reason)]},
        "evaluation": answer.id,
        "block": moment.number,
        "token": make_token(use.deployment, moment.number, moment.hash),
    }
    if decision.permitted:
        context["until"] = decision.until
    return {"decision": decision.permitted, "context": context}


async def _json(request: Request) -> Any:
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise InvalidInput("Content-Type must be application/json.")
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY:
            raise InvalidInput("The request must not be larger than 1 MiB.")
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise InvalidInput("The request is not JSON.") from None


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidMessage(name, "must be an object")
    return value


def _entity(request: dict[str, Any], name: str) -> dict[str, Any]:
    if name not in request:
        raise InvalidMessage(name, "is missing")
    return _object(request[name], name)


def _text(entity: dict[str, Any], parent: str, name: str) -> str:
    value = entity.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidMessage(f"{parent}.{name}", "must be text")
    return value


def _optional(properties: dict[str, Any], name: str) -> str:
    value = properties.get(name, "")
    if not isinstance(value, str):
        raise InvalidMessage(f"action.properties.{name}", "must be text")
    return value


def _digest(value: Any) -> Hash:
    if not isinstance(value, str) or not value.startswith("sha256:"):
        raise InvalidMessage("action.properties.digests", "must be sha256: and 64 hexadecimal digits")
    return hash32("0x" + value.removeprefix("sha256:"), "action.properties.digests")
