"""The arrows of DESIGN.md, section 8, read from the imports themselves."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("ledger", "api", "client", "wallet", "scripts")

CORE = {
    "errors", "model", "typed_data", "summary", "vocabulary", "events", "state", "decisions", "proofs", "merkle",
    "evidence", "slots", "bundles", "deployment", "tokens", "invitations", "siwe", "documents", "sealing",
    "checkpoint", "receipts", "recorded", "signed_message", "attempts", "consent_record", "references",
    "deidentify", "templates", "clear_signing",
}  # fmt: skip
SHELL = {"ports", "services", "adapters"}
PURE = {
    "decisions", "evidence", "state", "events", "proofs", "merkle", "summary", "typed_data", "model", "slots",
    "bundles", "deployment", "tokens", "invitations", "errors", "clear_signing", "consent_record", "references",
    "recorded",
}  # fmt: skip
"""Modules that know no clock, no disk, no socket and no randomness."""

# Third-party packages each part may use. `web3` is one file's; nothing outside the core needs age or DICOM.
LIBRARIES = {
    "ledger core": {"sha3", "coincurve", "cryptography", "rfc8785"},
    "ledger.sealing": {"cryptography", "pyrage", "rfc8785"},
    "ledger.deidentify": {"pydicom", "dicognito", "PIL"},
    "ledger.ports": set(),
    "ledger.services": {"cryptography", "msgspec", "rfc8785", "typing_extensions"},
    "ledger.adapters": {"sqlalchemy", "alembic", "msgspec"},
    "ledger.adapters.chain": {"web3", "eth_abi", "eth_account", "rlp"},
    "ledger.adapters.node": {"urllib3", "msgspec"},
    "ledger.adapters.objects": {"obstore"},
    "ledger.adapters.memory": {"rlp", "trie"},
    "api": {"msgspec", "fastapi", "starlette", "pydantic", "pydantic_settings", "anyio", "prometheus_client"},
    "api.public": {"fastapi", "jinja2", "segno"},
    "client": {"httpx"},
    "wallet": {"coincurve", "cryptography", "eth_account", "eth_keyfile", "shamir_mnemonic"},
    "wallet.sheet": {"segno"},
}
OUTSIDE = {
    "os", "time", "socket", "subprocess", "threading", "tempfile", "shutil", "io", "pathlib", "random", "secrets",
    "uuid", "asyncio", "urllib", "http", "logging", "signal", "sqlite3", "multiprocessing",
}  # fmt: skip
"""Parts of the standard library through which a pure module could reach the world."""


class Imports(ast.NodeVisitor):
    """Every module a file imports, wherever in the file it does so."""

    def __init__(self, module, is_package):
        self.module, self.is_package = module, is_package
        self.found = []

    def visit_Import(self, node):
        self.found += [(node.lineno, alias.name) for alias in node.names]

    def visit_ImportFrom(self, node):
        base = node.module or ""
        if node.level:
            parts = self.module.split(".")
            kept = parts[: len(parts) - node.level + self.is_package]
            base = ".".join([*kept, *([node.module] if node.module else [])])
        # `from ledger import sealing` imports a module, `from ledger.model import Hash` a name in one.
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            self.found.append((node.lineno, inner if exists(inner) else base))


def exists(module):
    path = ROOT.joinpath(*module.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def modules(*packages):
    """(module, file, [(line, imported module)]) of every file below the packages."""
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            module = ".".join(parts[:-1] if is_package else parts)
            visitor = Imports(module, is_package)
            visitor.visit(ast.parse(path.read_text(encoding="utf-8")))
            yield module, path.relative_to(ROOT), visitor.found


def layer(module):
    """core, ports, services, adapters, or the package itself."""
    first, *rest = module.split(".")
    if first != "ledger":
        return first
    if not rest or rest[0] in CORE:
        return "core"
    return rest[0]


MAY = {
    "core": {"core"},
    "ports": {"core"},
    "services": {"core", "ports"},
    "adapters": {"core", "ports"},
    "api": {"core", "ports", "services"},
    "client": {"core", "client", "wallet"},
    "wallet": {"core", "wallet", "client"},
    "scripts": {"core", "ports", "services", "adapters", "api", "client", "wallet", "scripts"},
}


def sentences(problems):
    return "\n".join(f"{path}:{line} ({module}) {what}" for path, line, module, what in problems)


def test_every_module_of_the_ledger_has_a_place():
    found = {path.stem if path.is_file() else path.name for path in (ROOT / "ledger").iterdir()}
    found -= {"__init__", "__pycache__", "py.typed"}
    assert found == CORE | SHELL, "name new modules in CORE or SHELL, so that they are held to their arrows"


def test_imports_follow_the_arrows():
    problems = []
    for module, path, imported in modules(*OURS):
        own = layer(module)
        for line, name in imported:
            if name.split(".")[0] not in OURS or layer(name) == own:
                continue
            # The composition root alone may name what stands behind the ports.
            may = MAY[own] | ({"adapters"} if module == "api.app" else set())
            if layer(name) not in may:
                problems.append((path, line, module, f"is {own} and must not import {name} ({layer(name)})"))
    assert not problems, sentences(problems)


def part_of(module):
    """The longest name in LIBRARIES that says what a module may use."""
    named = [part for part in LIBRARIES if module == part or module.startswith(f"{part}.")]
    return max(named, key=len) if named else "ledger core"


def test_each_part_uses_its_own_libraries_only():
    problems = []
    for module, path, imported in modules("ledger", "api", "client", "wallet"):
        allowed = LIBRARIES[part_of(module)]
        for line, name in imported:
            top = name.split(".")[0]
            if top not in OURS and top not in sys.stdlib_module_names and top not in allowed:
                problems.append((path, line, module, f"uses {top}; {part_of(module)} may use {sorted(allowed)}"))
    assert not problems, sentences(problems)


def test_web3_stops_at_the_chain_adapter():
    naming = {str(path) for _, path, imported in modules(*OURS) for _, name in imported if name.split(".")[0] == "web3"}
    assert naming == {"ledger/adapters/chain.py", "scripts/bench_replay.py"}, "the latter measures it as a peer"


@pytest.mark.parametrize("name", sorted(PURE))
def test_a_pure_module_reaches_nothing_outside(name):
    problems = []
    for module, path, imported in modules("ledger"):
        if module == f"ledger.{name}" or module.startswith(f"ledger.{name}."):
            problems += [
                (path, line, module, f"must not import {other}")
                for line, other in imported
                if other.split(".")[0] in OUTSIDE or other.split(".")[:2] == ["importlib", "resources"]
            ]
    assert not problems, sentences(problems)


CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter", "sleep"}
RANDOM_MAY = {"ledger.sealing"}
DISK_MAY = {"ledger.documents", "ledger.vocabulary.codes"}
"""They read the data files packed with them, once, when they are imported."""


def test_the_core_reads_no_clock_and_opens_nothing():
    problems = []
    for module, path, imported in modules("ledger"):
        if layer(module) != "core":
            continue
        tops = {name.split(".")[0]: line for line, name in imported}
        if module not in RANDOM_MAY:
            problems += [(path, tops[t], module, f"uses {t}") for t in ("random", "secrets", "uuid") if t in tops]
        problems += [(path, tops[t], module, f"uses {t}") for t in ("time", "socket", "subprocess") if t in tops]
        if module not in DISK_MAY and any(name.startswith("importlib.resources") for _, name in imported):
            problems.append((path, 1, module, "reads files"))
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            if called in CLOCKS and owner in ("datetime", "date", "time", "datetime.datetime", "datetime.date"):
                problems.append((path, node.lineno, module, f"reads a clock: {owner}.{called}()"))
            if (called == "open" and not owner) or owner == "os":
                problems.append((path, node.lineno, module, f"opens something: {ast.unparse(node.func)}()"))
    assert not problems, sentences(problems)


def test_routes_name_no_adapter_and_no_store():
    problems = [
        (path, line, module, f"names {name}")
        for module, path, imported in modules("api")
        for line, name in imported
        if module != "api.app" and (name.startswith("ledger.adapters") or name.split(".")[0] in ("web3", "sqlalchemy"))
    ]
    assert not problems, sentences(problems)


def test_the_core_alone_can_be_imported_without_the_libraries_of_the_shell():
    """Whoever only verifies a bundle must not need web3, SQLAlchemy or FastAPI."""
    import subprocess

    program = (
        "import sys, ledger.bundles, ledger.siwe, ledger.checkpoint;"
        "print([m for m in ('web3', 'sqlalchemy', 'fastapi', 'pydantic', 'httpx', 'pydicom') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_commands_import_what_is_slow_only_when_they_run():
    """`volens --help` answers at once."""
    import subprocess

    program = (
        "import sys, scripts.cli; print([m for m in ('web3', 'sqlalchemy', 'fastapi', 'pydicom') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
