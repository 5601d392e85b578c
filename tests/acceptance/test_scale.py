"""What a plan costs does not depend on how many databases there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import tenant_tree
from conftest import FreshServer

LOGGING = {"log_statement": "all", "log_connections": "on"}
SPEC = "guard: { maxChangedPercent: 100 }"


def declare(fleet: Fleet, numbers: range) -> None:
    fleet.write(
        f"tenants/organizations-{numbers.start}.yaml",
        "---\n".join(
            f"apiVersion: tenantplan/v1\nkind: Organization\nmetadata: {{ name: org-{number} }}\n"
            f"spec: {{ displayName: Organization {number}, database: {{ mode: dedicated }} }}\n"
            for number in numbers
        ),
    )


def asked(fleet: Fleet, *arguments: str) -> tuple[int, int]:
    """How many connections and statements a plan without changes makes."""
    before = len(fleet.server.log_text())
    assert fleet.plan(*arguments)["operations"] == []
    said = fleet.server.log_text()[before:]
    return len(re.findall("connection authorized", said)), len(re.findall(r"LOG:  (?:statement|execute [^:]*):", said))


def apart(fresh_server: FreshServer, folder: Path, first: int, then: int) -> tuple[tuple[int, int], tuple[int, int]]:
    fleet = Fleet(folder / "fleet", fresh_server(LOGGING), SPEC)
    declare(fleet, range(first))
    fleet.apply()
    few = asked(fleet)
    assert few > (0, 0)
    declare(fleet, range(first, then))
    fleet.apply()
    assert len(fleet.databases()) == then + 1
    return few, asked(fleet)


@pytest.mark.once
def test_a_plan_asks_as_much_of_few_databases_as_of_many(fresh_server: FreshServer, tmp_path: Path) -> None:
    """Connections and statements, counted by the server."""
    few, many = apart(fresh_server, tmp_path, 2, 12)
    assert few == many and few[0] <= 4


@pytest.mark.slow
@pytest.mark.once
def test_of_ten_as_of_five_hundred(fresh_server: FreshServer, tmp_path: Path) -> None:
    """From ten organizations to five hundred."""
    few, many = apart(fresh_server, tmp_path, 10, 500)
    assert few == many


@pytest.mark.once
def test_a_large_template_is_copied_file_by_file(fresh_server: FreshServer, tmp_path: Path) -> None:
    """The fastest strategy by size: a small one through the log, a large one as files; what is in it is in the copy."""
    fleet = Fleet(tmp_path / "fleet", fresh_server(LOGGING), SPEC)
    tree = tenant_tree(fleet)
    declare(fleet, range(1))
    fleet.apply()
    assert strategies(fleet) == ["WAL_LOG"]
    rows = "SELECT g AS id, repeat(md5(g::text), 30) AS text FROM generate_series(1, 20000) AS g"
    tree.add("aa01", f'op.execute("CREATE TABLE catalogue AS {rows}")')
    fleet.apply()
    declare(fleet, range(1, 3))
    fleet.apply()
    assert strategies(fleet) == ["WAL_LOG", "FILE_COPY", "FILE_COPY"]
    copied = {
        fleet.rows("SELECT count(*), min(text) FROM catalogue", database=name)[0] for name in organizations(fleet)
    }
    assert [count for count, _ in copied] == [20000]
    assert fleet.plan()["operations"] == []
    fleet.run("drift")


def strategies(fleet: Fleet) -> list[str]:
    """How each database of an organization was copied, as the server was told."""
    return re.findall(
        r'CREATE DATABASE "tp_new_\w+" TEMPLATE "tp_template_\w+" STRATEGY (\w+)', fleet.server.log_text()
    )


def organizations(fleet: Fleet) -> list[str]:
    """Databases of organizations."""
    return [name for name in fleet.databases() if "org" in name]
