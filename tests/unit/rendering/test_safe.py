"""Hostile text is inert, and no connection string shows its password."""

from __future__ import annotations

import unicodedata

import pytest
from markdown_it import MarkdownIt
from unit.rendering.builders import HOSTILE

from tenantplan.rendering.safe import fence, markdown, mask_url, terminal

GITHUB = MarkdownIt("gfm-like", {"linkify": False})


@pytest.mark.parametrize("text", HOSTILE)
def test_terminal_text_is_one_line_that_no_terminal_or_runner_obeys(text: str) -> None:
    shown = terminal(text)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert not shown.lstrip().startswith("::")
    assert "##[" not in shown
    shown.encode()


def test_no_character_that_cannot_be_seen_or_moves_others_is_shown_as_itself() -> None:
    categories = ("Cc", "Cf", "Cs", "Zl", "Zp")
    assert [
        hex(n) for n in range(0x110000) if unicodedata.category(chr(n)) in categories and terminal(chr(n)) == chr(n)
    ] == []


def test_terminal_shows_what_it_escapes_and_leaves_the_rest() -> None:
    assert terminal("a\x1b[2J\n\t\x9b\u202e\U000e0041") == "a\\x1b[2J\\n\\t\\x9b\\u202e\\U000e0041"
    assert (
        terminal("Médecins sans frontières 日本 'x'::text ## [a]") == "Médecins sans frontières 日本 'x'::text ## [a]"
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_is_one_code_span_with_the_whole_text(text: str) -> None:
    tokens = GITHUB.parse(f"- before {markdown(text)} after")
    inline = next(token for token in tokens if token.type == "inline")
    assert [child.type for child in inline.children or ()] == ["text", "code_inline", "text"]
    code = (inline.children or [])[1].content
    assert code == (terminal(text).replace("<!--", "<\\x21--") or '""')
    assert "<!--" not in markdown(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_fence_is_closed_by_no_line_in_it(text: str) -> None:
    tokens = GITHUB.parse(fence((text, "SELECT 1", *text.splitlines())) + "\n\nafter\n")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://anna:canary@db.example:5432/x",
        "postgresql+asyncpg://anna:p@s:/?%#'\"\\canary@db.example/x",
        "postgresql://anna:canary\u00a0canary@db.example/x",
        "postgresql://anna:ca canary@db.example/x",
        "postgresql://:canary@db.example/x",
        "host=db.example user=anna password=canary dbname=x",
        "host=db.example password = 'a \\' canary' dbname=x",
        "postgresql://db.example/x?user=anna&password=canary&sslmode=require",
        "ALTER ROLE anna PASSWORD 'it''s canary'",
    ],
)
def test_the_password_of_a_connection_string_is_masked(url: str) -> None:
    masked = mask_url(f"cannot connect to {url}")
    assert "canary" not in masked
    assert "***" in masked
    assert mask_url(masked) == masked


def test_text_without_a_password_stays() -> None:
    for text in ("postgresql://db.example:5432/x refused, ask ops@x.org", "https://x.org", "the password is old"):
        assert mask_url(text) == text
