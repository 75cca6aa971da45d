"""``xtramail cert``: the certificates that the server shows."""

from __future__ import annotations

from pathlib import Path

import click

from xtramail.app.authority import signing_request
from xtramail.app.command.context import Commands, Context, count_of, when
from xtramail.app.command.privilege import become_owner, give
from xtramail.model.address import domain_key
from xtramail.model.errors import BadInput
from xtramail.model.host import is_address
from xtramail.net.certificates import (
    CertificateFault,
    check_pair,
    find_pairs,
    matches,
    read_pair,
    time_fault,
    write_pair,
)

SOON_DAYS = 14
_LONGEST_NAME = 253


@click.group(cls=Commands)
def cert() -> None:
    """List, check, install and request certificates.

    A running server takes a new one by itself.
    """


def found(context: Context) -> list[dict[str, object]]:
    """Every pair in the folder, with what is wrong with it; ``soon`` when that is only its end."""
    rows: list[dict[str, object]] = []
    for name, certificate_file, key_file in find_pairs(context.paths.certificates):
        row: dict[str, object] = {"name": name, "file": str(certificate_file)}
        try:
            identity = check_pair(certificate_file, key_file, name=name)
        except CertificateFault as fault:
            rows.append(row | {"names": [], "until": None, "fault": fault.text, "soon": False})
            continue
        late = time_fault(identity, context.now())
        soon = not late and bool(time_fault(identity, context.now() + SOON_DAYS * 86_400))
        fault_text = late or (f"ends within {SOON_DAYS} days: renew it" if soon else "")
        names, until = list(identity.names), when(identity.not_after)
        rows.append(row | {"names": names, "until": until, "fault": fault_text, "soon": soon})
    return rows


@cert.command("list")
@click.pass_obj
def list_(context: Context) -> None:
    """List the certificates of the folder."""
    _as_owner(context)
    empty = f"no certificate in {context.paths.certificates}; install one: xtramail cert install CRT KEY"
    context.table(found(context), ("name", "names", "until", "fault"), empty)


@cert.command()
@click.pass_obj
def check(context: Context) -> None:
    """Check chain, key, names and dates of every certificate, and that each host name has one.

    Exit code 1 when something is wrong.
    """
    hosts = context.named_settings.server.hostname
    _as_owner(context)
    rows = found(context)
    faults = [f"{row['name']}: {row['fault']}" for row in rows if row["fault"]]
    covered = [str(name) for row in rows for name in _names(row)]
    for host in hosts:
        if not any(matches(name, host) for name in covered):
            faults.append(f"{host}: no certificate is for this host name; install one: xtramail cert install CRT KEY")
    good = f"{count_of(len(rows), 'certificate')} checked: all good"
    context.done({"checked": len(rows), "faults": faults}, "\n".join(faults) if faults else good)
    if faults:
        click.get_current_context().exit(1)


def _names(row: dict[str, object]) -> list[object]:
    names = row["names"]
    return names if isinstance(names, list) else []


def _as_owner(context: Context) -> None:
    folder = context.paths.certificates
    if folder.is_dir():
        become_owner(folder)


def _made(context: Context) -> Path:
    """The folder, as whose owner we go on; made for the store's owner where it is missing."""
    folder = context.paths.certificates
    if not folder.is_dir():
        store = context.paths.store
        if not store.is_dir():
            raise BadInput(f"neither {folder} nor {store} is a folder; make an installation first: xtramail init DIR")
        folder.mkdir(mode=0o700, parents=True)
        give(folder, store)
    become_owner(folder)
    return folder


@cert.command()
@click.argument("crt", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("key", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.pass_obj
def install(context: Context, crt: Path, key: Path) -> None:
    """Install a certificate (its issuers after it in CRT) with its key, once both were found good."""
    # Read as whoever we are: the files may be for root's eyes only, the folder is the service's.
    pair = read_pair(crt, key, now=context.now())
    identity = write_pair(_made(context), pair)
    context.done(
        {"names": list(identity.names), "until": when(identity.not_after), "file": str(identity.certificate_file)},
        f"certificate for {', '.join(identity.names)} installed, good until {when(identity.not_after)}.\n"
        "A running server shows it within half a minute, or at once after SIGHUP.",
    )


@cert.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.pass_obj
def csr(context: Context, names: tuple[str, ...]) -> None:
    """Make a key and a signing request for NAME, to be sent to a certificate authority."""
    hosts = [_host(name) for name in names]
    folder = _made(context)
    taken = folder / "requests" / f"{hosts[0].replace('*.', '_wildcard.', 1)}.key"
    if taken.exists():
        raise BadInput(
            f"{taken} exists already: a request may be under way; install its answer, or remove that file first"
        )
    request, key = signing_request(folder, hosts)
    context.done(
        {"request": str(request), "key": str(key), "names": hosts},
        f"request: {request}\nkey:     {key}\nNext: send the request to your authority, then:\n"
        f"  xtramail cert install ANSWER.crt {key}",
    )


def _host(name: str) -> str:
    """A host name, wildcard or address as a certificate has it; it becomes the name of a file, too."""
    if is_address(name):
        return name
    wildcard = "*." if name.startswith("*.") else ""
    bare = domain_key(name.removeprefix("*."))
    if bare.startswith("[") or len(bare) > _LONGEST_NAME - len(wildcard):
        raise BadInput(f"name {name!r}: write it as mail.example.org, *.example.org or 192.0.2.1")
    return wildcard + bare
