"""A role that loses a right on a database that stays, and is dropped by the same plan."""

from __future__ import annotations

from unit.planning.builders import lowered, wanted

from tenantplan.model.change import Change
from tenantplan.model.resource import Database, Role
from tenantplan.planning.order import order

DATABASE, ROLE = "database/primary/o_zeta", "role/primary/o_acme_app"
ZETA = "organization/zeta"


def _database(*connect: str) -> Database:
    return Database("primary", "o_zeta", owner="o_zeta_owner", connect=connect, holder=ZETA)


def test_the_right_is_taken_back_before_the_role_is_dropped() -> None:
    changes = [
        Change(DATABASE, _database("o_acme_app", "o_zeta_app"), _database("o_zeta_app")),
        Change(ROLE, Role("primary", "o_acme_app", holder="organization/acme"), None),
    ]
    operations, circles = order(lowered(changes, wanted(), {}))
    assert circles == []
    assert [(o.action, o.address) for o in operations] == [("grant", DATABASE), ("delete", ROLE)]
