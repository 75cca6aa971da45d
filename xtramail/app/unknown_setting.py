"""What is said of a setting that there is not: how it is called now, or which one was probably meant.

Owns the names that settings had. One that is renamed gets its line here, so that nobody has to search; its old name is
not taken, because two names for one thing are never the same for long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xtramail.app.settings import Setting
from xtramail.model.nearest import nearest, perhaps


@dataclass(frozen=True, slots=True)
class Renamed:
    """``now`` is the whole key, empty where the setting is gone; ``why`` says then what to do instead."""

    since: str
    now: str = ""
    why: str = ""


RENAMED: Mapping[str, Renamed] = {}
"""By the old key, ``section.name``. No version with other names than today's was released yet."""


def unknown_setting(key: str, known: Mapping[str, Setting], renamed: Mapping[str, Renamed]) -> str:
    """What is wrong with ``key``, and what to write."""
    if key in renamed:
        return _renamed(key, renamed[key])
    section, _, name = key.partition(".")
    here = [setting.name for setting in known.values() if setting.section == section]
    if not here:
        return "no such setting; write section.key, such as retention.days"
    elsewhere = [setting.key for setting in known.values() if setting.name == name]
    meant = f"perhaps {elsewhere[0]}? " if elsewhere else perhaps(name, here)
    return f"no such setting; {meant}[{section}] has {', '.join(here)}"


def unknown_section(section: str, known: Mapping[str, Setting]) -> str:
    sections = list(dict.fromkeys(setting.section for setting in known.values()))
    return f"no such section; {perhaps(section, sections)}there are {', '.join(sections)}"


def unknown_variable(variable: str, variables: Iterable[str], renamed: Mapping[str, Renamed]) -> str:
    """As :func:`unknown_setting`, of the environment."""
    for key, one in renamed.items():
        if variable_of(key) == variable:
            return _renamed(key, one) + (f" to {variable_of(one.now)}" if one.now else "")
    meant = nearest(variable, variables)
    return f"no such setting; perhaps {meant}?" if meant else "no such setting"


def variable_of(key: str) -> str:
    return "XTRAMAIL_" + key.replace(".", "_").replace("-", "_").upper()


def _renamed(key: str, one: Renamed) -> str:
    section, _, name = key.partition(".")
    if not one.now:
        return f"[{section}] {name} is gone since {one.since}: {one.why}"
    new_section, _, new_name = one.now.partition(".")
    now = new_name if new_section == section else f"[{new_section}] {new_name}"
    return f"[{section}] {name} is called {now} since {one.since}: change it"
