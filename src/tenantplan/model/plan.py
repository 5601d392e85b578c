"""The plan: what was reviewed is what runs.

`digest` is the plan's identity, the same for the same input. The seal covers every byte of the file: SHA-256, or a
signature made of the same bytes. A file that is not byte for byte the canonical JSON of its content is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tenantplan.errors import PlanRefused
from tenantplan.model import address as addresses
from tenantplan.model.encode import Members, from_json, joined, members, to_json
from tenantplan.model.finding_rules import RIGHTS
from tenantplan.model.losing import losing_revisions
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Row, of_type, references_of
from tenantplan.model.rowtype import RowType
from tenantplan.model.typed import fits
from tenantplan.model.window import Deferral

FORMAT_VERSION = "1.0"
_SUMMARY = {"create": "create", "update": "update", "grant": "update", "delete": "delete", "move": "move"}
_ROUTE = ("host", "port")  # a server behind a tunnel is the same one
_RANK = ("delete", "move", "create", "update")
Sign = Callable[[bytes], str]  # what a seal covers -> the seal
SealCheck = Callable[
    [bytes, str], str | None
]  # what a seal covers, and the seal -> what is wrong with it, None: nothing


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a plan says beside its operations: a blocker, an orphan or an unreachable place.

    `rule` is the machine's name of it, `message` what a person reads.
    """

    address: str
    rule: str
    message: str

    def document(self) -> dict[str, str]:
        """The finding as JSON."""
        return {"address": self.address, "rule": self.rule, "message": self.message}


@dataclass(frozen=True)
class Plan:
    """Operations in the order they run, and all that stands in their way or was left alone.

    `unreachable` names what could not be read and is not planned. `unfinished` is the id of an interrupted run
    whose records the next apply completes. `notes` are facts a reviewer should see that change nothing. `kinds` describes
    the tables of kinds that the fleet itself declares, and `beside` the keys of rows of the application that are left alone
    and that operations refer to, so that apply needs nothing but the plan. `deferred` is what may not run yet and is not among the
    operations, and `labels`, by scope, are those by which change windows are for the operations' organizations. `per_tenant`:
    who has changed when it is applied is left untouched, and the others are applied. `attempts` are
    connections that failed while the plan was made: the apply that follows audits them.
    """

    fleet: str
    tool_version: str
    created_at: str
    base: Mapping[str, Any]
    target: Mapping[str, Any]
    config_digest: str
    operations: tuple[Operation, ...] = ()
    blockers: tuple[Finding, ...] = ()
    orphans: tuple[Finding, ...] = ()
    unreachable: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
    unfinished: str | None = None
    selection: Mapping[str, Any] = field(default_factory=dict)
    kinds: tuple[RowType, ...] = ()
    unmanaged: Mapping[str, Row] = field(default_factory=dict)
    deferred: tuple[Deferral, ...] = ()
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    per_tenant: bool = False
    attempts: tuple[Finding, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether apply would have nothing to do."""
        return not self.operations and self.unfinished is None

    @cached_property
    def renames(self) -> dict[str, str]:
        """Old address -> new address, of everything the plan renames."""
        return {o.renamed_from: o.address for o in self.operations if o.renamed_from}

    @cached_property
    def summary(self) -> dict[str, int]:
        """How many declared objects are created, updated, deleted or moved, and how many databases migrated.

        An object whose plan holds several actions counts once, under the weightiest.
        """
        actions: dict[str, set[str]] = {}
        migrated = 0
        deleted = {o.address for o in self.operations if o.action == "delete"}
        created = {o.address for o in self.operations if o.action == "create"}
        for operation in self.operations:
            if operation.action == "migrate":
                migrated += 1
                continue
            held = operation.owner
            nested = operation.action == "delete" and addresses.is_below(operation.address, held)
            if nested and _goes_along(operation, deleted):
                continue
            actions.setdefault(operation.address if nested else held, set()).add(_SUMMARY[operation.action])
        counts = Counter(
            "update"
            if found == {"create", "update"} and address not in created
            else next(action for action in _RANK if action in found)
            for address, found in actions.items()
        )
        return {name: counts[name] for name in ("create", "update", "delete")} | {
            "migrate": migrated,
            "move": counts["move"],
        }

    @cached_property
    def losing(self) -> tuple[str, ...]:
        """The revisions that destroy data and take a person's word: `apply --allow-destructive N` names their number."""
        return losing_revisions(self.operations)

    @cached_property
    def digest(self) -> str:
        """The plan's identity: everything but when it was made, by which role, and at which address its server was."""
        target = {name: value for name, value in self.target.items() if name not in _ROUTE}
        notes = [note.document() for note in self.notes if note.rule != RIGHTS]
        return _sha256(joined(self._members | members({"target": target, "notes": notes})))

    @cached_property
    def seal(self) -> str:
        """SHA-256 of the whole document but the seal itself: by this a plan is known as applied, signed or not."""
        return _sha256(joined(self._unsealed()))

    def document(self) -> dict[str, Any]:
        """The plan as the JSON document that `plan --json` prints."""
        return self._content() | {"created_at": self.created_at, "digest": self.digest, "seal": self.seal}

    def to_bytes(self, sign: Sign | None = None) -> bytes:
        """The plan file: the canonical document and a newline; `sign` makes its seal, else that is the SHA-256."""
        unsealed = self._unsealed()
        return _sealed(unsealed, (sign or _sha256)(joined(unsealed)))

    def _unsealed(self) -> Members:
        return self._members | members({"created_at": self.created_at, "digest": self.digest})

    @cached_property
    def _members(self) -> Members:
        """The content as JSON. Thousands of operations are many bytes, so it is made once for digest, seal and file."""
        return members(self._content())

    def _content(self) -> dict[str, Any]:
        # Where it says nothing it is left out, so that other files are what earlier versions wrote.
        chosen: dict[str, Any] = {"per_tenant": True} if self.per_tenant else {}
        chosen |= {"attempts": [finding.document() for finding in self.attempts]} if self.attempts else {}
        return chosen | {
            "format_version": FORMAT_VERSION,
            "tool_version": self.tool_version,
            "fleet": self.fleet,
            "base": dict(self.base),
            "target": dict(self.target),
            "config_digest": self.config_digest,
            "operations": [operation.document() for operation in self.operations],
            "blockers": [finding.document() for finding in self.blockers],
            "orphans": [finding.document() for finding in self.orphans],
            "unreachable": [finding.document() for finding in self.unreachable],
            "notes": [finding.document() for finding in self.notes],
            "unfinished": self.unfinished,
            "selection": dict(self.selection),
            "kinds": [rowtype.document() for rowtype in self.kinds],
            "beside": {address: to_json(row) for address, row in self.unmanaged.items()},
            "deferred": [deferral.document() for deferral in self.deferred],
            "labels": {scope: dict(found) for scope, found in self.labels.items()},
            "summary": self.summary,
        }


def _goes_along(operation: Operation, deleted: set[str]) -> bool:
    """Whether what is deleted is nested in, or about, something that is deleted as well."""
    return not deleted.isdisjoint(references_of(operation.before).values())


def _sealed(unsealed: Members, seal: str) -> bytes:
    return joined(unsealed | members({"seal": seal})) + b"\n"


def _sha256(covered: bytes) -> str:
    return hashlib.sha256(covered).hexdigest()


def unsigned(covered: bytes, seal: str) -> str | None:
    """What is wrong with the seal of a plan file that nobody signed; None when nothing is."""
    return None if seal == _sha256(covered) else "was changed after it was made: its seal does not match"


def parse(data: bytes, where: str, judge: SealCheck = unsigned) -> Plan:
    """The plan in the bytes of a plan file; PlanRefused when it is not exactly what `to_bytes` wrote.

    `judge` looks at the seal before anything else in the file is taken for true.
    """
    try:
        document = json.loads(data)
        version, seal = document["format_version"], document["seal"]
        if version != FORMAT_VERSION:
            raise PlanRefused(
                f"plan format {version!r} is not {FORMAT_VERSION!r}",
                where=where,
                hint="make a new plan with this version",
            )
        unsealed = members({name: value for name, value in document.items() if name != "seal"})
        intact = isinstance(seal, str) and _sealed(unsealed, seal) == data
        covered = joined(unsealed)
        problem = judge(covered, seal) if intact else "was changed after it was made: it is not canonical"
        plan = None if problem else _from_document(document)
        if plan is not None and not fits(plan, Plan):
            raise TypeError
        if plan is not None and plan.seal != _sha256(covered):
            problem = "was not written by plan"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PlanRefused("this is not an intact plan file", where=where, hint=_AGAIN) from error
    if problem or plan is None:
        raise PlanRefused(f"the plan file {problem}", where=where, hint=_AGAIN)
    return plan


_AGAIN = "make a new one: tenantplan plan --out plan.json"


def _from_document(document: dict[str, Any]) -> Plan:
    findings = {
        name: tuple(Finding(**item) for item in document[name])
        for name in ("blockers", "orphans", "unreachable", "notes")
    }
    return Plan(
        fleet=document["fleet"],
        tool_version=document["tool_version"],
        created_at=document["created_at"],
        base=document["base"],
        target=document["target"],
        config_digest=document["config_digest"],
        operations=tuple(Operation.parse(item) for item in document["operations"]),
        unfinished=document["unfinished"],
        selection=document["selection"],
        kinds=tuple(RowType.parse(item) for item in document["kinds"]),
        unmanaged=of_type({a: from_json(item) for a, item in document["beside"].items()}, Row),
        deferred=tuple(Deferral(**item) for item in document["deferred"]),
        labels=document["labels"],
        per_tenant=document.get("per_tenant", False),
        attempts=tuple(Finding(**item) for item in document.get("attempts", ())),
        **findings,
    )
