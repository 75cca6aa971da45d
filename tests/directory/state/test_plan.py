"""Plans: what stays, what changes, what goes, and what each rule refuses before anything is written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.delivery.world import World
from tests.desks import domain_admin, tenant_admin, user
from tests.directory.state.office import KEYRING, OTHER, Office, furnished
from xtramail.directory import admins, aliases, users
from xtramail.directory.state.apply import apply_plan
from xtramail.directory.state.catalogue import BY_NAME, KINDS
from xtramail.directory.state.document import read_document
from xtramail.directory.state.entry import Read
from xtramail.directory.state.plan import BadState, silent
from xtramail.directory.state.worlds import export_world, kinds_of
from xtramail.model.address import Address
from xtramail.model.errors import NoSuchDomain, NotPermitted, StoreBusy
from xtramail.model.outcome import Reply
from xtramail.model.pending import drive
from xtramail.store import audit, keys, mailboxes
from xtramail.store.records import AuditRow, decode

DOMAIN = [{"name": "o.example"}]


@pytest.fixture
def office() -> Office:
    made = Office()
    made.apply_rows(domains=DOMAIN, users=[{"address": "ann@o.example"}, {"address": "bob@o.example", "quota": 7}])
    return made


def addresses(office: Office) -> list[str]:
    return [account.address for account in users.users_of(office.engine, "o.example")]


def history(office: Office) -> list[AuditRow]:
    return office.engine.read(keys.AUDIT, lambda snap: [decode(row, AuditRow) for _, _, row in audit.oldest(snap)])


def test_what_is_not_in_the_file_stays_and_so_does_what_it_does_not_say(office: Office) -> None:
    plan = office.apply_rows(users=[{"address": "BOB@o.example", "status": "disabled"}, {"address": "cy@o.example"}])
    assert plan.counts == {"users": {"add": 1, "change": 1, "remove": 0, "unchanged": 0}}
    assert addresses(office) == ["ann@o.example", "bob@o.example", "cy@o.example"]
    bob = office.user("bob@o.example")
    assert (bob.status, bob.quota, bob.address) == ("disabled", 7, "bob@o.example")


def test_a_new_user_has_mailboxes_and_the_usual_quota(office: Office) -> None:
    ann = office.user("ann@o.example")
    assert ann.quota == users.DEFAULT_QUOTA
    names = {row.name for row in office.engine.read(keys.user_scope(ann.id), mailboxes.mailboxes)}
    assert {"INBOX", "Sent", "Trash"} <= names


def test_missing_ones_are_removed_where_that_is_asked_for(office: Office) -> None:
    plan = office.apply_rows(remove_missing=True, users=[{"address": "bob@o.example"}])
    assert plan.counts["users"]["remove"] == 1
    assert addresses(office) == ["bob@o.example"]


def test_a_kind_that_the_file_does_not_have_loses_nothing() -> None:
    office = furnished()
    text = office.export(secrets=False)
    assert office.apply(text, remove_missing=True).empty, "devices, seeds and keys are not in it"


def test_what_was_learned_of_the_primary_is_never_missing(office: Office) -> None:
    drive(users.add_user(office.desk, Address.parse("dee@o.example"), kind="discovered"))
    office.apply_rows(remove_missing=True, users=[])
    assert addresses(office) == ["dee@o.example"]


def test_a_whole_server_is_emptied_by_an_empty_document() -> None:
    office = furnished()
    office.apply_rows(remove_missing=True, **{kind.name: [] for kind in KINDS})
    assert office.export() == Office().export()


def test_settings_are_merged_by_name_and_complete_where_missing_ones_go() -> None:
    office = Office()
    office.apply_rows(domains=[{"name": "o.example", "settings": {"contact": "ann@o.example", "outage-faults": "5"}}])
    office.apply_rows(domains=[{"name": "o.example", "settings": {"outage-faults": "6"}}])
    assert office.desk.domain("o.example").settings == {"contact": "ann@o.example", "outage-faults": "6"}
    office.apply_rows(domains=[{"name": "o.example", "settings": {"contact": ""}}])
    assert office.desk.domain("o.example").settings == {"outage-faults": "6"}
    office.apply_rows(remove_missing=True, domains=[{"name": "o.example", "settings": {}}])
    assert office.desk.domain("o.example").settings == {}


def test_each_object_is_one_row_of_the_log_without_its_secrets(office: Office) -> None:
    before = len(history(office))
    office.apply_rows(users=[{"address": "bob@o.example", "password": "correct horse"}, {"address": "cy@o.example"}])
    rows = history(office)[before:]
    assert [(row.what, row.object, row.domain) for row in rows] == [
        ("apply: change users", "bob@o.example", "o.example"),
        ("apply: add users", "cy@o.example", "o.example"),
    ]
    assert rows[0].after == {"password-hash": "changed"}
    assert "XTRA" not in str(rows) and "horse" not in str(rows)


def test_one_wrong_row_and_nothing_is_done(office: Office) -> None:
    said = office.refused_rows(users=[{"address": "cy@o.example"}, {"address": "dora@o.example", "quota": -1}])
    assert "users, line 1: quota" in said and said.endswith("nothing was changed")


def test_what_changed_since_it_was_planned_is_not_overwritten(office: Office) -> None:
    read = read_document(b'{"format": 1, "users": [{"address": "bob@o.example", "quota": 9}]}', BY_NAME)
    plan = office.plan(read)
    drive(users.set_user(office.desk, Address.parse("bob@o.example"), quota=8))
    rows = len(history(office))
    with pytest.raises(StoreBusy, match="run it again"):
        drive(apply_plan(plan, progress=silent))
    assert office.user("bob@o.example").quota == 8
    assert len(history(office)) == rows


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ({"domains": [{"name": "n.example", "recipients": "ask"}]}, "recipients ask: there is no primary to ask"),
        ({"domains": [{"name": "n.example", "primary": ["a b"]}]}, "primary: host 'a b': write it as"),
        ({"domains": [{"name": "n.example", "settings": {"shoe": "7"}}]}, "settings: there is no setting 'shoe' here"),
        ({"domains": [{"name": "n.example", "settings": {"alert-secret": "x" * 20}}]}, "see secret-settings"),
        ({"domains": [{"name": "n.example", "settings": {"outage-faults": "x"}}]}, "outage-faults 'x': a number"),
        ({"domains": [{"name": "n.example", "settings": {"alert-mail": "a@n.example"}}]}, "its domain is served here"),
        (
            {"domains": [{"name": "n.example", "settings": {"alert-webhook": "https://h.example/"}}]},
            "alert-secret is miss",
        ),
        ({"domains": [{"name": "n.example", "primary-ca": "ca.pem"}]}, "primary-ca: 'ca.pem': write the whole path"),
        ({"domains": [{"name": "n.example", "primary-ca": "/nowhere/ca.pem"}]}, "is no PEM file of certificates"),
        ({"domains": [{"name": "n.example", "tenant": "acme"}]}, "there is no tenant 'acme'"),
        (
            {"domains": [{"name": "n.example", "retention-days": 0}, {"name": "o.example", "retention-days": 0}]},
            "days: 0",
        ),
        ({"domains": [{"name": "n.example", "priorities": ["1"]}]}, "priorities: one for each primary"),
        ({"domains": [{"name": "N.example"}, {"name": "n.EXAMPLE."}]}, "name: n.example is there already, on line 1"),
        (
            {"users": [{"address": "x@o.example", "password": "correct horse", "generate": True}]},
            "choose one of password",
        ),
        ({"users": [{"address": "x@o.example", "type": "list", "generate": True}]}, "nobody logs in to a list"),
        ({"users": [{"address": "x@o.example", "hide": "NOSUCH-"}]}, "hide"),
        (
            {"users": [{"address": "x@o.example", "settings": {"contact": "x"}}]},
            "there is no setting 'contact' of users",
        ),
        (
            {"domains": [{"name": "n.example", "settings": {"forward-as": "gone.example"}}]},
            "settings: forward-as gone.example: must be a domain that is served here",
        ),
        ({"mirrors": [{"source": "n.example"}]}, "source: domain n.example is not served here"),
        ({"mirrors": [{"source": "o.example", "into": "no@o.example"}]}, "into: there is no user no@o.example"),
        ({"mirrors": [{"source": "o.example", "days": 99999}]}, "days: 99999: a number from 1"),
        ({"aliases": [{"address": "s@o.example"}]}, "targets: 1 to 100 addresses"),
        ({"aliases": [{"address": "s@o.example", "targets": ["no@o.example"]}]}, "no@o.example: no such user or alias"),
        ({"aliases": [{"address": "s@o.example", "targets": ["s@o.example"]}]}, "no such user or alias"),
        (
            {
                "aliases": [
                    {"address": "s@o.example", "targets": ["t@o.example"]},
                    {"address": "t@o.example", "targets": ["s@o.example"]},
                ]
            },
            "t@o.example -> s@o.example -> t@o.example would go round in circles",
        ),
        ({"domain-aliases": [{"name": "o.example", "domain": "o.example"}]}, "is served with users of its own"),
        ({"domain-aliases": [{"name": "n.example", "domain": "m.example"}]}, "m.example is not served here"),
        ({"senders": [{"address": "s@o.example", "owners": ["no@o.example"]}]}, "there is no user no@o.example"),
        ({"senders": [{"address": "s@o.example"}]}, "name 1 to 100 users"),
        ({"outbound": [{"domain": "o.example", "host": "h.example", "login": "x"}]}, "login: a name and a password"),
        (
            {"outbound": [{"domain": "o.example", "host": "h.example", "when": "noon"}]},
            "choose one of always, up, down",
        ),
        ({"places": [{"address": "x@o.example", "hosts": ["h.example=x"]}]}, "write HOST:PORT=PRIORITY"),
        ({"places": [{"address": "x@o.example", "hosts": ["here"]}]}, "there is no user x@o.example with a mailbox"),
        ({"blocks": [{"address": "ann@o.example"}]}, "reason: one line"),
        ({"admins": [{"name": "tim@x.example", "role": "tenant-admin"}]}, "tenant: a tenant-admin has one"),
        ({"admins": [{"name": "tim@x.example", "domains": ["n.example"]}]}, "n.example is not served here"),
        ({"admins": [{"name": "tim@x.example", "role": "user"}]}, "choose one of operator, tenant-admin, domain-admin"),
        ({"tenants": [{"name": "Acme Inc"}]}, "tenant 'Acme Inc': 1 to"),
        ({"devices": [{"address": "ann@o.example", "name": "x"}]}, "mark: 64 hexadecimal digits"),
        (
            {"totp": [{"address": "ann@o.example", "key-id": KEYRING.current, "sealed": "AAAA"}]},
            "sealed: a sealed secret",
        ),
        ({"dkim": [{"domain": "o.example", "selector": "-"}]}, "selector '-'"),
    ],
)
def test_each_rule_is_named_with_row_and_field(
    office: Office, kinds: dict[str, list[dict[str, Any]]], said: str
) -> None:
    told = office.refused_rows(**kinds)
    assert said in told
    assert told.startswith(f"{next(iter(kinds))}, line 1: ")


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ({"users": []}, "users ann@o.example, not in the file: o.example into ann@o.example is mirrored into it"),
        ({"users": []}, "users ann@o.example, not in the file: s@o.example leads there"),
        ({"domains": []}, "domains o.example, not in the file: 2 of its users stay, such as ann@o.example"),
        ({"domains": []}, "domains o.example, not in the file: n.example is another name of it"),
        ({"domains": [{"name": "p.example"}]}, "domains o.example, not in the file: mail of p.example is forwarded in"),
        ({"tenants": []}, "tenants acme, not in the file: it owns o.example"),
        (
            {"aliases": [{"address": "r@o.example", "targets": ["s@o.example"]}]},
            "aliases s@o.example, not in the file: r@",
        ),
    ],
)
def test_what_others_need_is_not_removed(office: Office, kinds: dict[str, list[dict[str, Any]]], said: str) -> None:
    office.apply_rows(
        tenants=[{"name": "acme"}],
        domains=[
            {"name": "o.example", "tenant": "acme"},
            {"name": "p.example", "settings": {"forward-as": "o.example"}},
        ],
        mirrors=[{"source": "o.example", "into": "ann@o.example"}],
        aliases=[{"address": "s@o.example", "targets": ["ann@o.example"]}],
        **{"domain-aliases": [{"name": "n.example", "domain": "o.example"}]},
    )
    before = office.export()
    with pytest.raises(BadState) as error:
        office.apply_rows(remove_missing=True, **kinds)
    assert said.replace("o.example into ann@o.example is", "o.example is") in error.value.text
    assert office.export() == before


def test_who_has_open_mail_is_not_removed() -> None:
    world = World()
    world.primary.knows["dee"] = Reply.of(250, "", "ok")
    office = Office(engine=world.engine)
    drive(users.add_user(office.desk, Address.parse("dee@ask.example")))
    world.receive("dee@ask.example")
    with pytest.raises(BadState, match="users dee@ask.example, not in the file: user dee@ask.example: 1 messages"):
        office.apply_rows(remove_missing=True, users=[])


def test_a_document_for_many_is_checked_at_once() -> None:
    office = Office()
    office.apply_rows(
        domains=[{"name": "a.example"}, {"name": "b.example"}],
        users=[{"address": "ann@a.example"}],
        aliases=[
            {"address": "one@b.example", "targets": ["two@a.example", "far@elsewhere.example"]},
            {"address": "two@a.example", "targets": ["ann+x@a.example"]},
        ],
        senders=[{"address": "*@b.example", "owners": ["ann@a.example"]}],
    )
    assert office.apply(office.export()).empty


def test_a_domain_admin_exports_and_changes_his_domains_and_no_other() -> None:
    office = furnished()
    office.apply_rows(domains=[{"name": "other.example"}], users=[{"address": "eve@other.example"}])
    dora = domain_admin(office.engine, office.clock, "office.example", tenant="acme")
    text = office.export(desk=dora, secrets=False)
    assert "office.example" in text and "other.example" not in text and "tim@" not in text
    with pytest.raises(NotPermitted, match="export with secrets"):
        office.export(desk=dora)
    with pytest.raises(NoSuchDomain):
        office.export(desk=dora, secrets=False, domain="other.example")
    office.apply('{"format": 1, "users": [{"address": "new@office.example"}]}', desk=dora)
    for address in ("new@other.example", "new@nowhere.example"):
        with pytest.raises(BadState, match=f"domain {address.partition('@')[2]} is not served here"):
            office.apply(f'{{"format": 1, "users": [{{"address": "{address}"}}]}}', desk=dora)
    for kind in ("domains", "tenants", "admins", "tokens"):
        row = {"domains": '{"name": "office.example"}'}.get(kind, '{"name": "x@y.example", "id": "1"}')
        with pytest.raises((NotPermitted, BadState)):
            office.apply(f'{{"format": 1, "{kind}": [{row}]}}', desk=dora)
    office.apply(
        '{"format": 1, "users": []}', remove_missing=True, desk=tenant_admin(office.engine, office.clock, "none")
    )
    assert office.user("eve@other.example")


@pytest.mark.parametrize("kind", ["tenants", "domains", "domain-aliases", "outbound", "places", "admins", "tokens"])
@pytest.mark.parametrize("remove_missing", [True, False])
def test_no_admin_takes_away_what_is_an_operators_by_not_naming_it(kind: str, remove_missing: object) -> None:
    office = furnished()
    tim = tenant_admin(office.engine, office.clock, "acme")
    before = office.export()
    text = json.dumps({"format": 1, kind: []})
    if remove_missing:
        with pytest.raises(NotPermitted, match=f"changing {kind}"):
            office.apply(text, remove_missing=True, desk=tim)
    else:
        office.apply(text, desk=tim)
    assert office.export() == before


def test_an_admin_takes_away_what_is_his_and_nothing_else() -> None:
    office = furnished()
    office.apply_rows(users=[{"address": "eve@bücher.example"}])
    tim = tenant_admin(office.engine, office.clock, "acme")
    kinds = ("users", "devices", "totp", "dkim", "mirrors", "aliases", "senders", "blocks")
    text = json.dumps({"format": 1, **{kind: [] for kind in kinds}})
    office.apply(text, remove_missing=True, desk=tim)
    value = json.loads(office.export())
    left = {row["address"] for row in value["users"]}
    assert left == {"dee@office.example", "eve@bücher.example", '"o\'dd, =ö"@bücher.example'}
    assert [row["address"] for row in value["aliases"]] == ["@xn--bcher-kva.example"]


def test_a_user_exports_nothing() -> None:
    office = furnished()
    ann = user(office.engine, office.clock, "ann@office.example")
    with pytest.raises(NotPermitted):
        office.export(desk=ann, secrets=False)
    with pytest.raises(NotPermitted):
        office.apply('{"format": 1}', desk=ann)


def test_an_empty_file_plans_nothing(office: Office) -> None:
    assert office.plan(Read(entries=[], faults=[], kinds=frozenset())).empty
    assert [kind.name for kind in kinds_of(export_world(office.desk, KEYRING))] == [kind.name for kind in KINDS]


def test_a_change_of_the_same_domain_by_somebody_else_is_seen(office: Office) -> None:
    office.apply_rows(domains=[{"name": "o.example"}, {"name": "n.example"}], users=[{"address": "x@n.example"}])
    read = read_document(
        b'{"format": 1, "aliases": [{"address": "s@o.example", "targets": ["bob@o.example"]}]}', BY_NAME
    )
    plan = office.plan(read)
    drive(users.set_user(office.desk, Address.parse("x@n.example"), quota=8))
    drive(apply_plan(plan, progress=silent))
    plan = office.plan(
        read_document(b'{"format": 1, "aliases": [{"address": "s@o.example", "targets": ["a@b.c"]}]}', BY_NAME)
    )
    drive(aliases.add_alias(office.desk, "s@o.example", ["ann@o.example"]))
    with pytest.raises(StoreBusy, match="run it again"):
        drive(apply_plan(plan, progress=silent))
    assert aliases.alias_of(office.desk, "s@o.example").targets == ("bob@o.example", "ann@o.example")


def test_a_domain_given_to_another_tenant_leaves_its_admins_unless_they_come_with_it(office: Office) -> None:
    office.apply_rows(
        tenants=[{"name": "acme"}, {"name": "acorn"}],
        domains=[{"name": "o.example", "tenant": "acme"}],
        admins=[
            {"name": "dora@x.example", "tenant": "acme", "domains": ["o.example"]},
            {"name": "bea@x.example", "tenant": "acme", "domains": ["o.example"]},
        ],
    )
    office.apply_rows(
        domains=[{"name": "o.example", "tenant": "acorn"}], admins=[{"name": "bea@x.example", "tenant": "acorn"}]
    )
    found = {row.name: (row.tenant, row.domains) for row in admins.list_admins(office.desk)}
    assert found == {"dora@x.example": ("acme", ()), "bea@x.example": ("acorn", ("o.example",))}


def test_a_list_needs_somewhere_that_its_mail_goes(office: Office) -> None:
    said = office.refused_rows(users=[{"address": "ann@o.example", "type": "list"}])
    assert "users, line 1: type: list: its mail is handed on and not stored" in said


def test_who_was_learned_is_confirmed_by_a_person(office: Office) -> None:
    drive(users.add_user(office.desk, Address.parse("dee@o.example"), kind="discovered", reason="the primary said so"))
    office.apply_rows(users=[{"address": "dee@o.example", "type": "user"}])
    assert '"type": "user"' in office.export().partition("dee@o.example")[2][:30]
    assert "the primary said so" not in office.export()


def test_other_primaries_have_no_priorities_of_before() -> None:
    office = furnished()
    office.apply_rows(domains=[{"name": "office.example", "primary": ["one.example"]}])
    assert office.desk.domain("office.example").priorities == ()


def test_a_dkim_key_is_whole() -> None:
    office = furnished()
    value = json.loads(office.export())
    value["dkim"][0]["public"] = "AAAA"
    assert "dkim, line " in (said := office.refused(json.dumps(value))) and "it is not the public half" in said


def test_what_a_missing_key_would_open_is_exported_without_it() -> None:
    office = furnished()
    office.keyring = OTHER
    assert json.loads(office.export())["totp"][0]["sealed"] == ""
    assert json.loads(office.export(secrets=False))["left-out"]["totp"] == 1


def test_rows_of_the_log_are_of_the_tenant_that_the_same_file_brings(office: Office) -> None:
    office.apply_rows(
        tenants=[{"name": "acme"}],
        domains=[{"name": "n.example", "tenant": "acme"}],
        users=[{"address": "nan@n.example"}],
        admins=[{"name": "dora@x.example", "tenant": "acme", "domains": ["n.example"]}],
    )
    assert [(row.what, row.tenant) for row in history(office)[-4:]] == [
        ("apply: add tenants", "acme"),
        ("apply: add domains", "acme"),
        ("apply: add users", "acme"),
        ("apply: add admins", "acme"),
    ]


def test_two_of_one_mark_are_refused(office: Office) -> None:
    mark = {"mark": "0" * 64, "key-id": KEYRING.current}
    two = [{"address": "ann@o.example", "name": name, **mark} for name in ("one", "two")]
    assert "mark: ann@o.example has another device with the same one" in office.refused_rows(devices=two)
    made = [{"id": f"0000000{number}", "role": "operator", **mark} for number in (1, 2)]
    assert "mark: another token has the same one" in office.refused_rows(tokens=made)


def test_an_address_outside_may_be_where_somebody_only_claims_to_be_served(office: Office) -> None:
    office.apply_rows(domains=[{"name": "mail.example", "verified": False}, {"name": "p.example"}])
    office.apply_rows(**{"domain-aliases": [{"name": "q.example", "domain": "p.example"}]})
    claimed, served, other = (
        [{"address": "ann@o.example", "outside-address": f"ann@{name}"}]
        for name in ("mail.example", "p.example", "q.example")
    )
    assert "its domain is served here" in office.refused_rows(users=served)
    assert "its domain is served here" in office.refused_rows(users=other)
    office.apply_rows(users=claimed)
    assert office.user("ann@o.example").settings["outside-address"] == "ann@mail.example"
