"""The verdict of an empty plan: "No changes" only where nothing is known to be otherwise. PURE."""

from __future__ import annotations

from tenantplan.model.finding_rules import CHANGED, DELETED_BY_APPLICATION, STAYS_DISABLED, UNMANAGED
from tenantplan.rendering.parts import counted
from tenantplan.rendering.view import View

# Rules of notes about what was declared and is not like that, and is left alone all the same.
_LEFT_ALONE = (UNMANAGED, DELETED_BY_APPLICATION, STAYS_DISABLED)


def nothing(view: View) -> tuple[str, bool]:
    """The sentence, and whether it is all clear."""
    if view.waiting:
        return f"Nothing to apply now: {counted(view.waiting, 'operation')} deferred.", False
    if view.unreachable:
        return "No changes in what could be read; the rest was not planned.", False
    if view.blockers:
        return "No changes besides what is blocked.", False
    if found := _otherwise(view):
        return f"Nothing to apply, but the live fleet does not match the YAML: {found} above.", False
    if view.selection:
        return "Nothing in the selection changes.", True
    stamps = "" if view.deep else ", its databases by their stamps (plan --refresh deep inspects each)"
    return f"No changes. The live fleet matches the YAML{stamps}.", True


def _otherwise(view: View) -> str:
    """What is known to be otherwise, and that apply leaves alone."""
    changed = len([note for note in view.notes if note.rule == CHANGED])
    left = len([note for note in view.notes if note.rule in _LEFT_ALONE])
    found = [
        f"{number} {one if number == 1 else many}"
        for number, one, many in (
            (changed, "database that differs from its stamp", "databases that differ from their stamps"),
            (left, "declared object left alone", "declared objects left alone"),
            (len(view.orphans), "orphan", "orphans"),
        )
        if number
    ]
    return ", ".join(found)
