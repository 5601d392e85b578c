"""From the differences of a schema, object by object, to the SQL that takes them back where no row can be lost.

Decided here, run elsewhere. What a statement is made of: names, each read strictly and quoted anew, and the definitions of
what should be, which the server printed. Of the database that differs nothing but names gets into a statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tenantplan.schema.repair.comparison import SchemaComparison
from tenantplan.schema.repair.difference import Fix, ObjectDifference, Unrepaired
from tenantplan.schema.repair.kinds import outcome
from tenantplan.schema.repair.order import actual, expected, ordered, possible
from tenantplan.schema.repair.routines import with_drops

# The definitions were printed under these settings; a function's body may speak of what its own search_path finds.
PREPARE = (
    "SET LOCAL search_path = pg_catalog, pg_temp",
    "SET LOCAL check_function_bodies = off",
    "SET LOCAL standard_conforming_strings = on",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL IntervalStyle = 'postgres'",
    "SET LOCAL TimeZone = 'UTC'",
)


@dataclass(frozen=True)
class Repair:
    """What to run, and what comes of it.

    `statements` belong into one transaction, of the role that owns the objects; () when nothing can be repaired. Some can
    fail on the rows that are there, as SET NOT NULL does: then nothing was changed. `repaired` names what is as expected
    afterwards, `left` what is not, with why and what to do, `notes` what comes back with a loss.
    """

    statements: tuple[str, ...]
    repaired: tuple[str, ...]
    left: tuple[tuple[str, str], ...]
    notes: tuple[tuple[str, str], ...] = ()


def find_repair(
    differences: Iterable[tuple[str, str | None, str | None]],
    objects: Mapping[str, str] | None = None,
    kept: Mapping[str, str] | None = None,
) -> Repair:
    """The repair of a database, from what fingerprint.differences found.

    `objects` are all objects as they should be. Without them no view or function is dropped and made again, since it is
    not known what is on it, and what is made keeps the rights that default privileges give it. `kept` are differences
    that are to stay, identity -> why: they are left, but the others are repaired in their presence.
    """
    given = [ObjectDifference(*difference) for difference in differences]
    comparison = with_drops(SchemaComparison(given, objects or {}, kept))
    decided = [outcome(comparison, d) for d in comparison]
    fixes, left = possible(
        [each for each in decided if isinstance(each, Fix)],
        [each for each in decided if isinstance(each, Unrepaired)],
        comparison.known,
    )
    return _reported({d.identity for d in given}, fixes, left)


def _reported(asked: set[str], fixes: list[Fix], left: list[Unrepaired]) -> Repair:
    statements = [
        *(text.as_string() for fix in reversed(ordered(fixes, actual)) for text in fix.remove),
        *(text.as_string() for fix in ordered(fixes, expected) for text in fix.make),
    ]
    back = {identity for fix in fixes for identity in fix.gone}
    stays = {entry.difference.identity: entry.why for entry in left}
    done = back | {fix.difference.identity for fix in fixes}
    notes = sorted((fix.difference.identity, fix.note) for fix in fixes if fix.note)
    return Repair(
        (*PREPARE, *statements) if statements else (),
        tuple(sorted(done & asked)),
        tuple((identity, why) for identity, why in sorted(stays.items()) if identity in asked - done),
        tuple(notes),
    )
