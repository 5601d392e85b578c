"""Fleets of mixed kinds, as many resources as asked for: what the plan of a large control plane is measured with."""

from __future__ import annotations

import sys

from acceptance.harness import Fleet
from ground import Ground
from measure import median, say, timed
from report import Beside, Figure

_UNIT = 21  # resources of one unit below
_PER_FILE = 50
_LARGEST = 20_000  # resources; the limits below are for as many
_SECONDS, _MEMORY = 3.0, 400  # MB
_RUNS = 3
_PARSE = (
    "import yaml, pathlib\n"
    "for path in sorted(pathlib.Path('tenants').glob('*.yaml')):\n"
    "    list(yaml.load_all(path.read_text(), yaml.CSafeLoader))"
)


def measure(ground: Ground) -> list[Figure]:
    """Plans without changes, each beside PyYAML's C loader reading the same files."""
    return [_planned(ground, wanted) for wanted in ground.sizes.mixed]


def _planned(ground: Ground, wanted: int) -> Figure:
    say(f"plan of {wanted} resources of mixed kinds")
    fleet = Fleet(ground.folder / f"mixed-{wanted}", ground.server)
    resources = declare(fleet, wanted)
    ground.command(fleet, "apply", "--auto-approve")
    runs = min(_RUNS, ground.sizes.runs)
    took = median(lambda: ground.command(fleet, "plan", "--detailed-exitcode"), runs)
    parse = [sys.executable, "-c", _PARSE]
    parsed = median(lambda: timed(parse, ground.environment(fleet), fleet.root), runs)
    beside = Beside(f"yaml.CSafeLoader reading the same files, {parsed.megabytes:.0f} MB", parsed.seconds)
    note = f"{took.seconds / resources * 1e6:.0f} µs a resource"
    work = f"plan without changes, {resources} resources of mixed kinds"
    limit = _SECONDS if wanted == _LARGEST else None
    return Figure(work, took, (beside,), seconds=limit, megabytes=_MEMORY, note=note)


def declare(fleet: Fleet, resources: int) -> int:
    """Writes documents with about `resources` resources, nested ones counted, and returns how many there are."""
    units = resources // _UNIT
    fleet.document("Tier", "starter", "displayName: Starter\ndefaults: { featureFlags: { REGISTRATION: true } }")
    fleet.document("Template", "plain", "{ displayName: Plain }")
    for start in range(0, units, _PER_FILE):
        numbers = range(start, min(start + _PER_FILE, units))
        fleet.write(f"tenants/mixed-{start:05}.yaml", "---\n".join(_unit(number) for number in numbers))
    return units * _UNIT + 2


def _unit(n: int) -> str:
    """One organization with all it has: 21 resources in 11 documents."""
    users = [f"user{n}-{i}@bench.example" for i in range(3)]
    documents = [
        _document("User", user, f"{{ displayName: User {user[:8]}, role: AGENCY_DEVELOPER, organization: org-{n} }}")
        for user in users
    ]
    documents += [
        _document("Organization", f"org-{n}", _ORGANIZATION.format(n=n, first=users[0], second=users[1])),
        _document("Team", f"team-{n}", _TEAM.format(n=n, first=users[0], second=users[1])),
        _document("Bucket", f"bucket-{n}", f"{{ owner: team-{n}, provider: s3, region: eu-1 }}"),
        _document("Project", f"project-{n}", _PROJECT.format(n=n)),
        _document(
            "Invitation", f"invite-{n}", f"{{ organization: org-{n}, email: new{n}@x.example, role: CLIENT_EDITOR }}"
        ),
    ]
    documents += [_document("Tenant", f"tenant-{n}-{i}", _TENANT.format(n=n, i=i)) for i in range(2)]
    return "---\n".join(documents)


def _document(kind: str, name: str, spec: str) -> str:
    return f"apiVersion: tenantplan/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n"


_ORGANIZATION = """
  displayName: Organization {n}
  tier: starter
  owner: {first}
  contact: {{ email: ops@org-{n}.example, company: Org {n}, address: Paris }}
  featureFlags: {{ MAGIC_WAND: true, KEYSTATIC: false }}
  modules: {{ donors: {{ settings: {{ currency: EUR }} }}, forms: {{ enabled: true }} }}
  members:
    - {{ user: {first}, role: AGENCY_ADMIN }}
    - {{ user: {second}, role: AGENCY_DEVELOPER }}"""
_TEAM = """
  organization: org-{n}
  displayName: Team {n}
  members: [ {{ user: {first}, role: OWNER }}, {{ user: {second} }} ]"""
_PROJECT = """
  organization: org-{n}
  displayName: Project {n}
  team: team-{n}
  template: plain
  bucket: bucket-{n}
  transforms: [ {{ name: small, width: 320, format: webp }}, {{ name: large, width: 1600 }} ]
  tenants: [ {{ name: main, displayName: Main }} ]"""
_TENANT = """
  organization: org-{n}
  displayName: Tenant {n} {i}
  contact: {{ email: it@tenant-{n}-{i}.example }}
  licenses: [ {{ name: main, expiresAt: 2028-01-31, maxUsage: 500 }} ]"""
