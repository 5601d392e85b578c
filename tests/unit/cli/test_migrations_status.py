"""`migrations status` fits on a screen, however long the tree and however many databases."""

from __future__ import annotations

import pytest

from tenantplan.cli.migrations_status import print_tree
from tenantplan.commands.status.revisions import TreeStatus

SCREEN = 24


def a_status(revisions: int, at: dict[int | None, int], pinned: int = 0) -> TreeStatus:
    names = [f"r{number:03}" for number in range(revisions)]
    placed = {None if n is None else names[n]: [f"db_{n}_{i}" for i in range(count)] for n, count in at.items()}
    return TreeStatus(
        tree="tenant",
        head=names[-1],
        revisions=tuple((name, f"step {name}") for name in names),
        at=placed,
        behind={revision: found for revision, found in placed.items() if revision != names[-1]},
        unknown={},
        edited=(),
        pinned={f"org{number}": names[0] for number in range(pinned)},
    )


def lines(tree: TreeStatus, capsys: pytest.CaptureFixture[str], *, every: bool = False) -> list[str]:
    print_tree(tree, every)
    return capsys.readouterr().out.splitlines()


def test_a_long_tree_fits_on_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    tree = a_status(300, {None: 3, 7: 1, **dict.fromkeys(range(100, 120), 200), 290: 2, 299: 500}, pinned=50)
    found = lines(tree, capsys)
    assert len(found) <= SCREEN, "\n".join(found)
    assert any(line.split() == ["r299", "step", "r299", "500"] for line in found)
    assert any(line.split() == ["r290", "step", "r290", "2"] for line in found)
    (first,) = [line for line in found if "117 revisions" in line]
    assert "117 of them pending (--all)" in first and first.split()[-1] == str(1 + 17 * 200)
    everything = lines(tree, capsys, every=True)
    assert len(everything) > 300 and not any("(--all)" in line for line in everything)
    assert any("db_100_199" in line for line in everything)


def test_what_all_have_is_only_counted(capsys: pytest.CaptureFixture[str]) -> None:
    found = lines(a_status(300, {299: 5}), capsys)
    assert len(found) == 8 and "… " in found[2] and "296 revisions (--all)" in found[2]


def test_a_short_tree_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert len([line for line in lines(a_status(12, {3: 1, 11: 1}), capsys) if "step" in line]) == 12
