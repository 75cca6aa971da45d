"""QUOTA (RFC 9208) as clients read it for their quota bars, and what happens at the limit."""

from __future__ import annotations

from tests.imap_world import MAIL, World
from xtramail.model.bucket import FIRST_DOMAIN_CLASS
from xtramail.store import domains, keys
from xtramail.store.records import DomainRow, RecipientRow


def test_the_one_root_of_every_mailbox_tells_kibibytes() -> None:
    made = World(quota=10_500)
    made.deliver(MAIL + b"x" * 2000)
    client = made.client()
    line = '* QUOTA "mail" (STORAGE 3 10)\r\nT OK Quota told\r\n'
    assert client.say('GETQUOTA "mail"') == line
    assert client.say("GETQUOTAROOT inbox") == '* QUOTAROOT "INBOX" "mail"\r\n' + line
    assert client.say("GETQUOTAROOT not/there").startswith('* QUOTAROOT "not/there" "mail"\r\n')
    assert client.say("GETQUOTA other").startswith("T NO [NONEXISTENT]")
    assert client.say('GETQUOTA ""').startswith("T NO [NONEXISTENT]")


def test_without_a_limit_there_is_no_root() -> None:
    client = World().client()
    assert client.say("GETQUOTAROOT INBOX") == '* QUOTAROOT "INBOX"\r\nT OK Quota told\r\n'
    assert client.say("GETQUOTA mail").startswith("T NO [NONEXISTENT]")


def test_quota_is_offered_with_its_resource_and_cannot_be_set() -> None:
    client = World(quota=10_000).client()
    assert " QUOTA QUOTA=RES-STORAGE" in client.say("CAPABILITY")
    assert client.say("SETQUOTA mail (STORAGE 5)").startswith("T BAD")
    assert client.say("GETQUOTA").startswith("T BAD")
    assert client.say("GETQUOTAROOT").startswith("T BAD")


def test_status_tells_what_expunge_would_free() -> None:
    made = World()
    made.deliver()
    made.deliver(MAIL + b"x" * 500)
    client = made.client()
    assert "(DELETED-STORAGE 0)" in client.say("STATUS INBOX (DELETED-STORAGE)")
    client.say("SELECT INBOX")
    client.say("STORE 2 +FLAGS (\\Deleted)")
    assert f"(MESSAGES 2 DELETED-STORAGE {len(MAIL) + 500})" in client.say("STATUS INBOX (MESSAGES DELETED-STORAGE)")


def test_at_the_limit_append_and_copy_are_refused_whole() -> None:
    made = World(quota=4 * len(MAIL))
    made.deliver()
    made.deliver()
    made.deliver()
    client = made.client()
    client.say("SELECT INBOX")
    assert client.say("COPY 1:2 Archive").startswith("T NO [OVERQUOTA]")
    assert "T OK" in client.append(MAIL, "Archive")
    assert "T NO [OVERQUOTA]" in client.append(MAIL, "Archive")
    assert "(MESSAGES 1)" in client.say("STATUS Archive (MESSAGES)")


def test_in_a_full_domain_append_and_copy_are_refused_whoever_filled_it() -> None:
    made = World()
    made.deliver()
    scope, changes = keys.domain_scope("example.org"), (keys.DOMAIN_CHANGES, domains.settings_changed)
    row = RecipientRow(local="ann", account_id=made.ann.id, kind="user", created=0.0)
    full = DomainRow(name="example.org", retention_class=FIRST_DOMAIN_CLASS, retention_days=30, quota=len(MAIL) // 2)
    listed = (scope, lambda txn: domains.put_recipient(txn, "ann", row))
    made.engine.transact_all([(scope, lambda txn: domains.put_domain(txn, full)), listed, changes]).result()
    client = made.client()
    client.say("SELECT INBOX")
    assert "T NO [OVERQUOTA]" in client.append(MAIL, "Archive")
    assert client.say("COPY 1 Archive").startswith("T NO [OVERQUOTA]")
    assert "T OK" in client.say("MOVE 1 Archive")


def test_when_only_the_reserve_is_left_nothing_is_appended_or_copied_and_deleting_goes_on() -> None:
    made = World()
    for _ in range(4):
        made.deliver()
    client = made.client()
    client.say("SELECT INBOX")
    made.full = True
    assert "T NO [LIMIT]" in client.append(MAIL, "Archive")
    assert client.say("COPY 1:2 Archive").startswith("T NO [LIMIT]")
    assert client.say("COPY 1 nowhere").startswith("T NO [TRYCREATE]")
    assert "(MESSAGES 0)" in client.say("STATUS Archive (MESSAGES)")
    assert "T OK" in client.say("MOVE 4 Trash")
    # A client without MOVE deletes by COPY.
    assert "T OK" in client.say("COPY 3 Trash")
    assert "T OK" in client.say("STORE 3 +FLAGS.SILENT (\\Deleted)")
    assert "* 3 EXPUNGE" in client.say("EXPUNGE")
    assert client.say("COPY 1 Recovered").startswith("T NO [CANNOT]")
    made.full = False
    assert "T OK" in client.say("COPY 1:2 Archive")
