"""``xtramail cert``: the certificates that the server shows."""

from __future__ import annotations

from pathlib import Path

import click

from xtramail.app.authority import signing_request
from xtramail.app.command.context import Commands, Context, become_owner, when
from xtramail.model.errors import BadInput
from xtramail.net.certificates import CertificateFault, check_pair, find_pairs, install_pair, time_fault

SOON_DAYS = 14


@click.group(cls=Commands)
def cert() -> None:
    """List, check, install and request certificates. A running server takes a new one by itself."""


def found(context: Context) -> list[dict[str, object]]:
    """Every pair in the folder, with what is wrong with it."""
    rows: list[dict[str, object]] = []
    for name, certificate_file, key_file in find_pairs(context.paths.certificates):
        row: dict[str, object] = {"name": name, "file": str(certificate_file)}
        try:
            identity = check_pair(certificate_file, key_file, name=name)
        except CertificateFault as fault:
            rows.append(row | {"names": [], "until": None, "fault": fault.text})
            continue
        late = time_fault(identity, context.now())
        soon = "" if late else time_fault(identity, context.now() + SOON_DAYS * 86_400)
        rows.append(
            row
            | {
                "names": list(identity.names),
                "until": when(identity.not_after),
                "fault": late or (f"ends within {SOON_DAYS} days" if soon else ""),
            }
        )
    return rows


@cert.command("list")
@click.pass_obj
def list_(context: Context) -> None:
    """List the certificates of the folder."""
    empty = f"no certificate in {context.paths.certificates}"
    context.table(found(context), ("name", "names", "until", "fault"), empty)


@cert.command()
@click.pass_obj
def check(context: Context) -> None:
    """Check chain, key, names and dates of every certificate, and that each host name has one."""
    rows = found(context)
    faults = [f"{row['name']}: {row['fault']}" for row in rows if row["fault"]]
    covered = [str(name) for row in rows for name in _names(row)]
    for host in context.settings.server.hostname:
        if not any(name == host or (name.startswith("*.") and host.partition(".")[2] == name[2:]) for name in covered):
            faults.append(f"{host}: no certificate is for this host name; install one: xtramail cert install CRT KEY")
    value = {"checked": len(rows), "faults": faults}
    context.done(value, "\n".join(faults) if faults else f"{len(rows)} certificates are good")
    if faults:
        click.get_current_context().exit(1)


def _names(row: dict[str, object]) -> list[object]:
    names = row["names"]
    return names if isinstance(names, list) else []


@cert.command()
@click.argument("crt", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("key", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.pass_obj
def install(context: Context, crt: Path, key: Path) -> None:
    """Install a certificate (its issuers after it in CRT) with its key, once both were found good."""
    identity = install_pair(context.paths.certificates, crt, key, now=context.now())
    context.done(
        {"names": list(identity.names), "until": when(identity.not_after), "file": str(identity.certificate_file)},
        f"certificate for {', '.join(identity.names)} installed, good until {when(identity.not_after)}.",
    )


@cert.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.pass_obj
def csr(context: Context, names: tuple[str, ...]) -> None:
    """Make a key and a signing request for NAME, to be sent to a certificate authority."""
    if not context.paths.certificates.is_dir():
        raise BadInput(f"{context.paths.certificates} is no folder; start the server once, or run xtramail init")
    become_owner(context.paths.certificates)
    request, key = signing_request(context.paths.certificates, names)
    context.done(
        {"request": str(request), "key": str(key)},
        f"request: {request}\nkey:     {key}\nNext: send the request to your authority, then:\n"
        f"  xtramail cert install ANSWER.crt {key}",
    )
