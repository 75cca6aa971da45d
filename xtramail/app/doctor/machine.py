"""Checks that only look at this machine and at the store: quick, and one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from xtramail.app.command.context import count_of, size_text, when
from xtramail.app.doctor.finding import Finding
from xtramail.app.doctor.patient import Patient
from xtramail.delivery.clock_rule import BEHIND
from xtramail.delivery.retention import read_state
from xtramail.directory.alert_settings import refuse_served
from xtramail.directory.audit_log import Checked
from xtramail.directory.domain_settings import text
from xtramail.directory.keyring import Keyring
from xtramail.directory.primaries import primary_of
from xtramail.model.bucket import bucket_day
from xtramail.model.clock import day_of
from xtramail.model.errors import XtramailError
from xtramail.model.primary import State
from xtramail.store import keys, outbound
from xtramail.store.aliases import catch_all
from xtramail.store.filesystem import disk_free
from xtramail.store.last_backup import last_backup

OLD_SECONDS = 3_600.0
BACKUP_SECONDS = 2 * 86_400.0
"""The timer makes one each night; one may fail."""


def password_keys(patient: Patient, keyring: Callable[[], Keyring]) -> Iterator[Finding]:
    """``keyring`` reads them; BadInput when they are not there."""
    found = count_of(len(keyring().keys), "key")
    yield Finding("ok", "keys", f"password keys: {found} in {patient.paths.keys}")


def space(patient: Patient) -> Iterator[Finding]:
    free, used = patient.engine.free_bytes(), patient.engine.used_bytes()
    settings = patient.settings
    reserve = max((free + used) * settings.store.reserve_percent // 100, 2 * settings.limits.message_size)
    told = f"{size_text(used)} used, {size_text(free)} free"
    if free < reserve:
        yield Finding("error", "disk", f"{told}: mail is refused with 452", "make room on the disk of the store")
    elif free < 3 * reserve:
        yield Finding("warn", "disk", f"{told}: mail is refused below {size_text(reserve)}", "make room on that disk")
    else:
        yield Finding("ok", "disk", told)
    yield _map(patient, free)


def _map(patient: Patient, free: int) -> Finding:
    reserved = patient.settings.store.map_size
    if free >= disk_free(patient.paths.store):
        return Finding("ok", "map", f"the store's address space ({size_text(reserved)}) is larger than the disk's rest")
    share = 100 * max(reserved - free, 0) // reserved
    told = f"the store fills {share} % of its address space ({size_text(reserved)})"
    if share < 80:
        return Finding("ok", "map", told)
    remedy = "raise store.map-size (and ulimit -v where it is set), then restart the server"
    return Finding("error" if share >= 95 else "warn", "map", f"{told}; mail is refused when it is full", remedy)


def clock(patient: Patient, kept: Callable[[], bool | None]) -> Iterator[Finding]:
    """``kept``: as ``kernel_clock.kept_right``."""
    state = patient.engine.read(keys.STORE, read_state)
    newest = max(map(bucket_day, patient.engine.buckets()), default=0)
    told = f"the clock says {when(patient.now)}"
    if newest > day_of(patient.now):
        yield Finding("error", "clock", f"{told}, and there is mail of a later day", "set it, by NTP")
    elif state.wall > patient.now + BEHIND:
        remedy = "set it, by NTP; if it was wrong then and is right now: xtramail expire --confirm"
        yield Finding("error", "clock", f"{told}, and the server was at work at {when(state.wall)}", remedy)
    elif state.paused:
        remedy = "if the clock is right: xtramail expire --confirm"
        yield Finding("warn", "clock", f"expiry is paused: {state.paused}", remedy)
    else:
        yield Finding("ok", "clock", told)
    right = kept()
    if right is None:
        yield Finding("info", "ntp", "the kernel does not say whether somebody keeps its clock right")
    elif right:
        yield Finding("ok", "ntp", "the kernel's clock is kept right")
    else:
        remedy = "run an NTP client: systemctl enable --now systemd-timesyncd, or chrony"
        yield Finding("warn", "ntp", "nobody keeps the clock right: expiry and certificates go by it", remedy)


def ledger(patient: Patient) -> Iterator[Finding]:
    balance = patient.engine.read(keys.QUEUE, outbound.balance)
    if balance.holds:
        told = f"the ledger balances: {balance.accepted} accepted recipients, each with one fate"
        yield Finding("ok", "ledger", told)
    else:
        told = f"the ledger does not balance: {balance.accepted} accepted, {sum(balance.fates.values())} fates"
        yield Finding("error", "ledger", told, "run: xtramail verify; mail is still served")


def changes(checked: Callable[[], Checked]) -> Iterator[Finding]:
    """``checked``: as ``audit_log.verify_audit``."""
    found = checked()
    if found.broken:
        remedy = "see: xtramail audit verify, the server's log, and the newest good backup"
        yield Finding("error", "changes", f"the log of changes is not whole: {found.fault}", remedy)
    else:
        yield Finding("ok", "changes", f"the log of changes is whole: {count_of(found.rows, 'row')}")


def queue(patient: Patient) -> Iterator[Finding]:
    waiting = patient.engine.read(keys.QUEUE, outbound.entries)
    old = [entry for entry in waiting if patient.now - entry.arrival > OLD_SECONDS]
    held = [entry for entry in waiting if entry.held]
    if held:
        told = f"{count_of(len(held), 'message')} held"
        yield Finding("warn", "queue", told, "let them go: xtramail queue retry --all")
    if old:
        told = f"{count_of(len(old), 'message')} waiting for over an hour"
        yield Finding("warn", "queue", told, "see: xtramail queue list")
    else:
        yield Finding("ok", "queue", f"{count_of(len(waiting), 'message')} waiting, none for over an hour")


def backup(patient: Patient) -> Iterator[Finding]:
    last = patient.engine.read(keys.STORE, last_backup)
    remedy = "make one each night: systemctl enable --now xtramail-backup.timer, or: xtramail backup DIR"
    if last is None:
        yield Finding("warn", "backup", "no backup was ever written", remedy)
        return
    age = patient.now - last
    told = f"the last backup was written {when(last)}"
    if age > BACKUP_SECONDS:
        yield Finding("warn", "backup", f"{told}, {age / 86_400:.0f} days ago", remedy)
    elif age < -BEHIND:
        remedy = "set the clock, by NTP; if it was wrong then and is right now, make one: xtramail backup DIR"
        yield Finding("warn", "backup", f"{told}, and now it is {when(patient.now)}", remedy)
    else:
        yield Finding("ok", "backup", told)


def held(patient: Patient) -> Iterator[Finding]:
    if not patient.domains:
        remedy = "add one: xtramail domain add NAME --primary HOST"
        yield Finding("info", "domains", "no domain is served yet", remedy)
    for row in patient.domains:
        if primary_of(patient.engine, row.name).state == State.HELD:
            remedy = f"let its mail go: xtramail domain release {row.name}"
            yield Finding("warn", "domains", f"{row.name} is held", remedy)
        if row.unverified:
            remedy = f"publish its record: xtramail domain verify {row.name}"
            yield Finding("warn", "domains", f"{row.name} is not served before its owner has proved it his", remedy)
        everybody = catch_all(patient.engine, row.name)
        if everybody is not None:
            remedy = f"where that is not wanted: xtramail alias remove @{row.name}"
            taken = f"{row.name} takes mail for every address, and spam to made-up ones"
            yield Finding("info", "domains", taken, remedy)


def told(patient: Patient) -> Iterator[Finding]:
    """Who hears of trouble."""
    operator = patient.settings.alerts
    refuse_served(patient.engine, ",".join(operator.mail))
    with_primary = [row for row in patient.domains if row.primaries]
    untold = [
        row.name for row in with_primary if not any(text(row, name) for name in ("alert-mail", "alert-webhook"))
    ]
    if not with_primary:
        return
    if operator.mail or operator.webhook or not untold:
        yield Finding("ok", "alerts", "somebody is told when a primary goes down")
        return
    named = ", ".join(untold[:5]) + (" and more" if len(untold) > 5 else "")
    remedy = f"say who: xtramail domain set {untold[0]} alert-mail=ADDRESS, or [alerts] mail in the settings"
    yield Finding("info", "alerts", f"nobody is told when a primary of {named} goes down", remedy)


def guarded(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What a check finds; where it cannot look, that is a finding."""
    try:
        yield from check()
    except (XtramailError, OSError) as error:
        said = error.text if isinstance(error, XtramailError) else str(error)
        yield Finding("error", "doctor", said, "mend this first, then run doctor again")
