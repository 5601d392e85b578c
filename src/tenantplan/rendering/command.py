"""The command that applies the plan just shown. PURE."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tenantplan.rendering.view import View


@dataclass(frozen=True)
class Call:
    """How a plan was asked for: the fleet's `--fleet`, the file it was saved to, `--refresh deep`, `drift --repair`."""

    fleet: str | None = None
    saved: str | None = None
    deep: bool = False
    repair: bool = False


def following(view: View, selection: Mapping[str, object], call: Call) -> str:
    """What to type next, after a colon that says what for; "" where nothing applies this plan.

    What `apply` would not plan by itself, repairs and what a deep look found, has to be saved first.
    """
    if view.empty or view.stopped:
        return ""
    program = ["tenantplan", *(["--fleet", call.fleet] if call.fleet else [])]
    words = [part for word in view.words for part in word.split()]
    if call.saved:
        return f"to apply exactly this: {shlex.join([*program, 'apply', call.saved, *words])}"
    if call.repair:
        return f"to apply it, save it first: {shlex.join([*program, 'drift', '--repair', '--out', 'repair.json'])}"
    chosen = list(_selected(selection))
    if call.deep:
        saving = [*program, "plan", "--refresh", "deep", *chosen, "--out", "plan.json"]
        return f"to apply it, save it first: {shlex.join(saving)}"
    return f"to apply exactly this: {shlex.join([*program, 'apply', *chosen, *words])}"


def _selected(selection: Mapping[str, object]) -> Iterator[str]:
    """The flags of a selection, as a plan holds it."""
    for name, value in sorted(selection.items()):
        pairs = [f"{key}={label}" for key, label in sorted(value.items())] if isinstance(value, Mapping) else value
        for item in pairs if isinstance(pairs, (list, tuple)) else ():
            yield from (f"--{name}", str(item))
