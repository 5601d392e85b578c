"""One step of a plan: what it does, to what, what it expects to find, and the statements it runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tenantplan.model import address as addresses
from tenantplan.model.address import server_of
from tenantplan.model.encode import from_json, to_json
from tenantplan.model.resource import Resource, Role, Schema, one, sides, tree_of
from tenantplan.model.step import TRANSACTION, Hazard, Origin, PreflightCheck, Step, parse_origins


@dataclass(frozen=True, slots=True)
class Operation:
    """A planned step.

    `action` is create, update, delete, migrate, move or grant; `risk` is safe, risky or destructive. `id` names the
    step in the journal, `scope` the track it runs in, `depends_on` the ids that must be done before. `transactional`:
    its effect commits together with its audit entry. `fingerprint` is what the resource looked like when the plan was
    made. `adopt`: a row of the application becomes the fleet's. `restore`: what was deleted and kept comes back. `wave`:
    operations of a wave start when those of the waves before have ended.

    Of a migration, `revisions` is the path, oldest first, and `start` the revision from which its statements were compiled.
    `steps` say how they run; empty: in one transaction, whose statements have these `origins`.
    `checks` must hold before the first of them runs anywhere, `hazards` are what a reviewer should know, `locks` the tables
    that writers wait for meanwhile, with PostgreSQL's name of the lock, and `undo` is the way back (None: there is none, or
    none is wanted). Of a repair, `schema` are the fingerprints before and after it, and
    whether nothing is left that differs. `losing`, of a destructive migration, are the revisions that take a person's word
    (`apply --allow-destructive`); None in a file that an earlier version wrote. `clone`: a new database is a copy of the template;
    otherwise the migrations are run in it.
    """

    id: str
    address: str
    action: str
    risk: str
    scope: str
    transactional: bool
    summary: str
    before: Resource | None
    after: Resource | None
    fingerprint: str
    depends_on: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    renamed_from: str | None = None
    retire: bool = False
    revisions: tuple[str, ...] = ()
    wave: int = 0
    adopt: bool = False
    steps: tuple[Step, ...] = ()
    checks: tuple[PreflightCheck, ...] = ()
    hazards: tuple[Hazard, ...] = ()
    locks: tuple[tuple[str, str], ...] = ()
    undo: tuple[Step, ...] | None = None
    schema: tuple[str, str, bool] | None = None
    start: str | None = None
    restore: bool = False
    losing: tuple[str, ...] | None = None
    origins: tuple[Origin, ...] = ()
    clone: bool = True

    @property
    def subject(self) -> Resource:
        """What it is about: what is to be there, or, where that is nothing, what was."""
        subject = self.after or self.before
        assert subject is not None, "an operation is about something"
        return subject

    @property
    def owner(self) -> str:
        """The declared object that it serves."""
        return addresses.owner(self.address, self.after or self.before)

    @property
    def purges(self) -> bool:
        """Whether it removes what it is about for good, with no way back."""
        return self.after is None and not self.retire

    @property
    def server(self) -> str:
        """Alias of the server on which it takes effect: rows and packages are in the main database."""
        return server_of(self.subject)

    @property
    def in_own_database(self) -> bool:
        """Whether it is about the schema of a database that one organization or tenant has for itself."""
        return tree_of(self.after) == "tenant"

    @property
    def found_in(self) -> str | None:
        """The name that the database of a migration has before the plan runs, which may rename it; None: its server's own."""
        schema = one(self.after, Schema)
        if schema is None or not schema.database:
            return None
        return addresses.last_segment(self.renamed_from) if self.renamed_from else schema.database

    @property
    def in_steps(self) -> tuple[Step, ...]:
        """The steps of a migration, also where there is only one."""
        schema = one(self.after, Schema)
        if self.steps or not self.statements or schema is None:
            return self.steps
        return (Step(TRANSACTION, self.statements, schema.revision, start=self.start, origins=self.origins),)

    def document(self) -> dict[str, Any]:
        """The operation as the plan file holds it; `class` is `risk` under its public name. `losing` and `origins` are there
        where they say something, so that other files are what earlier versions wrote."""
        members: dict[str, Any] = {} if self.losing is None else {"losing": list(self.losing)}
        members |= {} if self.clone else {"clone": False}
        members |= {"origins": [[o.revision, o.own, o.count] for o in self.origins]} if self.origins else {}
        return members | {
            "id": self.id,
            "address": self.address,
            "action": self.action,
            "class": self.risk,
            "scope": self.scope,
            "transactional": self.transactional,
            "depends_on": list(self.depends_on),
            "summary": self.summary,
            "before": to_json(self.before),
            "after": to_json(self.after),
            "fingerprint": self.fingerprint,
            "statements": list(self.statements),
            "renamed_from": self.renamed_from,
            "retire": self.retire,
            "revisions": list(self.revisions),
            "wave": self.wave,
            "adopt": self.adopt,
            "steps": [step.document() for step in self.steps],
            "checks": [[check.revision, check.sql] for check in self.checks],
            "hazards": [asdict(hazard) for hazard in self.hazards],
            "locks": [list(lock) for lock in self.locks],
            "undo": None if self.undo is None else [step.document() for step in self.undo],
            "schema": None if self.schema is None else list(self.schema),
            "start": self.start,
            "restore": self.restore,
        }

    @staticmethod
    def parse(document: dict[str, Any]) -> Operation:
        """The operation that `document` wrote."""
        values = dict(document)
        values["risk"] = values.pop("class")
        for name in ("before", "after"):
            values[name] = from_json(values[name])
        if values["before"] is None and values["after"] is None:
            raise ValueError("an operation is about something")
        for name in ("depends_on", "statements", "revisions"):
            values[name] = tuple(values[name])
        values["steps"] = tuple(Step.parse(item) for item in values["steps"])
        values["origins"] = parse_origins(values.get("origins", ()))
        values["checks"] = tuple(PreflightCheck(*item) for item in values["checks"])
        values["hazards"] = tuple(Hazard(**item) for item in values["hazards"])
        if values["schema"] is not None:
            before, after, whole = values["schema"]
            values["schema"] = (before, after, whole)
        values["locks"] = tuple((table, mode) for table, mode in values["locks"])
        if "losing" in values:
            values["losing"] = tuple(values["losing"])
        if values["undo"] is not None:
            values["undo"] = tuple(Step.parse(item) for item in values["undo"])
        return Operation(**values)


def generates(operation: Operation) -> bool:
    """Whether the operation gives a role a generated password."""
    before, after = sides(operation, Role)
    if after is None or after.password is None or after.password.target is None:
        return False
    return before is None or before.password != after.password
