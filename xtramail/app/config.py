"""Where settings come from: option beats environment beats file beats default.

Owns finding the file, reading all sources and reporting every mistake at once. Which settings exist is
``settings.py``'s, what one value may be is ``setting_kinds.py``'s, what is said of a name that none has is
``unknown_setting.py``'s.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from xtramail.app.settings import Setting, Settings, describe
from xtramail.app.trusted_resolver import resolver_fault
from xtramail.app.unknown_setting import (
    RENAMED,
    Renamed,
    unknown_section,
    unknown_setting,
    unknown_variable,
    variable_of,
)
from xtramail.model.errors import BadInput

FILE_VARIABLE = "XTRAMAIL_CONFIG"
FILES = (Path("xtramail.toml"), Path("/etc/xtramail/xtramail.toml"))


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong: ``source`` names the file and line, variable or option; ``text`` the rule."""

    source: str
    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.source}: {self.key}: {self.text}" if self.key else f"{self.source}: {self.text}"


class ConfigError(BadInput):
    """The configuration has mistakes."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        super().__init__("\n".join([f"the configuration has {count}:", *(f"  {mistake}" for mistake in mistakes)]))


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, the file they came from (None without one) and, for each key that was set, by what."""

    settings: Settings
    file: Path | None
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Given:
    """A value of one source; relative paths in it are taken from ``base``."""

    source: str
    value: object
    base: Path


def find_file(config: str | None, environ: Mapping[str, str], folder: Path) -> Path | None:
    """The file to read: the one that was named (whether it exists or not), else the first that is there."""
    named = config or environ.get(FILE_VARIABLE)
    if named:
        return folder / named
    return next((folder / path for path in FILES if (folder / path).is_file()), None)


def key_lines(text: str) -> dict[str, int]:
    """Line numbers of ``section`` and ``section.key`` in a TOML file, for messages; tomllib does not keep them."""
    lines: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare.startswith("["):
            section = bare.strip("[] \t").partition("]")[0].strip()
            lines.setdefault(section, number)
        elif not bare.startswith("#") and "=" in bare:
            key = bare.partition("=")[0].strip().strip("\"'")
            lines.setdefault(f"{section}.{key}" if section else key, number)
    return lines


def _from_file(
    path: Path, known: Mapping[str, Setting], renamed: Mapping[str, Renamed], mistakes: list[Mistake]
) -> dict[str, _Given]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        mistakes.append(Mistake(str(path), "", "no such file; make one with: xtramail init DIR"))
        return {}
    except (OSError, UnicodeDecodeError) as error:
        mistakes.append(Mistake(str(path), "", f"cannot be read: {error}"))
        return {}
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        mistakes.append(Mistake(str(path), "", f"not TOML: {error}"))
        return {}
    lines = key_lines(text)
    given = {}
    for section, table in tables.items():
        source = f"{path}:{lines[section]}" if section in lines else str(path)
        if not isinstance(table, dict):
            mistakes.append(Mistake(source, section, "stands outside a section such as [server]"))
            continue
        if not any(setting.section == section for setting in known.values()):
            if not any(f"{section}.{name}" in renamed for name in table):
                mistakes.append(Mistake(source, f"[{section}]", unknown_section(section, known)))
                continue
        for name, value in table.items():
            key = f"{section}.{name}"
            where = f"{path}:{lines[key]}" if key in lines else source
            if key in known:
                given[key] = _Given(where, value, path.absolute().parent)
            else:
                mistakes.append(Mistake(where, key, unknown_setting(key, known, renamed)))
    return given


def _from_environment(
    environ: Mapping[str, str],
    known: Mapping[str, Setting],
    renamed: Mapping[str, Renamed],
    folder: Path,
    mistakes: list[Mistake],
) -> dict[str, _Given]:
    by_variable = {setting.variable: setting for setting in known.values()}
    sections = tuple({variable_of(f"{key.partition('.')[0]}.") for key in (*known, *renamed)})
    given = {}
    for variable, text in environ.items():
        source = f"environment {variable}"
        setting = by_variable.get(variable)
        if setting is not None:
            given[setting.key] = _Given(source, _value_of_text(setting, text), folder)
        elif variable.startswith(sections):
            mistakes.append(Mistake(source, "", unknown_variable(variable, by_variable, renamed)))
    return given


def _value_of_text(setting: Setting, text: str) -> object:
    """A variable's text as a TOML value: as in the file when it begins like a list or quoted text, else bare."""
    if text.startswith(("[", '"', "'")):
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
    return setting.kind.from_text(text)


def _from_sets(
    sets: Iterable[str],
    known: Mapping[str, Setting],
    renamed: Mapping[str, Renamed],
    folder: Path,
    mistakes: list[Mistake],
) -> dict[str, _Given]:
    given = {}
    for assignment in sets:
        key, equals, text = (part.strip() for part in assignment.partition("="))
        source = f"option --set {assignment}"
        if not equals:
            mistakes.append(Mistake(source, "", "write --set section.key=VALUE"))
        elif key not in known:
            mistakes.append(Mistake(source, key, unknown_setting(key, known, renamed)))
        else:
            try:
                table = tomllib.loads(f"value = {text}")
            except tomllib.TOMLDecodeError:
                table = {}
            if set(table) == {"value"}:
                given[key] = _Given(source, table["value"], folder)
            else:
                example = known[key].kind.show(known[key].default)
                mistakes.append(Mistake(source, key, f"the value is not TOML; write it as in --set '{key}={example}'"))
    return given


def _from_options(
    options: Mapping[str, str | Sequence[str]], known: Mapping[str, Setting], folder: Path
) -> dict[str, _Given]:
    given = {}
    by_option = {setting.option: setting for setting in known.values() if setting.option}
    for option, value in options.items():
        setting = by_option[option]
        # A repeated option is a list already: its texts are what the file's list would hold.
        toml = setting.kind.from_text(value) if isinstance(value, str) else [text for text in value if text]
        given[setting.key] = _Given(f"option --{option}", toml, folder)
    return given


def _check_together(settings: Settings, sources: Mapping[str, str], mistakes: list[Mistake]) -> None:
    """Rules between settings."""
    limits, ask = settings.limits, settings.ask
    if limits.errors_close < limits.errors_delay:
        source = sources.get("limits.errors-close") or sources.get("limits.errors-delay", "")
        mistakes.append(Mistake(source, "limits.errors-close", "must not be below limits.errors-delay"))
    if ask.total < ask.timeout:
        source = sources.get("ask.total") or sources.get("ask.timeout", "")
        mistakes.append(Mistake(source, "ask.total", "must not be below ask.timeout"))
    if settings.alerts.webhook and not settings.alerts.secret.reveal():
        source = sources.get("alerts.webhook", "")
        mistakes.append(Mistake(source, "alerts.secret", "is needed with alerts.webhook: at least 16 characters"))
    if fault := resolver_fault(settings.dns):
        mistakes.append(Mistake(sources.get("dns.validating", ""), "dns.validating", fault))
    taken: dict[str, str] = {}
    for listener in fields(settings.listen):
        key = f"listen.{listener.name}"
        for endpoint in getattr(settings.listen, listener.name):
            if endpoint in taken and endpoint.split(":")[1] not in ("0", "port=0"):
                source = sources.get(key) or sources.get(taken[endpoint]) or "default"
                mistakes.append(Mistake(source, key, f"{endpoint} is taken by {taken[endpoint]} already"))
            taken.setdefault(endpoint, key)


def load(
    *,
    config: str | None = None,
    options: Mapping[str, str | Sequence[str]] | None = None,
    sets: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    renamed: Mapping[str, Renamed] = RENAMED,
) -> Loaded:
    """Read all sources. ``options`` maps an option's name (``hold-days``) to its text, or texts when it is repeated.

    ``folder`` is what relative paths of options and variables are taken from (the file's start at its own folder).
    Raises ConfigError with every mistake of every source.
    """
    folder = folder or Path.cwd()
    environ = environ or {}
    known = {setting.key: setting for setting in describe()}
    mistakes: list[Mistake] = []
    path = find_file(config, environ, folder)
    given: dict[str, _Given] = {}
    if path is not None:
        given.update(_from_file(path, known, renamed, mistakes))
    given.update(_from_environment(environ, known, renamed, folder, mistakes))
    given.update(_from_options(options or {}, known, folder))
    given.update(_from_sets(sets, known, renamed, folder, mistakes))

    values: dict[str, dict[str, Any]] = {}
    for key, one in given.items():
        setting = known[key]
        try:
            value = setting.kind.parse(one.value)
        except ValueError as error:
            mistakes.append(Mistake(one.source, key, str(error)))
            continue
        if setting.is_path and value is not None:
            value = one.base / value
        values.setdefault(setting.section, {})[setting.attribute] = value
    sources = {key: one.source for key, one in given.items()}
    settings = _build(values)
    _check_together(settings, sources, mistakes)
    if mistakes:
        raise ConfigError(mistakes)
    return Loaded(settings=settings, file=path, sources=sources)


def _build(values: Mapping[str, Mapping[str, Any]]) -> Settings:
    defaults = Settings()
    changed = {
        section.name: replace(getattr(defaults, section.name), **values.get(section.name, {}))
        for section in fields(defaults)
    }
    return replace(defaults, **changed)
