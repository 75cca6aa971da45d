"""The imports of xtramail's own source, read by AST: what the layer and dependency tests look at."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name as a dotted path; ``from a import b`` gives ``a.b``."""

    name: str
    line: int
    inside_function: bool


def module_name(path: Path, root: Path) -> str:
    parts = list(path.relative_to(root).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


def imports_of(source: str, module: str, is_package: bool) -> Iterator[Import]:
    """Every import statement of one file, wherever it stands; relative ones made absolute."""
    tree = ast.parse(source)
    nested = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, id(node) in nested)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".") if is_package else module.split(".")[:-1]
                package = package[: len(package) - node.level + 1]
                base = ".".join([*package, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", node.lineno, id(node) in nested)


def imports_by_module(folder: Path = ROOT / "xtramail", root: Path = ROOT) -> dict[str, list[Import]]:
    """Module name to its imports, for every Python file below ``folder``."""
    return {
        module_name(path, root): list(
            imports_of(path.read_text("utf-8"), module_name(path, root), path.name == "__init__.py")
        )
        for path in sorted(folder.rglob("*.py"))
    }
