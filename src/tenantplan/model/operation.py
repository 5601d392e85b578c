"""One step of a plan: what it does, to what, what it expects to find, and the statements it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tenantplan.model.encode import from_json, to_json
from tenantplan.model.resource import Resource


@dataclass(frozen=True, slots=True)
class Operation:
    """A planned step.

    `action` is create, update, delete, migrate, move or grant; `risk` is safe, risky or destructive. `id` names the
    step in the journal, `scope` the track it runs in, `depends_on` the ids that must be done before. `transactional`:
    its effect commits together with its audit entry. `fingerprint` is what the resource looked like when the plan was
    made. `adopt`: a row of the application becomes the fleet's. `revisions` is the path of a migration, oldest first.
    `wave`: operations of a wave start when those of the waves before have ended.
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

    def document(self) -> dict[str, Any]:
        """The operation as the plan file holds it; `class` is `risk` under its public name."""
        return {
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
        }

    @staticmethod
    def parse(document: dict[str, Any]) -> Operation:
        """The operation that `document` wrote."""
        values = dict(document)
        values["risk"] = values.pop("class")
        for name in ("before", "after"):
            values[name] = from_json(values[name])
        for name in ("depends_on", "statements", "revisions"):
            values[name] = tuple(values[name])
        return Operation(**values)
