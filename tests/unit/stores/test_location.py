"""Storage URLs: what they may be, and that none is ever shown with its password."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tenantplan.errors import SettingsError
from tenantplan.stores import location_problem, masked_url, open_store
from tenantplan.stores.location import folder_of, scrub, url_problem

SECRET = "p@s:/?%#é"


@pytest.mark.parametrize("url", ["file:///srv/packages", "file:packages", "file:../packages/of all", "main:", "s3://bucket",
                                 "s3://bucket/a/prefix", "gs://bucket/x", "memory://", "memory://x", "sftp://anna@host/dir",
                                 "local:///srv/x", "mongodb://host/database", "mongodb+srv://host/database?retryWrites=true",
                                 "mongodb://anna@h1:27017,h2/database"])  # fmt: skip
def test_allowed(url: str) -> None:
    assert location_problem(url) is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "no known scheme"),
        ("packages", "no known scheme"),
        ("/srv/packages", "no known scheme"),
        ("S3://bucket", "no known scheme"),
        ("nonsense://x", "nonsense, is unknown"),
        ("s3:bucket", "comes //"),
        ("s3://", "names no bucket"),
        ("https://host/x", "cannot be stored through https"),
        ("simplecache::s3://bucket", "comes //"),
        ("sftp://host/x::memory://", "cannot be stored"),
        ("file:", "names no folder"),
        ("file://host/dir", "file:///absolute/folder"),
        ("file:///a%00b", "names no folder"),
        ("file:a\nb", "control character"),
        (" main:", "blanks"),
        ("main:x", "nothing after it"),
        ("main://", "nothing after it"),
        ("mongodb://host", "names no database"),
        ("mongodb://host/", "names no database"),
        ("mongodb://host/?x=1", "names no database"),
        ("mongodb:///database", "names no database"),
    ],
)
def test_refused(url: str, said: str) -> None:
    problem = location_problem(url)
    assert problem and said in problem
    with pytest.raises(SettingsError, match="cannot be used"):
        open_store(url, Path("/"), main=_never)


@pytest.mark.parametrize("url", ["mongodb://u:pw@host/d", "sftp://u:pw@host/d", "mongodb://u:p/w?@host/d",
                                 "mongodb://host/d?tlsCertificateKeyFilePassword=pw", "abfs://c@a/x?account_key=pw"])  # fmt: skip
def test_a_password_in_the_fleet_file_is_refused_and_by_reference_is_not(url: str) -> None:
    problem = location_problem(url)
    assert problem and "by reference" in problem and "pw" not in problem
    assert url_problem(url) is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("main:", "main:"),
        ("file:a@b:c?d", "file:a@b:c?d"),
        ("file:///a@b", "file:///a@b"),
        ("file://u:pw@host/x", "file://u:***@host/x"),
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("sftp://anna@host/dir", "sftp://anna@host/dir"),
        ("mongodb://anna:pw@h1,h2/d", "mongodb://anna:***@h1,h2/d"),
        ("mongodb://anna:p@w@host/d", "mongodb://anna:***@host/d"),
        ("mongodb://host/d?password=pw", "mongodb://host/d?…"),
        ("mongodb://host/d?password=p@w", "mongodb://***"),
        ("u:pw@host", "u:***@host"),
    ],
)
def test_masked(url: str, shown: str) -> None:
    assert masked_url(url) == shown


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
@example("@")
@example("/x?y=")
@example("#")
def test_what_is_shown_never_repeats_a_password_that_nobody_encoded(text: str) -> None:
    for url in (f"sftp://u:4711{text}canary@h/d", f"sftp://u:canary{text}4711@h/d?password=4711{text}"):
        said = f"{masked_url(url)} {location_problem(url)}"
        assert "4711" not in said and "canary" not in said


def test_a_drivers_words_are_shown_without_the_password() -> None:
    url = f"mongodb://anna:{quote(SECRET, safe='')}@host/d?tlsCertificateKeyFilePassword=other"
    said = f"cannot open {url}: {SECRET} or other is wrong for anna"
    shown = scrub(said, url)
    assert SECRET not in shown and quote(SECRET, safe="") not in shown and "other" not in shown and "anna" in shown


def test_folders() -> None:
    assert [folder_of(url) for url in ("file:///srv/a%20b", "file:a/b", "file:/srv", "file:")] == [
        "/srv/a b",
        "a/b",
        "/srv",
        "",
    ]


def _never() -> NoReturn:
    raise AssertionError("nothing may be connected")
