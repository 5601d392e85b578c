"""Demo rows of donors: what an organization's own tables hold, in its database or in the shared tables."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.types.json import Jsonb

from tenantplan.commands.demo.rows import DEMO, FIRST, LAST, Rows, demo_id
from tenantplan.errors import TenantplanError
from tenantplan.fleet.opening import Fleet
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.guard import enter, show_rows_of
from tenantplan.tables.control import TENANT_TABLES as TABLES  # parents before children

_NAMES = (
    "Ada Berger",
    "Jonas Keller",
    "Leïla Haddad",
    "Marta Nowak",
    "Paul Mercier",
    "Rosa Silva",
    "Tom Okafor",
    "Yuki Sato",
)
_CAMPAIGNS = {"demo-winter": "Warm winter", "demo-schools": "A school for every village"}
_FILLED = """
    SELECT o.id, o.slug, o.database_mode::text, o.database_server, o.database_name FROM public.organizations o
     WHERE o.managed_by = %s AND o.deleted_at IS NULL AND o.state = 'active' AND o.database_url IS NULL ORDER BY o.slug"""


@dataclass(frozen=True)
class Organization:
    """One that gets demo donors, and where: `server` and `database` of its own, or both None: the shared tables."""

    id: UUID
    slug: str
    mode: str
    server: str | None
    database: str | None


def organizations(connection: Connection, fleet: str) -> list[Organization]:
    """The active organizations of the fleet but those that brought a database, by name; `connection` is to the main one."""
    return [Organization(*row) for row in connection.execute(_FILLED, [fleet]).fetchall()]


def donor_rows(number: int, now: datetime, organization: Organization) -> dict[str, Rows]:
    """Rows by table, parents before children; the same for the same number and organization."""
    chance = random.Random(f"{number}/donors/{organization.id}")
    key = organization.id
    campaigns = [
        {"id": demo_id("campaign", key, slug), "slug": slug, "name": name, "status": "active", "goal_amount": 20_000}
        for slug, name in _CAMPAIGNS.items()
    ]
    donors = [_donor(key, name) for name in _NAMES]
    form = {"id": demo_id("form", key), "campaign_id": campaigns[0]["id"], "slug": "demo-give", "title": "Give"}
    return {
        "donors": donors,
        "donor_preferences": [_preference(chance, donor["id"]) for donor in donors],
        "campaigns": campaigns,
        "donations": list(_donations(chance, now, donors, campaigns)),
        "forms": [{**form, "published": True, "definition": DEMO}],
        "analytics_events": [_event(chance, now, demo_id("event", key, index), form["id"]) for index in range(20)],
    }


def _donor(organization: UUID, name: str) -> dict[str, Any]:
    first, last = name.split()
    return {
        "id": demo_id("donor", organization, name),
        "email": f"{first.lower().encode('ascii', 'ignore').decode()}@demo.example",
        "first_name": first,
        "last_name": last,
        "notes": "demo",
    }


def _preference(chance: random.Random, donor: UUID) -> dict[str, Any]:
    subscribed = chance.random() < 0.6
    return {"id": demo_id("preference", donor), "donor_id": donor, "channel": "email", "subscribed": subscribed}


def _event(chance: random.Random, now: datetime, event: UUID, form: object) -> dict[str, Any]:
    return {
        "id": event,
        "name": chance.choice(("form.view", "form.view", "form.submit")),
        "form_id": form,
        "properties": DEMO,
        "occurred_at": now - timedelta(seconds=chance.randint(60, 7 * 86_400)),
    }


def _donations(chance: random.Random, now: datetime, donors: Rows, campaigns: Rows) -> Iterator[dict[str, Any]]:
    for donor in donors:
        for index in range(chance.randint(1, 4)):
            yield {
                "id": demo_id("donation", donor["id"], index),
                "donor_id": donor["id"],
                "campaign_id": chance.choice(campaigns)["id"],
                "amount": chance.choice((10, 25, 50, 120)),
                "status": chance.choice(("completed", "completed", "completed", "pending", "failed")),
                "method": chance.choice(("card", "sepa")),
                "donated_at": now - timedelta(seconds=chance.randint(3_600, 90 * 86_400)),
            }


def replace_donors(
    fleet: Fleet, main: Connection, filled: Sequence[Organization], number: int | None, now: datetime
) -> tuple[dict[str, int], dict[str, str]]:
    """Puts the demo donors of these organizations in the place of those that are there (`number` None: takes them away): how many
    rows were written or, taking away, removed, by table; and why there are none, by organization.

    `main` is a session on the main database, in a transaction; a database of its own has one of its own.
    """
    counts = dict.fromkeys(TABLES, 0)
    without: dict[str, str] = {}
    for organization in filled:
        rows = None if number is None else donor_rows(number, now, organization)
        try:
            if organization.server is None:
                found = _replaced(main, rows, organization)
            else:
                with fleet.connector.connect(organization.server, organization.database) as own, own.transaction():
                    enter(own, TABLES[0])
                    found = _replaced(own, rows, organization)
        except (TenantplanError, KeyError) as error:
            without[organization.slug] = str(error)
            continue
        if found is None:
            without[organization.slug] = "its tables are not those of the sample tree"
        for table, count in (found or {}).items():
            counts[table] += count
    return counts, without


def _replaced(
    connection: Connection, rows: dict[str, Rows] | None, organization: Organization
) -> dict[str, int] | None:
    """How many rows of each table; None where the tables are not those that demo rows are for."""
    if not _fits(connection, organization):
        return None
    if organization.server is None:  # whose rows a session of the owner sees and makes, in the shared tables
        show_rows_of(connection, str(organization.id))
    removed = {}
    for table in reversed(TABLES):
        statement = sql.SQL("DELETE FROM {} WHERE id BETWEEN %s AND %s").format(sql.Identifier("public", table))
        removed[table] = connection.execute(statement, [FIRST, LAST]).rowcount
    if rows is None:
        return removed
    for table in TABLES:
        _insert(connection, table, rows[table])
    return {table: len(rows[table]) for table in TABLES}


def _fits(connection: Connection, organization: Organization) -> bool:
    """Whether every table has the columns that demo rows fill."""
    wanted = {(t, column) for t, rows in donor_rows(0, datetime.now(UTC), organization).items() for column in rows[0]}
    there = connection.execute(
        "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname = ANY(%s) AND a.attnum > 0",
        [list(TABLES)],
    ).fetchall()
    return wanted <= set(there)


def _insert(connection: Connection, table: str, rows: Rows) -> None:
    columns = list(rows[0])
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier("public", table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(sql.Placeholder() * len(columns)),
    )
    with connection.cursor() as cursor:
        adapted = [[Jsonb(v) if isinstance(v, dict) else v for v in row.values()] for row in rows]
        cursor.executemany(statement, adapted)
