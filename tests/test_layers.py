"""The layer table of DESIGN.md, held by reading the source."""

from __future__ import annotations

from pathlib import Path

from tests.source_tree import ROOT, Import, imports_by_module, imports_of, module_name

# Each layer may import itself and what is named here; nothing else of xtramail.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "model": frozenset(),
    "telemetry": frozenset({"model"}),
    "wire": frozenset({"telemetry", "model"}),
    "store": frozenset({"telemetry", "model"}),
    "directory": frozenset({"store", "wire", "telemetry", "model"}),
    "delivery": frozenset({"directory", "store", "wire", "telemetry", "model"}),
    "mailbox": frozenset({"directory", "store", "wire", "telemetry", "model"}),
    "net": frozenset({"delivery", "mailbox", "directory", "store", "wire", "telemetry", "model"}),
    "web": frozenset({"delivery", "mailbox", "directory", "store", "wire", "telemetry", "model"}),
    "app": frozenset(
        {"net", "web", "delivery", "mailbox", "directory", "store", "wire", "telemetry", "model"}
    ),
}

# Time, randomness, sockets and TLS stay out of the protocol engines; a reactor stays out of everything below net.
_REACTOR = frozenset({"twisted", "asyncio"})
MUST_NOT_IMPORT: dict[str, frozenset[str]] = {
    "model": _REACTOR | {"ssl", "OpenSSL", "socket"},
    "wire": _REACTOR | {"ssl", "OpenSSL", "socket", "time", "random", "secrets", "threading"},
    "store": _REACTOR | {"ssl", "OpenSSL"},
    "directory": _REACTOR | {"ssl", "OpenSSL", "socket"},
    "delivery": _REACTOR | {"ssl", "OpenSSL", "socket"},
    "mailbox": _REACTOR | {"ssl", "OpenSSL", "socket"},
}

# The logger and its failures know no reactor.
TELEMETRY_TAKES = ("twisted.logger.", "twisted.python.failure.")

LMDB_OWNER = "xtramail.store.lmdb_engine"


def layer_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "xtramail" else None


def resolve(name: str, modules: frozenset[str]) -> str | None:
    """The module of xtramail that an imported dotted name lives in; None for another package."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name if name == "xtramail" or name.startswith("xtramail.") else None


def layer_faults(imports: dict[str, list[Import]]) -> list[str]:
    faults = []
    for module, found in imports.items():
        layer = layer_of(module)
        if layer is None:
            continue
        if layer not in MAY_IMPORT:
            faults.append(f"{module}: {layer} is not a layer")
            continue
        for one in found:
            where = f"{module}:{one.line}"
            target = layer_of(one.name) if one.name.startswith("xtramail.") else None
            if target in MAY_IMPORT and target != layer and target not in MAY_IMPORT[layer]:
                faults.append(f"{where}: {layer} must not import {one.name}")
            package = one.name.split(".")[0]
            if package in MUST_NOT_IMPORT.get(layer, frozenset()):
                faults.append(f"{where}: {layer} must not import {package}")
            if package == "lmdb" and module != LMDB_OWNER:
                faults.append(f"{where}: only {LMDB_OWNER} imports lmdb")
            if layer == "telemetry" and package == "twisted" and not one.name.startswith(TELEMETRY_TAKES):
                faults.append(f"{where}: telemetry must not import {one.name}")
            if one.inside_function:
                faults.append(f"{where}: {one.name} is imported inside a function")
    return faults


def cycles(imports: dict[str, list[Import]]) -> list[list[str]]:
    """Strongly connected groups of more than one module (Tarjan's algorithm, with a stack of our own)."""
    modules = frozenset(imports)
    graph = {
        module: sorted({target for one in found if (target := resolve(one.name, modules)) and target != module})
        for module, found in imports.items()
    }
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    groups = []
    for start in graph:
        if start in order:
            continue
        work = [(start, iter(graph[start]))]
        order[start] = low[start] = len(order)
        path.append(start)
        while work:
            module, targets = work[-1]
            for target in targets:
                if target not in order:
                    order[target] = low[target] = len(order)
                    path.append(target)
                    work.append((target, iter(graph[target])))
                    break
                if target in path:
                    low[module] = min(low[module], order[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[module])
                if low[module] == order[module]:
                    group = path[path.index(module) :]
                    del path[path.index(module) :]
                    if len(group) > 1:
                        groups.append(sorted(group))
    return groups


def test_imports_go_downwards_only() -> None:
    assert layer_faults(imports_by_module()) == []


def test_no_module_imports_itself_in_a_circle() -> None:
    assert cycles(imports_by_module()) == []


def test_twisteds_own_folders_stay_namespaces() -> None:
    """With an ``__init__.py`` our folder would hide the installed Twisted."""
    found = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "twisted").rglob("*.py"))
    assert found == ["twisted/plugins/xtramail_plugin.py"]


def _faults_of(module: str, source: str) -> list[str]:
    return layer_faults({module: list(imports_of(source, module, is_package=False))})


def test_the_layer_check_sees_each_kind_of_fault() -> None:
    assert _faults_of("xtramail.wire.lines", "from xtramail.store import keys\n")
    assert _faults_of("xtramail.delivery.intake", "from xtramail.mailbox.view import View\n")
    assert _faults_of("xtramail.wire.lines", "import time\n")
    assert _faults_of("xtramail.mailbox.view", "from twisted.internet import defer\n")
    assert _faults_of("xtramail.store.keys", "import lmdb\n")
    assert _faults_of("xtramail.app.build", "def f():\n    import xtramail.model.errors\n")
    assert _faults_of("xtramail.wire.smtp.server", "from ...net import tls\n")
    assert _faults_of("xtramail.util.strings", "")
    assert not _faults_of("xtramail.net.tls", "from xtramail.model import errors\nfrom OpenSSL import SSL\n")


def test_the_cycle_check_sees_a_circle() -> None:
    sources = {
        "xtramail.a": "from xtramail.b import x\n",
        "xtramail.b": "from xtramail import c\n",
        "xtramail.c": "import xtramail.a\n",
        "xtramail.d": "import xtramail.a\n",
    }
    imports = {name: list(imports_of(text, name, is_package=False)) for name, text in sources.items()}
    imports["xtramail"] = []
    assert cycles(imports) == [["xtramail.a", "xtramail.b", "xtramail.c"]]


def test_module_names_follow_paths(tmp_path: Path) -> None:
    assert module_name(tmp_path / "xtramail" / "wire" / "__init__.py", tmp_path) == "xtramail.wire"
    assert module_name(tmp_path / "xtramail" / "wire" / "sasl.py", tmp_path) == "xtramail.wire.sasl"
