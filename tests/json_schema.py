"""As much of JSON Schema (2020-12) as our schemas and the OpenAPI document use. An unknown keyword is an error."""

import re
from typing import Any

TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
    "null": type(None),
}
SAID_ONLY = {"$schema", "$id", "$defs", "title", "description", "default", "format"}


def check(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None, path: str = "$") -> list[str]:
    """What is wrong with a value, as sentences; an empty list when nothing is."""
    root = schema if root is None else root
    wrong: list[str] = []
    for keyword, wanted in schema.items():
        match keyword:
            case "$ref":
                wrong += check(value, _at(root, wanted), root, path)
            case "type":
                names = wanted if isinstance(wanted, list) else [wanted]
                if not any(_is(value, name) for name in names):
                    return [f"{path} is not {' or '.join(names)}"]
            case "const":
                wrong += [] if value == wanted else [f"{path} is not {wanted}"]
            case "enum":
                wrong += [] if value in wanted else [f"{path} is none of {wanted}"]
            case "pattern":
                if isinstance(value, str) and not re.search(wanted, value):
                    wrong.append(f"{path} does not match {wanted}")
            case "minimum":
                wrong += [f"{path} is less than {wanted}"] if _is(value, "integer") and value < wanted else []
            case "maximum":
                wrong += [f"{path} is more than {wanted}"] if _is(value, "integer") and value > wanted else []
            case "minItems":
                wrong += [f"{path} is too short"] if isinstance(value, list) and len(value) < wanted else []
            case "maxItems":
                wrong += [f"{path} is too long"] if isinstance(value, list) and len(value) > wanted else []
            case "minLength":
                wrong += [f"{path} is too short"] if isinstance(value, str) and len(value) < wanted else []
            case "maxLength":
                wrong += [f"{path} is too long"] if isinstance(value, str) and len(value) > wanted else []
            case "items":
                for position, entry in enumerate(value if isinstance(value, list) else ()):
                    wrong += check(entry, wanted, root, f"{path}[{position}]")
            case "oneOf":
                if sum(not check(value, option, root, path) for option in wanted) != 1:
                    wrong.append(f"{path} is not exactly one of {len(wanted)} things")
            case "anyOf":
                if all(check(value, option, root, path) for option in wanted):
                    wrong.append(f"{path} is none of {len(wanted)} things")
            case "required":
                wrong += [f"{path} has no {name}" for name in wanted if isinstance(value, dict) and name not in value]
            case "properties" | "additionalProperties":
                pass
            case _ if keyword not in SAID_ONLY:
                raise ValueError(f"{keyword} is not a keyword that is checked here")
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name, entry in value.items():
            if name in known:
                wrong += check(entry, known[name], root, f"{path}.{name}")
            elif others is False:
                wrong.append(f"{path} has {name}")
            elif isinstance(others, dict):
                wrong += check(entry, others, root, f"{path}.{name}")
    return wrong


def _is(value: Any, name: str) -> bool:
    return isinstance(value, TYPES[name]) and not (name == "integer" and isinstance(value, bool))


def _at(root: dict[str, Any], reference: str) -> dict[str, Any]:
    found: Any = root
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    assert isinstance(found, dict)
    return found
