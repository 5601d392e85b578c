"""References between documents: what cannot be is one error that names both places, and nothing else is said or done."""

from __future__ import annotations

import pytest
from acceptance.harness import ROOT, Fleet

pytestmark = pytest.mark.once

# A document that refers to another, by kind: its body, with {} where the name stands, and the kind that it refers to.
USER = "displayName: U\nrole: CLIENT_EDITOR\n"
REFERENCES = {
    "the tier of an organization": ("Organization", "displayName: O\ntier: {}", "Tier"),
    "the owner of an organization": ("Organization", "displayName: O\nowner: {}", "User"),
    "a member of an organization": (
        "Organization",
        "displayName: O\nmembers: [ {{ user: {}, role: CLIENT_EDITOR }} ]",
        "User",
    ),
    "the organization of a user": ("User", USER + "organization: {}", "Organization"),
    "the organization of a tenant": ("Tenant", "displayName: T\norganization: {}", "Organization"),
    "the organization of a team": ("Team", "displayName: T\norganization: {}", "Organization"),
    "a member of a team": ("Team", "displayName: T\norganization: base\nmembers: [ {{ user: {} }} ]", "User"),
    "the organization of a project": ("Project", "displayName: P\norganization: {}", "Organization"),
    "the team of a project": ("Project", "displayName: P\norganization: base\nteam: {}", "Team"),
    "the template of a project": ("Project", "displayName: P\norganization: base\ntemplate: {}", "Template"),
    "the bucket of a project": ("Project", "displayName: P\norganization: base\nbucket: {}", "Bucket"),
    "who has an API key": (
        "Project",
        "displayName: P\norganization: base\napiKeys: [ {{ name: k, key: {{ env: K }}, user: {} }} ]",
        "User",
    ),
    "the owner of a bucket": ("Bucket", "provider: s3\nowner: {}", "Team"),
    "who a bucket is shared to": (
        "Bucket",
        "provider: s3\nowner: base\nshares: [ {{ team: {}, access: ADMIN }} ]",
        "Team",
    ),
    "the organization of an invitation": (
        "Invitation",
        "email: e@x.example\nrole: CLIENT_EDITOR\norganization: {}",
        "Organization",
    ),
    "the team of an invitation": (
        "Invitation",
        "email: e@x.example\nrole: CLIENT_EDITOR\norganization: base\nteam: {}",
        "Team",
    ),
    "who invites": ("Invitation", "email: e@x.example\nrole: CLIENT_EDITOR\norganization: base\ninvitedBy: {}", "User"),
    "a reference of a kind of the fleet's own": ("Webhook", "url: https://x.example\norganization: {}", "Organization"),
}
TARGETS = {
    "Tier": "displayName: T",
    "User": USER,
    "Organization": "displayName: O\nprotect: false",
    "Team": "displayName: T\norganization: base",
    "Template": "displayName: T",
    "Bucket": "provider: s3\nowner: base",
}


def name_of(kind: str, name: str = "spare") -> str:
    return f"{name}@x.example" if kind == "User" else name


def base(fleet: Fleet) -> None:
    """An organization with a team, which are right whatever the rest is, and a kind of the fleet's own."""
    fleet.settings("resourceTables: [webhooks]")
    fleet.organization("base", "protect: false")
    fleet.document("Team", "base", "displayName: B\norganization: base")
    fleet.write("tenants/kinds.yaml", (ROOT / "examples" / "custom-kind" / "tenants" / "kinds.yaml").read_text())


def file(kind: str, name: str) -> str:
    return f"tenants/{kind.lower()}-{name}.yaml"


def the_problem(fleet: Fleet, *said: str) -> str:
    """What both commands say: exactly one problem, located, with its source line; nothing done, and nothing on stdout but for
    whoever wants JSON: the same problem."""
    results = [fleet.run(*command.split(), code=1) for command in ("validate", "plan", "apply --auto-approve")]
    assert {result.out for result in results} == {""}
    (found,) = fleet.run("plan", "--json", code=1).json["errors"]
    assert found["message"] in results[0].err and found["file"].startswith("tenants/")
    (message,) = {result.err for result in results}
    assert message.startswith("tenantplan: tenants/")
    assert message.rstrip().endswith("\n1 problem; nothing was compared or changed.")
    assert message.count("tenantplan: ") == 1 and message.count("^") == 1
    for part in said:
        assert part in message, part
    assert fleet.databases() == []
    return message


def place(message: str) -> str:
    """Where the problem is, as file:line."""
    return message.removeprefix("tenantplan: ").rsplit(": ", 1)[0].split(": ")[0].rpartition(":")[0]


@pytest.mark.parametrize("reference", REFERENCES)
def test_an_undeclared_reference(fleet: Fleet, reference: str) -> None:
    kind, body, target = REFERENCES[reference]
    mine = name_of(kind, "mine")
    base(fleet)
    fleet.document(target, name_of(target), TARGETS[target])
    fleet.document(kind, mine, body.format(name_of(target)))
    assert "is valid" in fleet.run("validate").out
    fleet.document(kind, mine, body.format(name_of(target, "spar")))
    said = f"{target} `{name_of(target, 'spar')}` is not declared"
    message = the_problem(fleet, said, f"did you mean `{name_of(target)}`?")
    source = (fleet.root / file(kind, mine)).read_text().splitlines()
    (line,) = [number for number, text in enumerate(source, 1) if name_of(target, "spar") in text]
    assert place(message) == f"{file(kind, mine)}:{line}"


@pytest.mark.parametrize("reference", [name for name in REFERENCES if name != "the organization of a project"])
def test_a_reference_to_what_is_deleted(fleet: Fleet, reference: str) -> None:
    kind, body, target = REFERENCES[reference]
    mine, spare = name_of(kind, "mine"), name_of(target)
    base(fleet)
    fleet.document(target, spare, f"{TARGETS[target]}\nstate: deleted")
    fleet.document(kind, mine, body.format(spare))
    state = (fleet.root / file(target, spare)).read_text().splitlines().index("  state: deleted") + 1
    message = the_problem(
        fleet,
        f"{target} `{spare}` is declared `state: deleted` at {file(target, spare)}:{state}:",
        f"delete this {kind} as well",
    )
    assert place(message).startswith(file(kind, mine))


@pytest.mark.parametrize("kind", ["Team", "Project", "Bucket", "Invitation", "Tenant", "User", "Webhook"])
def test_what_is_deleted_itself_may_name_what_is_deleted(fleet: Fleet, kind: str) -> None:
    """Deleting an organization with all that is in it is one edit."""
    bodies = {k: body for k, body, target in REFERENCES.values() if "organization: {}" in body or k == "Bucket"}
    base(fleet)
    fleet.document("Organization", "spare", "displayName: O\nprotect: false\nstate: deleted")
    fleet.document("Team", "spare", "displayName: T\norganization: spare\nstate: deleted")
    body = bodies[kind].format("spare") if kind != "Bucket" else "provider: s3\nowner: spare"
    fleet.document(kind, name_of(kind, "mine"), f"{body}\nstate: deleted")
    assert "is valid" in fleet.run("validate").out


OTHERS = {
    "the team of a project": ("Project", "displayName: P\norganization: base\nteam: theirs", "Team"),
    "the bucket of a project": ("Project", "displayName: P\norganization: base\nbucket: theirs", "Bucket"),
    "who a bucket is shared to": (
        "Bucket",
        "provider: s3\nowner: base\nshares: [ { team: theirs, access: ADMIN } ]",
        "Team",
    ),
    "the team of an invitation": (
        "Invitation",
        "email: e@x.example\nrole: CLIENT_EDITOR\norganization: base\nteam: theirs",
        "Team",
    ),
}


@pytest.mark.parametrize("reference", OTHERS)
def test_a_reference_into_another_organization(fleet: Fleet, reference: str) -> None:
    kind, body, target = OTHERS[reference]
    base(fleet)
    fleet.organization("other")
    fleet.document("Team", "theirs", "displayName: T\norganization: other")
    fleet.document("Bucket", "theirs", "provider: s3\nowner: theirs")
    fleet.document(kind, "mine", body)
    message = the_problem(
        fleet,
        f"{target} `theirs` belongs to organization `other`, this {kind} to `base`; see {file(target, 'theirs')}:",
    )
    assert place(message).startswith(file(kind, "mine"))
    fleet.document("Team", "theirs", "displayName: T\norganization: base")
    assert "is valid" in fleet.run("validate").out


def test_a_person_may_work_for_another_organization(fleet: Fleet) -> None:
    base(fleet)
    fleet.document("User", "u@x.example", USER + "organization: base")
    member = "members: [ { user: u@x.example, role: CLIENT_EDITOR } ]"
    fleet.organization("other", member)
    fleet.document("Team", "theirs", "displayName: T\norganization: other\nmembers: [ { user: u@x.example } ]")
    assert "is valid" in fleet.run("validate").out


BODIES = TARGETS | {kind: body.format("base") for kind, body, _ in REFERENCES.values() if "organization: {}" in body}
BODIES |= {"Release": "version: '1'\nfile: f.zip", "AdminUser": "displayName: A\nrole: SUPPORT", "User": USER}


@pytest.mark.parametrize("kind", BODIES)
def test_a_document_declared_twice_in_two_files(fleet: Fleet, kind: str) -> None:
    base(fleet)
    name = name_of("User" if kind == "AdminUser" else kind, "twice")
    first = fleet.document(kind, name, BODIES[kind])
    text = first.read_text() if kind != "Release" else first.read_text().replace("'1'", "'2'")
    fleet.write("tenants/zz/again.yaml", text)
    message = the_problem(fleet, f"{kind} `{name}` is declared twice; first at {file(kind, name)}:3:")
    assert place(message) == "tenants/zz/again.yaml:3"


@pytest.mark.parametrize("kind", ["User", "AdminUser"])
def test_an_address_declared_twice_in_another_case(fleet: Fleet, kind: str) -> None:
    base(fleet)
    fleet.document(kind, "twice@x.example", BODIES[kind])
    fleet.document(kind, "Twice@x.example", BODIES[kind])
    message = the_problem(fleet, "is declared twice; first at")
    assert message.count(f"tenants/{kind.lower()}-") == 2


def test_one_name_serves_documents_of_two_kinds(fleet: Fleet) -> None:
    base(fleet)
    fleet.document("Template", "base", "displayName: T")
    fleet.document("Tier", "base", "displayName: T")
    assert "is valid" in fleet.run("validate").out
    fleet.document("Project", "shop", "displayName: P\norganization: base\nbucket: base")
    the_problem(fleet, "Bucket `base` is not declared", "no Bucket is declared")


def test_two_releases_of_one_version(fleet: Fleet) -> None:
    fleet.document("Release", "first", "version: '1.0'\nfile: a.zip")
    fleet.document("Release", "second", "version: '1.0'\nfile: b.zip")
    message = the_problem(fleet, "version `1.0` is released twice; first at tenants/release-first.yaml:5:")
    assert place(message) == "tenants/release-second.yaml:5"


KIND = """
apiVersion: tenantplan/v1
kind: ResourceKind
metadata: {{ name: {name} }}
spec:
  table: {table}
  key: name
  columns:
    next_id: {{ field: next, type: reference, kind: {next} }}
"""


def kinds(fleet: Fleet, *names: str) -> None:
    """Kinds of which each can refer to the next, and the last to the first."""
    fleet.settings("resourceTables: [public.*]")
    for name, after in zip(names, (*names[1:], names[0]), strict=True):
        fleet.write(f"tenants/kind-{name}.yaml", KIND.format(name=name, table=f"t_{name.lower()}", next=after))


def test_a_cycle_of_two_documents(fleet: Fleet) -> None:
    kinds(fleet, "Step")
    fleet.document("Step", "a", "next: b")
    fleet.document("Step", "b", "next: a")
    message = the_problem(
        fleet, "a cycle: ", "Step `a` at tenants/step-a.yaml:3:", "Step `b` at tenants/step-b.yaml:3:"
    )
    assert "none of them can be made first" in message and "remove one of the references" in message


def test_a_cycle_through_three_kinds(fleet: Fleet) -> None:
    kinds(fleet, "Aa", "Bb", "Cc")
    for kind, name, after in (("Aa", "one", "two"), ("Bb", "two", "three"), ("Cc", "three", "one")):
        fleet.document(kind, name, f"next: {after}")
    fleet.document("Aa", "outside", "next: two")
    message = the_problem(fleet, "a cycle: ", *(f"`{name}` at tenants/" for name in ("one", "two", "three")))
    assert "outside" not in message


def test_a_document_that_refers_to_itself(fleet: Fleet) -> None:
    kinds(fleet, "Step")
    fleet.document("Step", "a", "next: a")
    the_problem(fleet, "tenants/step-a.yaml:5:", "Step `a` refers to itself")


def test_an_owner_of_the_organization_he_is_in_is_no_cycle(fleet: Fleet) -> None:
    fleet.organization("acme", "owner: anna@x.example")
    fleet.document("User", "anna@x.example", USER + "organization: acme")
    fleet.apply()
    row = "SELECT o.slug, u.email FROM organizations o JOIN users u ON u.id = o.owner_id AND u.organization_id = o.id"
    assert fleet.rows(row) == [("acme", "anna@x.example")]
    fleet.converged()


def test_every_mistake_of_every_file_is_told_at_once(fleet: Fleet) -> None:
    base(fleet)
    fleet.document("Project", "one", "displayName: P\norganization: bas\ntemplate: nothing")
    fleet.document("Team", "two", "displayName: T\norganization: base\nmembers: [ { user: nobody@x.example } ]")
    fleet.document("Organization", "three", "displayName: O\nprotect: false\nstate: deleted")
    fleet.document("Tenant", "four", "displayName: T\norganization: three")
    fleet.write("tenants/zz.yaml", (fleet.root / "tenants/team-base.yaml").read_text())
    message = fleet.run("validate", code=1).err
    assert "5 problems;" in message
    for said in (
        "`bas`",
        "`nothing`",
        "`nobody@x.example`",
        "`three` is declared `state: deleted`",
        "`base` is declared twice",
    ):
        assert said in message
