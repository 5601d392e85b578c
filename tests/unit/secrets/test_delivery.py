"""Logins handed over: the file's form, and what a password is made of."""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path
from urllib.parse import quote

import pytest

from tenantplan.errors import SettingsError
from tenantplan.secrets.delivery import Handover, deliver, write
from tenantplan.secrets.passwords import ALPHABET, LENGTH, new_password, weakness
from tenantplan.settings.targets import TargetSpec

LOGIN = Handover("acme", "o_acme_app", "db.example", 5432, "o_acme", "s3cret", "postgresql://o_acme_app:s3cret@h/d")


def test_a_generated_password_is_random_enough_and_needs_no_quoting() -> None:
    made = {new_password() for _ in range(200)}
    assert len(made) == 200 and all(len(password) == LENGTH for password in made)
    assert LENGTH * math.log2(len(ALPHABET)) >= 128
    assert all(quote(password, safe="") == password and weakness(password, "acme") is None for password in made)


def test_nothing_prints_it() -> None:
    assert "s3cret" not in repr(LOGIN)


@pytest.mark.parametrize("suffix", ["json", "env"])
def test_the_name_of_the_file_says_its_form(tmp_path: Path, suffix: str) -> None:
    tmp_path.chmod(0o755)
    deliver("files", TargetSpec(file=f"{{organization}}.{suffix}"), LOGIN, tmp_path, ())
    text = (tmp_path / f"acme.{suffix}").read_text()
    if suffix == "json":
        assert json.loads(text)["url"] == LOGIN.url
    else:
        found = dict(line.split("=", 1) for line in text.splitlines())
        assert found["PGPASSWORD"] == "s3cret" and "PGSSLMODE" not in found


def test_a_file_is_replaced_whole_and_what_a_link_named_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "other").write_text("untouched")
    (tmp_path / "login").symlink_to(tmp_path / "other")
    write(tmp_path / "login", b"new", "target x")
    assert (tmp_path / "other").read_text() == "untouched" and not (tmp_path / "login").is_symlink()
    assert (tmp_path / "login").read_bytes() == b"new" and [p.name for p in sorted(tmp_path.iterdir())] == [
        "login",
        "other",
    ]
    assert stat.S_IMODE((tmp_path / "login").stat().st_mode) == 0o600


def test_folders_that_are_missing_are_made_for_the_owner_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    write(tmp_path / "a" / "b" / "login", b"x", "target x")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777])
def test_a_folder_of_several_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(mode)
    with pytest.raises(SettingsError, match="others can write to it"):
        write(tmp_path / "shared" / "login", b"x", "target x")
    assert os.listdir(tmp_path / "shared") == []


def test_a_link_of_ones_own_is_followed_and_where_it_leads_is_looked_at(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(tmp_path / "link" / "login", b"x", "target x")
    assert (tmp_path / "real" / "login").read_bytes() == b"x"
    (tmp_path / "real").chmod(0o777)
    with pytest.raises(SettingsError, match="others can write to it"):
        write(tmp_path / "link" / "login", b"y", "target x")


@pytest.mark.parametrize("given", [{}, {"file": "x"}, {"file": "{organization}", "command": ["x"]}, {"command": [""]}])
def test_a_target_is_one_thing_and_a_file_is_somebodys_own(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"target|file|command"):
        TargetSpec(**given)
