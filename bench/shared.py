"""Start-up, and the fleet of many shared organizations beside a few dedicated ones."""

from __future__ import annotations

import sys
import time

from acceptance.harness import Fleet
from ground import Ground, databases, declare
from measure import Timed, median, say, timed
from report import Beside, Figure

_HELP, _PLAN = 0.2, 1.5  # seconds
_PLAN_MEMORY = 200  # MB
_HELP_RUNS = 9


def help_measure(ground: Ground) -> list[Figure]:
    """`tenantplan --help`, beside Python with click."""
    say("help")
    fleet = Fleet(ground.folder / "help", ground.server)
    runs = min(_HELP_RUNS, ground.sizes.runs * 2 - 1)
    shown = median(lambda: ground.command(fleet, "--help"), runs)
    bare = median(lambda: _python(ground, fleet, "import click"), runs)
    return [Figure("tenantplan --help", shown, (Beside("python -c 'import click'", bare.seconds),), seconds=_HELP)]


def measure(ground: Ground) -> list[Figure]:
    """The first apply, and a plan without changes."""
    shared, dedicated = ground.sizes.shared, ground.sizes.beside_shared
    say(f"first apply, {shared} shared organizations")
    fleet = a_fleet(ground, shared)
    first = ground.command(fleet, "apply", "--auto-approve")
    say(f"plan without changes, {shared} shared organizations")
    for number in range(dedicated):
        declare(fleet, f"new-{number}")
    ground.command(fleet, "apply", "--auto-approve")
    planned = median(lambda: ground.command(fleet, "plan", "--detailed-exitcode"), ground.sizes.runs)
    imports = median(lambda: _python(ground, fleet, "import pydantic, yaml, psycopg, click"), ground.sizes.runs)
    each = _connect_to_each(fleet)
    besides = (
        Beside("importing the same libraries", imports.seconds),
        Beside("a session and a query for each dedicated database, in one Python", each),
    )
    work = f"plan without changes, {shared} shared and {dedicated + 1} dedicated organizations"
    beginning = f"first apply: main database, {shared} organizations and users, 1 dedicated"
    return [
        Figure(work, planned, besides, seconds=_PLAN, megabytes=_PLAN_MEMORY),
        Figure(beginning, first),
    ]


def a_fleet(ground: Ground, shared: int) -> Fleet:
    """Shared organizations with what they usually have, and one dedicated: its template is built with it."""
    fleet = Fleet(ground.folder / "shared", ground.server, spec="guard: { maxChangedPercent: 100 }\n")
    fleet.document("Tier", "starter", "displayName: Starter\ndefaults: { featureFlags: { REGISTRATION: true } }")
    fleet.write("tenants/shared.yaml", "---\n".join(_DOCUMENTS.format(n=number) for number in range(shared)))
    declare(fleet, "first")
    return fleet


def _python(ground: Ground, fleet: Fleet, statement: str) -> Timed:
    return timed([sys.executable, "-c", statement], ground.environment(fleet), fleet.root)


def _connect_to_each(fleet: Fleet) -> float:
    """Seconds of one session and one query for each dedicated database, in this process: what a plan avoids."""
    started = time.perf_counter()
    for name in databases(fleet):
        with fleet.server.connect(dbname=name) as connection:
            connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return time.perf_counter() - started


_DOCUMENTS = """apiVersion: tenantplan/v1
kind: User
metadata: {{ name: user{n}@bench.example }}
spec: {{ displayName: User {n}, role: AGENCY_ADMIN }}
---
apiVersion: tenantplan/v1
kind: Organization
metadata: {{ name: org-{n}, labels: {{ region: eu }} }}
spec:
  displayName: Organization {n}
  tier: starter
  contact: {{ email: ops@org-{n}.example, company: Org {n} }}
  featureFlags: {{ MAGIC_WAND: true }}
  modules: {{ donors: {{ settings: {{ currency: EUR }} }} }}
  members: [ {{ user: user{n}@bench.example, role: AGENCY_ADMIN }} ]
"""
