"""What a plan says of the steps of a path, kept from one command to the next: all of it has to be parsed for that."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from tenantplan.migration.kept import Kept
from tenantplan.migration.running.version import NAMES as VERSION_TABLES
from tenantplan.model.step import PROGRAM, Hazard, Step, all_origins, flat


def reviewed(
    kept: Kept | None, steps: Sequence[Step], start: str | None, *, copied: bool
) -> tuple[tuple[Hazard, ...], tuple[tuple[str, str], ...], bool]:
    """Hazards and locks of the revisions' own statements, and whether these destroy something; where nothing is there yet,
    there is nothing to lose. What an author allows in a comment is for lint, and changes nothing here. `copied`: new databases are
    copies of one in which they ran."""
    if start is None:
        return (), (), False
    own, programs = _own(steps), _programs(steps)

    def find() -> dict[str, Any]:
        from tenantplan.migration.lint.lint import lint, locked  # imports PostgreSQL's parser
        from tenantplan.migration.lint.made_up import of_program
        from tenantplan.migration.lint.row_rules import destroys, unseen

        hazards = list(lint(own, clones=copied))
        for index, step in programs:
            hazards += [
                unseen(index, step.begun is not None),
                *(of_program(index, step.statements[0]) if copied else ()),
            ]
        locks = [[table, mode] for table, mode in locked(own) if not table.endswith(VERSION_TABLES)]
        losing = any(destroys(hazard.rule, hazard.level) for hazard in hazards)
        return {"hazards": [asdict(hazard) for hazard in hazards], "locks": locks, "destructive": losing}

    found = _known(kept, ["reviewed", own, copied, [[index, step.begun] for index, step in programs]], find)
    hazards = tuple(Hazard(**hazard) for hazard in found["hazards"])
    return hazards, tuple((table, mode) for table, mode in found["locks"]), found["destructive"]


def made_up(kept: Kept | None, steps: Sequence[Step]) -> tuple[Hazard, ...]:
    """The values that a whole tree makes up, which all copies of the template share."""
    own, programs = _own(steps), _programs(steps)

    def find() -> list[dict[str, Any]]:
        from tenantplan.migration.lint import lint  # imports PostgreSQL's parser
        from tenantplan.migration.lint.made_up import of_program

        found = [*lint.made_up(own), *(h for index, step in programs for h in of_program(index, step.statements[0]))]
        return [asdict(hazard) for hazard in found]

    return tuple(Hazard(**hazard) for hazard in _known(kept, ["made up", own, [n for n, _ in programs]], find))


def _known(kept: Kept | None, about: Sequence[Any], find: Callable[[], Any]) -> Any:
    """What this machine has kept, else what is found now, and kept: a long way takes a while to be parsed. `about` is all that it
    depends on, but for the parser."""
    if kept is None:
        return find()
    about = [*about, importlib.metadata.version("postgast")]
    found = kept.read(about)
    if found is None:
        found = find()
        kept.write(about, found)
    return found


def _own(steps: Sequence[Step]) -> list[str]:
    """The statements, those that are tenantplan's emptied: their places stay what they are."""
    from tenantplan.migration.compile.assemble import is_own

    authors = [origin.own for origin in all_origins(steps) for _ in range(origin.count)]
    return [text if own and is_own(text) else "" for text, own in zip(flat(steps), authors, strict=True)]


def _programs(steps: Sequence[Step]) -> list[tuple[int, Step]]:
    """The steps that are programs, each with the place of its statement."""
    statements = flat(steps)
    return [(statements.index(step.statements[0]), step) for step in steps if step.kind == PROGRAM]
