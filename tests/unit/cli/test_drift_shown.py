"""What `drift` prints of what it found, and the document of --json."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tenantplan.cli.drift import _document, _show
from tenantplan.commands.drift.drift import Drift
from tenantplan.model.drift import Ignore
from tenantplan.model.plan import Finding
from tenantplan.rendering.view import DriftItem
from tenantplan.settings.settings import Settings, load

pytestmark = pytest.mark.once
CLEAN = Drift((), (), (), (), None, main="db.example:5432, database main")
ROW = DriftItem("organization/msf", "state", "active", "suspended")
LOGIN = DriftItem("role/primary/msf_app", "password", "as applied", "another one")
LIMIT = DriftItem("role/primary/msf_app", "connection_limit", "5", "9")
HASH = DriftItem("adminuser/ada@x.org", "password", "as applied", "changed by hand")
COLUMN = DriftItem("schema/primary/msf", "column public.donors.note", "", "there")
RULE = Ignore("schema/*", "table *", "a report of finance", date(2031, 1, 31))
ASIDE = DriftItem("schema/primary/msf", "table public.report", "", "there")
LOST = Finding("organization/wwf", "unreachable", "it does not answer")
UNKNOWN = Finding("role/primary/msf_app", "password", "its reference has no value")
ROWS = "tenantplan plan shows what apply would correct.\n"
PASSWORDS = "tenantplan plan --refresh deep --out plan.json plans to set the passwords again.\n"
SCHEMAS = "tenantplan drift --repair plans the repair of schemas, where that is safe.\n"
ALL_CLEAR = "No drift. Everything is as it was last applied.\n"


@pytest.fixture
def fleet(tmp_path: Path) -> Settings:
    path = tmp_path / "tenantplan.yaml"
    path.write_text(
        "apiVersion: tenantplan/v1\nkind: Fleet\nmetadata: { name: demo }\nspec: { manifests: [tenants] }\n"
    )
    return load(path)


def shown(fleet: Settings, capsys: pytest.CaptureFixture[str], **changes: Any) -> str:
    """What is printed below the first line."""
    _show(fleet, replace(CLEAN, **changes))
    first, _, rest = capsys.readouterr().out.partition("\n\n")
    assert first == "tenantplan drift   fleet demo   main db.example:5432, database main"
    return rest


@pytest.mark.parametrize(
    ("items", "commands"),
    [
        ((), ""),
        ((ROW,), ROWS),
        ((LOGIN,), PASSWORDS),
        ((COLUMN,), SCHEMAS),
        ((LIMIT,), ROWS),
        ((HASH,), ROWS),  # only passwords of login roles are looked at by a deep plan alone
        ((LOGIN, LIMIT), PASSWORDS + ROWS),
        ((COLUMN, ROW), ROWS + SCHEMAS),
        ((COLUMN, LOGIN), PASSWORDS + SCHEMAS),
        ((ROW, LOGIN, COLUMN), PASSWORDS + ROWS + SCHEMAS),
    ],
)
def test_which_command_comes_next(
    fleet: Settings, capsys: pytest.CaptureFixture[str], items: tuple[DriftItem, ...], commands: str
) -> None:
    text = shown(fleet, capsys, items=items)
    ends = f"Drift: {len(items)} difference" if items else ALL_CLEAR
    assert ends in text
    assert text.partition(" objects.\n" if len({i.address for i in items}) > 1 else " object.\n")[2] == commands


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"ignored": ((ASIDE, RULE),)},
         "  i schema/primary/msf  table public.report: ignored until 2031-01-31: a report of finance\n"),
        ({"expired": (RULE,)}, "  ! drift.ignore of table * ended on 2031-01-31: a report of finance\n"),
        ({"unfinished": "r7"}, "Run r7 was interrupted: what it did shows as drift until the next apply.\n"),
        ({"at_work": ("r7", "since noon")},
         "Run r7 is running since noon: what it does shows as drift until it ends.\n"),
    ],
)  # fmt: skip
def test_what_is_said_beside_the_differences(
    fleet: Settings, capsys: pytest.CaptureFixture[str], changes: dict[str, object], line: str
) -> None:
    assert shown(fleet, capsys, **changes) == ALL_CLEAR + line


def test_what_could_not_be_compared(fleet: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    head = "Nothing differs in what could be compared; {} could not be.\n".format
    away = "  ! organization/wwf  it does not answer; not compared\n"
    password = "  i role/primary/msf_app: its password{} was not compared: its reference has no value\n".format
    found = [
        shown(fleet, capsys, unreachable=(LOST,)),
        shown(fleet, capsys, not_compared=(UNKNOWN,)),
        shown(fleet, capsys, not_compared=(UNKNOWN, LOST, LOST)),
        shown(fleet, capsys, unreachable=(LOST,), not_compared=(UNKNOWN, LOST)),
    ]
    assert found == [
        head("1 object") + away,
        head("1 object") + password(""),
        head("3 objects") + password(" and of 2 more"),
        head("3 objects") + away + password(" and of 1 more"),
    ]


def test_the_document() -> None:
    full = Drift((ROW,), ((ASIDE, RULE),), (RULE,), (LOST,), "r7", (UNKNOWN,), "main", ("r8", "since noon"))
    rule = {"reason": "a report of finance", "until": "2031-01-31"}
    aside = {"address": "schema/primary/msf", "name": "table public.report", "expected": "", "actual": "there"}
    assert _document(full) == {
        "drift": True,
        "complete": False,
        "items": [{"address": "organization/msf", "name": "state", "expected": "active", "actual": "suspended"}],
        "ignored": [aside | rule],
        "expired": [{"address": "schema/*", "object": "table *"} | rule],
        "unreachable": [{"address": "organization/wwf", "rule": "unreachable", "message": "it does not answer"}],
        "unfinishedRun": "r7",
        "runAtWork": "r8",
        "notCompared": [
            {"address": "role/primary/msf_app", "rule": "password", "message": "its reference has no value"}
        ],
    }
    nothing: dict[str, list[object]] = {"items": [], "ignored": [], "expired": [], "unreachable": [], "notCompared": []}
    says = {"drift": False, "complete": True, "unfinishedRun": None, "runAtWork": None}
    assert _document(CLEAN) == nothing | says
