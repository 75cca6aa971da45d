"""``xtramail doctor``: what should be mended, each finding with its remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import click

from xtramail.app.command.cert import found as certificates_found
from xtramail.app.command.context import Context, Reporting, count_of, size_text, when
from xtramail.app.doors import place_of
from xtramail.app.greeting import first_line, greeting, reason_of
from xtramail.app.next_hop import look_at
from xtramail.delivery.retention import read_state
from xtramail.directory.alert_settings import refuse_served
from xtramail.directory.domain_settings import text
from xtramail.directory.domains import host_text
from xtramail.directory.primaries import primary_of
from xtramail.model.bucket import bucket_day
from xtramail.model.clock import day_of
from xtramail.model.errors import XtramailError
from xtramail.model.primary import State
from xtramail.store import keys, outbound
from xtramail.store.records import DomainRow
from xtramail.store.server_lock import is_held

ASKED_AT_ONCE = 16
OLD_SECONDS = 3_600
CHECK_LOG = "look into the server's log: it may not run with these settings"


@dataclass(frozen=True, slots=True)
class Finding:
    """``level``: ok, info, warn or error; ``remedy`` one line, empty when there is nothing to do."""

    level: str
    what: str
    remedy: str = ""


@click.command(cls=Reporting)
@click.pass_obj
def doctor(context: Context) -> None:
    """Check ports, certificates, store, clock, queue and primaries.

    One line for each finding, with its remedy. Exit code 1 when one of them is an error.
    """
    findings = list(_all(context))
    rows = [{"level": one.level, "finding": one.what, "remedy": one.remedy} for one in findings]
    context.table(rows, ("level", "finding", "remedy"), "")
    if any(one.level == "error" for one in findings):
        click.get_current_context().exit(1)


def _all(context: Context) -> Iterator[Finding]:
    # What comes first has to be there for anything else to be looked at: settings, a store, its format.
    context.engine  # noqa: B018
    for check in CHECKS:
        try:
            yield from check(context)
        except (XtramailError, OSError) as error:
            text = error.text if isinstance(error, XtramailError) else str(error)
            yield Finding("error", text, "mend this first, then run doctor again")


def _keys(context: Context) -> Iterator[Finding]:
    keyring = context.keyring
    yield Finding("ok", f"password keys: {count_of(len(keyring.keys), 'key')} in {context.paths.keys}")


def _server(context: Context) -> Iterator[Finding]:
    if not is_held(context.paths.store):
        yield Finding("warn", "the server is stopped", "start it: systemctl start xtramail, or twistd -n xtramail")
        return
    listen = context.settings.listen
    for endpoint in listen.smtp:
        yield _port("smtp", endpoint, b"220")
    for endpoint in listen.submission:
        yield _port("submission", endpoint, b"220")
    for endpoint in listen.submissions:
        yield _port("submissions", endpoint, b"220", tls=True)
    for endpoint in listen.imaps:
        yield _port("imaps", endpoint, b"* OK", tls=True)
    for endpoint in listen.imap:
        yield _port("imap", endpoint, b"* OK")
    for endpoint in listen.pop3s:
        yield _port("pop3s", endpoint, b"+OK", tls=True)
    for endpoint in listen.pop3:
        yield _port("pop3", endpoint, b"+OK")


def _port(name: str, endpoint: str, wanted: bytes, *, tls: bool = False) -> Finding:
    place = place_of(endpoint)
    if place is None:
        return Finding("info", f"{name} listens on {endpoint}, which cannot be tried from here")
    what = f"{name} on {place[0]} port {place[1]}"
    try:
        said = greeting(place, tls=tls)
    except OSError as error:
        return Finding("error", f"{what}: {reason_of(error)}", CHECK_LOG)
    if said.startswith(wanted):
        return Finding("ok", f"{what} answers" + (" with TLS" if tls else ""))
    return Finding("error", f"{what} says {first_line(said)!r}", CHECK_LOG)


def _certificates(context: Context) -> Iterator[Finding]:
    rows = certificates_found(context)
    remedy = "install one: xtramail cert install CRT KEY"
    if not rows:
        yield Finding("error", f"there is no certificate in {context.paths.certificates}", remedy)
    for row in rows:
        if row["fault"]:
            level = "warn" if row["soon"] else "error"
            yield Finding(level, f"certificate {row['name']}: {row['fault']}", remedy)
        else:
            yield Finding("ok", f"certificate {row['name']} is good until {row['until']}")


def _space(context: Context) -> Iterator[Finding]:
    free, used = context.engine.free_bytes(), context.engine.used_bytes()
    settings = context.settings
    reserve = max((free + used) * settings.store.reserve_percent // 100, 2 * settings.limits.message_size)
    text = f"{size_text(used)} used, {size_text(free)} free"
    if free < reserve:
        yield Finding("error", f"{text}: mail is refused with 452", "make room on the disk of the store")
    elif free < 3 * reserve:
        yield Finding("warn", f"{text}: mail is refused below {size_text(reserve)}", "make room on that disk")
    else:
        yield Finding("ok", text)


def _clock(context: Context) -> Iterator[Finding]:
    now = context.now()
    state = context.engine.read(keys.STORE, read_state)
    newest = max(map(bucket_day, context.engine.buckets()), default=0)
    if newest > day_of(now):
        yield Finding("error", f"the clock says {when(now)}, and there is mail of a later day", "set it, by NTP")
    elif state.paused:
        yield Finding("warn", f"expiry is paused: {state.paused}", "if the clock is right: xtramail expire --confirm")
    else:
        yield Finding("ok", f"the clock says {when(now)}")


def _ledger(context: Context) -> Iterator[Finding]:
    balance = context.engine.read(keys.QUEUE, outbound.balance)
    if balance.holds:
        yield Finding("ok", f"the ledger balances: {balance.accepted} accepted recipients, each with one fate")
    else:
        counts = sum(balance.fates.values())
        yield Finding(
            "error",
            f"the ledger does not balance: {balance.accepted} accepted, {counts} fates",
            "run: xtramail verify; mail is still served",
        )


def _queue(context: Context) -> Iterator[Finding]:
    waiting = context.engine.read(keys.QUEUE, outbound.entries)
    old = [entry for entry in waiting if context.now() - entry.arrival > OLD_SECONDS]
    held = [entry for entry in waiting if entry.held]
    if held:
        yield Finding("warn", f"{count_of(len(held), 'message')} held", "let them go: xtramail queue retry --all")
    if old:
        yield Finding("warn", f"{count_of(len(old), 'message')} waiting for over an hour", "see: xtramail queue list")
    else:
        yield Finding("ok", f"{count_of(len(waiting), 'message')} waiting, none for over an hour")


def _primaries(context: Context) -> Iterator[Finding]:
    rows = context.desk.domains()
    if not rows:
        yield Finding("info", "no domain is served yet", "add one: xtramail domain add NAME --primary HOST")
    for row in rows:
        if primary_of(context.engine, row.name).state == State.HELD:
            yield Finding("warn", f"{row.name} is held", f"let its mail go: xtramail domain release {row.name}")
    # Side by side: where many are away, nobody waits for the sum of their time-outs.
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        yield from pool.map(_primary, [(row, primary) for row in rows for primary in row.primaries])


def _primary(asked: tuple[DomainRow, tuple[str, int]]) -> Finding:
    row, primary = asked
    what = f"{row.name}: primary {host_text(*primary)}"
    fault = look_at(*primary).fault
    if fault:
        return Finding("error", f"{what}: {fault}", "its mail is kept until it answers; check that host")
    return Finding("ok", f"{what} answers")


def _alerts(context: Context) -> Iterator[Finding]:
    operator = context.settings.alerts
    refuse_served(context.engine, ",".join(operator.mail))
    with_primary = [row for row in context.desk.domains() if row.primaries]
    untold = [
        row.name for row in with_primary if not any(text(row, name) for name in ("alert-mail", "alert-webhook"))
    ]
    if not with_primary:
        return
    if operator.mail or operator.webhook or not untold:
        yield Finding("ok", "somebody is told when a primary goes down")
        return
    named = ", ".join(untold[:5]) + (" and more" if len(untold) > 5 else "")
    remedy = f"say who: xtramail domain set {untold[0]} alert-mail=ADDRESS, or [alerts] mail in the settings"
    yield Finding("info", f"nobody is told when a primary of {named} goes down", remedy)


CHECKS: tuple[Callable[[Context], Iterator[Finding]], ...] = (
    _server,
    _keys,
    _certificates,
    _space,
    _clock,
    _ledger,
    _queue,
    _primaries,
    _alerts,
)
