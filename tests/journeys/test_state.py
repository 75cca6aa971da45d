"""A11: all of a server is exported, brought to an empty one, and nothing is different; users notice nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import bcrypt
import pyotp
import pytest

from tests.journeys.conftest import ANN, BEN, DOMAIN, Install
from tests.journeys.harness import PROGRAMS, Installation, Refused, eventually, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary

OTHER = "other.test"


def output(server: Installation, *arguments: str) -> bytes:
    """Standard output as it is, of a command that must succeed."""
    words = [str(PROGRAMS / "xtramail"), "--config", str(server.config), *arguments]
    return subprocess.run(words, check=True, capture_output=True, timeout=120).stdout


def furnish(server: Installation) -> str:
    """One of everything that has a command, and what Ann's phone needs; her device's password is ``users[phone]``."""
    server.command("tenant", "add", "acme", "--note", "since 2026")
    server.command("domain", "set", DOMAIN, "tenant=acme", "outage-faults=5", "contact=" + ANN)
    server.command("domain", "add", OTHER, "--retention-days", "90")
    server.command("domain-alias", "add", "also.test", DOMAIN)
    server.command("user", "add", f"cy@{OTHER}", "--generate", "--quota", "1GiB")
    server.command("user", "add", f"all@{DOMAIN}", "--type", "list")
    server.command("user", "set", BEN, "hide=IDLE", "outside-address=ben@private.example", "send-rate=9")
    server.command("mirror", "add", DOMAIN, "--into", f"cy@{OTHER}", "--days", "7")
    server.command("alias", "add", f"sales@{OTHER}", f"cy@{OTHER}", "far@elsewhere.example")
    server.command("sender", "add", f"*@{OTHER}", f"cy@{OTHER}")
    server.command("route", "add", OTHER, "smart.example:587", "--out", "--for", "down")
    server.command("dkim", "create", DOMAIN, "--algorithm", "ed25519")
    server.command("admin", "add", "tim@acme.example", "--role", "tenant-admin", "--tenant", "acme", "--generate")
    server.command("token", "add", "billing", "--admin", "tim@acme.example")
    server.command("domain", "relay-account", DOMAIN, "create")
    phone: str = server.command("device", "add", ANN, "--name", "Ann's phone")["generated"]
    return phone


def test_everything_is_exported_and_brought_to_an_empty_server(
    office: Installation, primary: ScriptedPrimary, install: Install, tmp_path: Path
) -> None:
    phone = furnish(office)
    seed = office.command("totp", "start", ANN)["secret"]
    office.command("totp", "confirm", ANN, pyotp.TOTP(seed).now())
    state = output(office, "export", "--with-secrets")
    assert all(json.loads(state)[kind] for kind in ("tenants", "domains", "users", "devices", "totp", "tokens", "dkim"))

    new = install("new")
    file = tmp_path / "state.json"
    file.write_bytes(state)
    with pytest.raises(Refused, match="made with the key"):
        new.command("apply", str(file))
    assert json.loads(output(new, "export"))["users"] == []
    # Password keys alone: how the log of changes ended is noted beside them, and that is another server's log.
    shutil.copy(office.folder / "keys" / "passwords.key", new.folder / "keys" / "passwords.key")
    new.start()
    assert new.command("apply", str(file), "--dry-run")["applied"] is False
    plan = new.command("apply", str(file))
    assert plan["applied"] and plan["plan"]["users"]["add"] == 4
    assert output(new, "export", "--with-secrets") == state, "no difference"
    assert new.command("apply", str(file))["applied"] is False, "twice changes nothing"

    # What was brought over works in the server that ran meanwhile.
    new.users = {ANN: phone, BEN: office.users[BEN]}
    new.send(mail("moved", to=ANN), ANN)
    with new.imap(ANN) as client:
        assert len(fetched(client)) == 1
    with new.submission(BEN) as client:
        client.sendmail(BEN, [ANN], mail("colleague", sender=BEN, to=ANN))
    eventually(lambda: len(primary.messages) >= 2, what="handed on to the primary that the document names")
    assert new.command("audit", "verify")["whole"]


def test_sixty_users_come_with_hashes_of_their_old_server(office: Installation, tmp_path: Path) -> None:
    hashed = bcrypt.hashpw(b"old server horse", bcrypt.gensalt(4)).decode()
    file = tmp_path / "users.csv"
    rows = [f"user{number:02}@{DOMAIN};{hashed}" for number in range(60)]
    file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(["address;password-hash", *rows, ""]).encode())
    assert office.command("import", str(file), "--kind", "users")["plan"]["users"]["add"] == 60
    someone = f"user07@{DOMAIN}"
    office.users[someone] = "old server horse"

    def stored() -> str:
        users = json.loads(output(office, "export", "--with-secrets"))["users"]
        found: str = next(row["password-hash"] for row in users if row["address"] == someone)
        return found

    with office.imap(someone) as session:
        assert session.noop()[0] == "OK"
        eventually(lambda: stored().startswith("{XTRA-BCRYPT}"), what="it is ours after the first good login")
        assert session.noop()[0] == "OK", "who is logged in stays so"
    with office.imap(someone):
        pass
    assert office.command("import", str(file), "--kind", "users")["applied"] is False, "it is the same password"


def test_a_wrong_row_is_named_and_nothing_is_done_while_the_server_runs(office: Installation, tmp_path: Path) -> None:
    before = output(office, "export", "--with-secrets")
    file = tmp_path / "users.csv"
    file.write_text(f"address,generate\nnew@{DOMAIN},yes\nnew@nowhere.test,yes\n")
    with pytest.raises(Refused, match="users, line 3: address: domain nowhere.test is not served here"):
        office.command("import", str(file), "--kind", "users", "--passwords", str(tmp_path / "new.csv"))
    assert not (tmp_path / "new.csv").exists()
    assert output(office, "export", "--with-secrets") == before


def test_ten_thousand_users_come_and_go_on_while_mail_arrives(
    office: Installation, install: Install, tmp_path: Path
) -> None:
    file, passwords = tmp_path / "users.csv", tmp_path / "passwords.csv"
    file.write_text("address\n" + "".join(f"user{number:05}@{DOMAIN}\n" for number in range(10_000)))
    words = [str(PROGRAMS / "xtramail"), "--config", str(office.config), "import", str(file)]
    words += ["--kind", "users", "--generate", "--passwords", str(passwords)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as importing:
        sent = 0
        while importing.poll() is None:
            office.send(mail(f"meanwhile{sent}"), ANN)
            sent += 1
    assert importing.returncode == 0 and sent
    someone, made = passwords.read_text().splitlines()[7_000].split(",")
    office.users[someone] = made
    with office.imap(someone) as client:
        assert {b"INBOX", b"Sent"} <= {line.split()[-1].strip(b'"') for line in client.list()[1] if line}
    office.send(mail("to one of them"), someone)
    with office.imap(someone) as client:
        assert len(fetched(client)) == 1
    state = tmp_path / "state.json"
    state.write_bytes(output(office, "export", "--with-secrets"))
    new = install("new")
    # Password keys alone: how the log of changes ended is noted beside them, and that is another server's log.
    shutil.copy(office.folder / "keys" / "passwords.key", new.folder / "keys" / "passwords.key")
    assert new.command("apply", str(state))["plan"]["users"]["add"] == 10_002
    assert output(new, "export", "--with-secrets") == state.read_bytes()
