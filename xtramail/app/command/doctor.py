"""``xtramail status`` and ``doctor``: how the server is, and what should be mended, each with its remedy."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import click

from xtramail.app.command.cert import found as certificates_found
from xtramail.app.command.context import Context, size_text, when
from xtramail.directory.domains import all_domains
from xtramail.directory.users import users_of
from xtramail.model.errors import XtramailError
from xtramail.store import keys, outbound
from xtramail.store.server_lock import is_held

CONNECT_SECONDS = 5.0


@click.command()
@click.pass_obj
def status(context: Context) -> None:
    """Show the server at a glance: running or not, store, queue, ledger."""
    engine = context.engine
    domains = all_domains(engine)
    balance = engine.read(keys.QUEUE, outbound.balance)
    waiting = engine.read(keys.QUEUE, outbound.entries)
    value: dict[str, object] = {
        "server": "running" if is_held(context.paths.store) else "stopped",
        "store": str(context.paths.store),
        "used": engine.used_bytes(),
        "free": engine.free_bytes(),
        "domains": len(domains),
        "users": sum(len(users_of(engine, row.name)) for row in domains),
        "waiting": len(waiting),
        "oldest-waiting": when(min((entry.arrival for entry in waiting), default=0.0)),
        "accepted": balance.accepted,
        "fates": {fate.value: count for fate, count in balance.fates.items()},
        "balanced": balance.holds,
    }
    if not context.as_json:
        value |= {"used": size_text(engine.used_bytes()), "free": size_text(engine.free_bytes())}
        value["fates"] = ", ".join(f"{count} {fate.value}" for fate, count in balance.fates.items() if count)
    context.fields(value)


@dataclass(frozen=True, slots=True)
class Finding:
    """``level``: ok, info, warn or error; ``remedy`` one line, empty when there is nothing to do."""

    level: str
    what: str
    remedy: str = ""


@click.command()
@click.pass_obj
def doctor(context: Context) -> None:
    """Check ports, certificates, store, clock, queue and primaries; one line of remedy for each finding."""
    findings = list(_all(context))
    rows = [{"level": one.level, "finding": one.what, "remedy": one.remedy} for one in findings]
    context.table(rows, ("level", "finding", "remedy"), "")
    if any(one.level == "error" for one in findings):
        click.get_current_context().exit(1)


def _all(context: Context) -> Iterator[Finding]:
    for check in (_server, _certificates, _space, _clock, _ledger, _queue, _primaries):
        try:
            yield from check(context)
        except XtramailError as error:
            yield Finding("error", error.text, "mend this first; the checks after it may depend on it")


def _server(context: Context) -> Iterator[Finding]:
    context.engine.read(keys.STORE, lambda snap: None)
    if not is_held(context.paths.store):
        yield Finding("warn", "the server is stopped", "start it: systemctl start xtramail")
        return
    listen = context.settings.listen
    for name in ("smtp", "submission", "submissions", "imaps"):
        for endpoint in getattr(listen, name):
            yield _port(name, endpoint)


def _port(name: str, endpoint: str) -> Finding:
    kind, _, rest = endpoint.partition(":")
    fields = dict(part.partition("=")[::2] for part in rest.split(":") if "=" in part)
    port = fields.get("port") or rest.split(":")[0]
    if kind not in ("tcp", "tcp6") or not port.isdigit():
        return Finding("info", f"{name} listens on {endpoint}")
    host = fields.get("interface", "127.0.0.1")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        return Finding("error", f"{name}: no answer on {host} port {port}: {error.strerror}", "see the server's log")
    return Finding("ok", f"{name} answers on port {port}")


def _certificates(context: Context) -> Iterator[Finding]:
    rows = certificates_found(context)
    if not rows:
        yield Finding("error", "there is no certificate", "install one: xtramail cert install CRT KEY")
    for row in rows:
        if row["fault"]:
            yield Finding("error", f"certificate {row['name']}: {row['fault']}", "xtramail cert install CRT KEY")
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
    year = time.gmtime(context.now()).tm_year
    if year < 2026:
        yield Finding("error", f"the clock says {year}", "set it, and keep it by NTP")
    else:
        yield Finding("ok", f"the clock says {when(context.now())}")


def _ledger(context: Context) -> Iterator[Finding]:
    balance = context.engine.read(keys.QUEUE, outbound.balance)
    if balance.holds:
        yield Finding("ok", f"the ledger balances: {balance.accepted} accepted recipients, each with one fate")
    else:
        yield Finding("error", f"the ledger does not balance: {balance.accepted} accepted", "run: xtramail verify")


def _queue(context: Context) -> Iterator[Finding]:
    waiting = context.engine.read(keys.QUEUE, outbound.entries)
    old = [entry for entry in waiting if context.now() - entry.arrival > 3_600]
    if old:
        yield Finding("warn", f"{len(old)} messages wait for over an hour", "see: xtramail queue list")
    else:
        yield Finding("ok", f"{len(waiting)} messages wait")


def _primaries(context: Context) -> Iterator[Finding]:
    rows = all_domains(context.engine)
    if not rows:
        yield Finding("info", "no domain is served yet", "add one: xtramail domain add NAME --primary HOST")
    for row in rows:
        yield from map(partial(_primary, row.name), row.primaries)


def _primary(domain: str, primary: tuple[str, int]) -> Finding:
    host, port = primary
    try:
        with socket.create_connection((host, port), CONNECT_SECONDS) as connection:
            connection.settimeout(CONNECT_SECONDS)
            greeting = connection.recv(512)
    except OSError as error:
        reason = error.strerror or str(error) or "no answer"
        return Finding("error", f"{domain}: primary {host}:{port}: {reason}", "mail is kept until it answers; check it")
    if greeting.startswith(b"220"):
        return Finding("ok", f"{domain}: primary {host}:{port} answers")
    line = greeting.split(b"\r\n")[0].decode("ascii", "replace")
    return Finding("error", f"{domain}: primary {host}:{port} says {line!r}", "mail is kept until it greets with 220")
