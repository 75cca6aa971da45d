"""What ``xtramail store upgrade`` says of what it did, or would do."""

from __future__ import annotations

from xtramail.app.command.context import count_of
from xtramail.app.upgrade import Upgraded


def upgrade_value(done: Upgraded) -> dict[str, object]:
    """For programs."""
    return {
        "format": done.found if done.dry else done.to,
        "from": done.found,
        "to": done.to,
        "dry-run": done.dry,
        "went-on": done.went_on,
        "backup": str(done.backup) if done.backup is not None else None,
        "steps": [
            {
                "from": step.before,
                "to": step.before + 1,
                "title": step.title,
                "rows": step.looked,
                "changed": step.changed,
                "damaged": step.damaged,
            }
            for step in done.steps
        ],
    }


def upgrade_text(done: Upgraded) -> str:
    """For people."""
    lines = []
    for step in done.steps:
        counts = f"{step.changed} of {count_of(step.looked, 'row')} {'would change' if done.dry else 'changed'}"
        lines.append(f"format {step.before} to {step.before + 1}: {step.title}: {counts}")
        if step.damaged:
            lines.append(f"  {count_of(step.damaged, 'row')} damaged and left as they are; see: xtramail verify")
    if done.dry:
        made = f"its backup is in {done.backup}" if done.backup is not None else "without a backup"
        begun = f"It was begun before, {made}; run it again to go on." if done.went_on else ""
        return "\n".join([*lines, begun or "Nothing was changed. Next: xtramail store upgrade --backup DIR"])
    lines.append(f"the store has format {done.to} now.")
    if done.backup is not None:
        lines.append(
            f"To take it back, with mail as it was then: install the version that wrote format {done.found}, move the "
            f"store aside, then with that version: xtramail restore {done.backup}"
        )
    return "\n".join([*lines, "Next: xtramail verify, then start the server"])
