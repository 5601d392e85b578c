"""Failpoints: the acceptance tests kill a run at every one of them."""

from __future__ import annotations

import re
from pathlib import Path

import tenantplan
from tenantplan import failpoint


def test_every_point_is_listed_once() -> None:
    files = Path(tenantplan.__file__).parent.rglob("*.py")
    reached = {name for file in files for name in re.findall(r'\breach\("([^"]+)"\)', file.read_text())}
    assert reached == set(failpoint.POINTS)
    assert len(set(failpoint.POINTS)) == len(failpoint.POINTS)
