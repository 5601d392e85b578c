"""Plans to render: each builder gives the plainest thing of its kind, and keywords change it."""

from __future__ import annotations

from typing import Any

from tenantplan.model.operation import Operation
from tenantplan.model.plan import Plan
from tenantplan.model.resource import Database, Ref, Resource, Role, Row, Schema
from tenantplan.model.window import Deferral

# Everything hostile that a display name may hold.
HOSTILE = (
    "```\n# owned\n",
    "`````",
    "` @team `",
    "::add-mask::secret",
    "  ::error file=x::boom",
    "##[add-mask]secret",
    "x ##[error]boom",
    "@octo/team",
    "#1 GH-1 octo/repo#1",
    "![image](https://evil.example/x.png)",
    "[link](javascript:alert(1))",
    "<https://evil.example> www.evil.example https://evil.example",
    "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "</pre></code></details>",
    "<!-- tenantplan:plan:demo -->",
    "--> <b>out</b>",
    "| a | b |\n|---|---|\n| c | d |",
    "\x1b[2J\x1b[31mred\x1b[0m",
    "\x9b31m\x9d0;title\x07",
    "a\rb\nc\x00d\x08e\x7f",
    "gpj\u202egnp.exe \u2066x\u2069 a\u200bb \u2028 \u2029 \ufeff",
    "\ud800 lone",
    "{{ 7 * 7 }} {% for x in y %}",
    "",
    " ",
)


def an_operation(address: str, action: str = "update", before: Resource | None = None, after: Resource | None = None,
                 **changes: Any) -> Operation:  # fmt: skip
    """One operation; its id is made of the address."""
    values: dict[str, Any] = {
        "id": f"{action}-{address}", "address": address, "action": action, "risk": "safe", "scope": "fleet",
        "transactional": True, "summary": f"{action} {address}", "before": before, "after": after, "fingerprint": "f",
    }  # fmt: skip
    return Operation(**(values | changes))


def a_plan(*operations: Operation, **changes: Any) -> Plan:
    """A plan of the fleet demo."""
    values: dict[str, Any] = {
        "fleet": "demo", "tool_version": "0.1", "created_at": "2026-01-01T00:00:00Z",
        "base": {"commit": "4f2c1e7aaaaaaaaa", "dirty": False},
        "target": {"system_identifier": "7", "main_database": "tenantplan_main", "server_version": "18.4"},
        "config_digest": "c", "operations": operations,
    }  # fmt: skip
    return Plan(**(values | changes))


def an_organization(**values: Any) -> Row:
    """The row of a shared organization."""
    plain: dict[str, Any] = {"slug": "msf", "display_name": "MSF", "state": "active", "database_mode": "shared",
                             "tier_id": Ref("tier/starter"), "feature_flags": {}}  # fmt: skip
    return Row("organizations", plain | values)


def a_member(user: str = "anna@x.org", role: str = "AGENCY_ADMIN") -> Row:
    """A membership of organization/msf."""
    return Row("organization_members", {"organization_id": Ref("organization/msf"), "user_id": Ref(f"user/{user}"),
                                        "role": role})  # fmt: skip


def a_module(name: str, enabled: bool = True) -> Row:
    """A module of organization/msf."""
    return Row("organization_modules", {"organization_id": Ref("organization/msf"), "name": name, "enabled": enabled,
                                        "settings": {}})  # fmt: skip


def a_database(name: str = "tenantplan_org_msf", **values: Any) -> Database:
    """The database of organization/msf."""
    return Database("primary", name, **({"holder": "organization/msf", "owner": f"{name}_owner"} | values))


def a_role(name: str, **values: Any) -> Role:
    """A role of organization/msf."""
    return Role("primary", name, **({"holder": "organization/msf"} | values))


def a_dedicated_organization() -> list[Operation]:
    """All operations that make organization/msf with its database, roles, modules and member."""
    name = "tenantplan_org_msf"
    row = an_organization(database_mode="dedicated", database_server="primary", database_name=name)
    roles = [a_role(f"{name}_{suffix}", login=suffix != "owner") for suffix in ("owner", "app", "ro")]
    modules = [a_module("donors"), a_module("forms")]
    return [
        *(an_operation(f"role/primary/{role.name}", "create", None, role) for role in roles),
        an_operation(f"database/primary/{name}", "create", None, a_database(), revisions=("3f2a", "9c1b"),
                     statements=(f"CREATE DATABASE {name}",)),
        an_operation("organization/msf", "create", None, row),
        *(an_operation(f"organization/msf/module/{m.values['name']}", "create", None, m) for m in modules),
        an_operation("organization/msf/member/anna@x.org", "create", None, a_member()),
    ]  # fmt: skip


def a_migration(database: str, *statements: str, start: str = "3f2a", **changes: Any) -> Operation:
    """A migration of one database to 9c1b."""
    before, after = (Schema("primary", database, "tenant", revision) for revision in (start, "9c1b"))
    values: dict[str, Any] = {
        "statements": statements or ("ALTER TABLE donors ADD COLUMN consent_at timestamptz",),
        "locks": (("public.donors", "ACCESS EXCLUSIVE"),),
        "revisions": ("7d00", "9c1b"),
    }
    return an_operation(f"schema/primary/{database}", "migrate", before, after, **(values | changes))


def a_deferral(address: str, action: str = "update", summary: str = "", **changes: str) -> Deferral:
    """What waits for Monday's change window."""
    values = {"until": "2026-11-23T21:00:00Z", "zone": "Europe/Paris", "why": "change window"}
    return Deferral(address, action, summary or f"{action} {address}", **(values | changes))


def a_hostile_plan(text: str) -> Plan:
    """A plan in which the text stands wherever a file or a database can put it."""
    from tenantplan.model.plan import Finding

    finding = Finding(text, text, text)
    before, after = (an_organization(display_name=name, feature_flags={text: name}) for name in ("a", text))
    renamed = Role("primary", text, holder=f"organization/{text}")
    return a_plan(
        an_operation(f"organization/{text}", "create", None, an_organization(display_name=text, state=text)),
        an_operation("organization/old", "update", before, after, summary=text),
        an_operation(f"organization/old/member/{text}", "update", None, None, summary=text),
        an_operation(f"role/primary/{text}", "create", None, renamed, summary=text),
        an_operation(text, "move", None, None, summary=text, statements=(text, f"{text}\n{text}")),
        an_operation(text + "/x", "delete", an_organization(), None, risk="destructive", statements=(text,)),
        a_migration(text, text, f"SELECT 1;\n{text}"),
        a_migration(text + "2", text, f"SELECT 1;\n{text}"),
        fleet=text, blockers=(finding,), orphans=(finding,), unreachable=(finding,), notes=(finding,), unfinished=text,
        base={"commit": text, "dirty": True}, target={"main_database": text, "server_version": text},
        selection={"target": [text]}, deferred=(
            a_deferral(text, text, text, why=text),
            *(a_deferral(f"{text}{number}", "migrate", text, why=text) for number in range(2)),
            *(a_deferral(f"{text}{number}", why=text) for number in range(9)),
        ),
    )  # fmt: skip
