"""Releases of PostgreSQL with known holes."""

from __future__ import annotations

import pytest

from tenantplan.live.session_checks import holes


@pytest.mark.parametrize(
    ("version", "mended"), [(150019, "15.20"), (160004, "16.16"), (170011, "17.12"), (180000, "18.7")]
)
def test_an_older_minor_release(version: int, mended: str) -> None:
    said = holes(version)
    assert said is not None and f"fixed in {mended} (known on 2026-11-28)" in said


@pytest.mark.parametrize("version", [150020, 150021, 160016, 170012, 180007, 190000, 140000])
def test_one_of_which_nothing_is_known(version: int) -> None:
    assert holes(version) is None
