"""A value written into a document's text: nothing else changes."""

from __future__ import annotations

import pytest
import yaml

from tenantplan.documents.edit import with_value

HEAD = "# ours\napiVersion: tenantplan/v1\nkind: Organization\nmetadata: { name: msf } # the first\n"
OTHER = "---\nkind: Organization\nmetadata: { name: acme }\nspec: { displayName: A }\n"
PATH = ("spec", "database", "revision")
CASES = {
    "in braces": (
        "spec:\n  database: { mode: dedicated } # ours\n",
        "spec:\n  database: { mode: dedicated, revision: 3f2a } # ours\n",
    ),
    "a block": (
        "spec:\n  database: # where\n    # what\n    mode: dedicated # how\n  tier: x\n",
        "spec:\n  database: # where\n    # what\n    revision: 3f2a\n    mode: dedicated # how\n  tier: x\n",
    ),
    "there already": (
        "spec:\n  database: { revision: '9c1b', mode: x }\n",
        "spec:\n  database: { revision: 3f2a, mode: x }\n",
    ),
    "there in a block": (
        "spec:\n    database:\n        revision: 9c1b # held\n",
        "spec:\n    database:\n        revision: 3f2a # held\n",
    ),
    "no database": ("spec:\n  tier: x\n", "spec:\n  database: { revision: 3f2a }\n  tier: x\n"),
    "empty": ("spec:\n  database: {}\n", "spec:\n  database: { revision: 3f2a }\n"),
    "nothing": ("spec:\n  database:\n  tier: x\n", "spec:\n  database: { revision: 3f2a }\n  tier: x\n"),
    "one line": ("spec: { tier: x, }\n", "spec: { tier: x, database: { revision: 3f2a }, }\n"),
    "braces on lines": (
        "spec: {\n  database: {\n    mode: dedicated # how\n  }\n}\n",
        "spec: {\n  database: {\n    mode: dedicated, revision: 3f2a # how\n  }\n}\n",
    ),
    "other line ends": ("spec:\r\n  tier: x\r\n", "spec:\r\n  database: { revision: 3f2a }\r\n  tier: x\r\n"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_only_change(case: str) -> None:
    before, after = CASES[case]
    assert with_value(HEAD + before + OTHER, "Organization", "msf", PATH, "3f2a") == HEAD + after + OTHER
    second = "---\n" + HEAD
    assert with_value(OTHER + second + before, "Organization", "msf", PATH, "3f2a") == OTHER + second + after


@pytest.mark.parametrize("case", CASES)
def test_a_file_with_crlf_keeps_it(case: str) -> None:
    before, after = (
        (HEAD + text.replace("\r\n", "\n")).replace("\n", "\r\n").removesuffix("\r\n") for text in CASES[case]
    )
    assert with_value(before, "Organization", "msf", PATH, "3f2a") == after


@pytest.mark.parametrize("value", ["58", "58e1", "0x1f", "1_0", "null"])
def test_a_number_is_in_quotes(value: str) -> None:
    text = with_value(HEAD + "spec: { tier: x }\n", "Organization", "msf", PATH, value)
    assert yaml.safe_load(text)["spec"]["database"] == {"revision": value}


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(ValueError, match="there is no Organization other"):
        with_value(OTHER, "Organization", "other", PATH, "3f2a")
