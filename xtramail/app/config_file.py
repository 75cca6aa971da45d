"""The documented configuration file, written from the settings themselves so that it cannot lie."""

from __future__ import annotations

from xtramail.app.settings import Settings, describe, section_docs

_HEAD = """\
# xtramail's settings. What is commented out is the default.
#
# Searched for as: --config FILE, $XTRAMAIL_CONFIG, ./xtramail.toml, /etc/xtramail/xtramail.toml. An option of
# `twistd xtramail` beats the environment (XTRAMAIL_SECTION_KEY), the environment beats this file.
# Times are written "300ms", "30s", "5m", "12h", "14d"; sizes "50MiB". Relative paths start at this file's folder.
# `twistd xtramail --check` reports every mistake at once.
"""


def render(settings: Settings | None = None) -> str:
    """TOML text of every setting with its documentation: what differs from the default active, the rest commented."""
    settings = settings or Settings()
    docs = section_docs()
    lines = [_HEAD]
    section = ""
    for setting in describe():
        if setting.section != section:
            section = setting.section
            lines.append(f"\n# {docs[section]}\n[{section}]")
        value = getattr(getattr(settings, section), setting.attribute)
        mark = "#" if value == setting.default else ""
        lines.append(f"# {setting.doc}\n{mark}{setting.name} = {setting.kind.show(value)}")
    return "\n".join(lines) + "\n"
