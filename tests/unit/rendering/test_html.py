"""The page: self-contained, without scripts, hostile values inert."""

from __future__ import annotations

import unicodedata
from html.parser import HTMLParser

import pytest
from unit.rendering.builders import HOSTILE, a_dedicated_organization, a_hostile_plan, a_migration, a_plan

from tenantplan.rendering import html


class Page(HTMLParser):
    """The tags with their attributes, and the text, of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.comments: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_loads_and_runs_nothing() -> None:
    page = html.plan(a_plan(*a_dedicated_organization(), a_migration("a"), a_migration("b")))
    names = {tag for tag, _ in Page(page).tags}
    assert not names & {"script", "img", "link", "iframe", "a", "form", "object", "base"}
    assert "default-src 'none'" in page
    assert page.startswith("<!doctype html>")
    assert "dedicated on primary: database tenantplan_org_msf at 9c1b" in Page(page).text
    assert "ALTER TABLE donors ADD COLUMN consent_at timestamptz" in Page(page).text


@pytest.mark.parametrize("hostile", [text for text in HOSTILE if "\ud800" not in text])
def test_hostile_names_make_no_tag_and_no_control_character(hostile: str) -> None:
    page = html.plan(a_hostile_plan(hostile))
    plain = {tag for tag, _ in Page(html.plan(a_hostile_plan("plain"))).tags}
    parsed = Page(page)
    assert {tag for tag, _ in parsed.tags} <= plain
    assert not [attrs for _, attrs in parsed.tags if set(attrs) & {"onerror", "src", "href", "style"}]
    assert parsed.comments == []
    assert not [c for c in page if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
