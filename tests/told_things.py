"""What the source tells the world by name: events of the log, kinds of alarms and alerts, metrics. Read by AST."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

import click

from tests.source_tree import ROOT
from xtramail.app.command.main import main
from xtramail.delivery.alert_text import TITLES

SOURCE = ROOT / "xtramail"
MAILLOG = SOURCE / "telemetry" / "maillog.py"
_LEVELS = {"_tell": "info", "_warn": "warning", "error": "error", "critical": "critical", "failure": "critical"}
_ALARMS = {"alarm", "_alarm", "fault_alarm"}
_ALERTS = {"say", "_say", "raised", "raise_alert", "_tell"}
_DRILLERS = {"drill", "round-trip"}
"""Handed on by ``app/drilling`` in a loop."""
_KIND = re.compile("[a-z]+(-[a-z]+)*")
_COUNTS = {"_tally", "_counter", "_gauge", "watch", "Histogram", "Counter", "Gauge"}


@dataclass(frozen=True, slots=True)
class Event:
    """A line in the log; ``fields`` in the order in which they stand there."""

    name: str
    level: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Metric:
    """``name`` as it is scraped."""

    name: str
    labels: tuple[str, ...]


def _calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            yield name, node


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((one.value for one in call.keywords if one.arg == name), None)


@cache
def events() -> dict[str, Event]:
    """Every event of the mail log, by name."""
    found = {}
    for name, call in _calls(ast.parse(MAILLOG.read_text("utf-8"))):
        if name not in _LEVELS:
            continue
        told = _keyword(call, "mail_event")
        if told is not None:
            event, fields = _text(told), _keyword(call, "mail_fields")
            if event is None or not isinstance(fields, ast.Dict):
                # The bodies of _tell and _warn themselves.
                continue
            names = tuple(_text(key) or "?" for key in fields.keys)
        elif call.args and _text(call.args[0]) is not None:
            event, names = str(_text(call.args[0])), tuple(one.arg or "?" for one in call.keywords)
        else:
            continue
        found[event] = Event(name=event, level=_LEVELS[name], fields=names)
    return found


@cache
def _modules() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text("utf-8"))) for path in sorted(SOURCE.rglob("*.py"))]


def _constants(tree: ast.Module) -> dict[str, str]:
    return {
        target.id: text
        for node in tree.body
        if isinstance(node, ast.Assign) and (text := _text(node.value)) is not None
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _kinds(functions: set[str]) -> set[str]:
    """Texts that name a kind, in calls of these functions, and in calls that are handed one of them to call later."""
    found = set()
    for path, tree in _modules():
        if path == MAILLOG or "demo" in path.name or path.parts[-2] == "command":
            continue
        constants = _constants(tree)
        for name, call in _calls(tree):
            nodes = [_keyword(call, "kind"), *call.args[:1]] if name in functions else []
            if len(call.args) > 1 and isinstance(call.args[0], ast.Attribute) and call.args[0].attr in functions:
                nodes.append(call.args[1])
            if name == "partial" and isinstance(call.args[0], ast.Attribute) and call.args[0].attr in functions:
                nodes.append(_keyword(call, "kind"))
            texts = [constants.get(node.id) if isinstance(node, ast.Name) else _text(node) for node in nodes if node]
            found |= {text for text in texts if text is not None and _KIND.fullmatch(text)}
    return found


@cache
def alert_kinds() -> set[str]:
    """What people and programs are told of."""
    return _kinds(_ALERTS) | set(TITLES)


@cache
def alarm_kinds() -> set[str]:
    """What ``kind`` of the event ``alarm`` may be: those of alerts, too, where the store cannot take one."""
    return _kinds(_ALARMS) | _DRILLERS | alert_kinds()


@cache
def metrics() -> dict[str, Metric]:
    """Every metric, by its name as it is scraped."""
    found = {}
    for _, tree in _modules():
        for function, call in _calls(tree):
            if function not in _COUNTS or len(call.args) < 2 or _text(call.args[0]) is None:
                continue
            name = "xtramail_" + str(_text(call.args[0])).removeprefix("xtramail_")
            grows = _keyword(call, "grows")
            counter = function == "_counter" or (function == "_tally" and grows is None)
            labels = tuple(text for one in call.args[2:] if (text := _text(one)) is not None)
            found[name + "_total" * counter] = Metric(name=name + "_total" * counter, labels=labels)
    return found


def check_command(line: str) -> None:
    """AssertionError where ``line`` (without ``xtramail``) names a command or an option that is not there."""
    words = line.split()
    context, command = click.Context(main), cast("click.Command", main)
    while words and isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, line
        command, words = found, words[1:]
    known = {option for param in command.params for option in param.opts}
    for word in words:
        assert not word.startswith("--") or word in known, (line, word)
