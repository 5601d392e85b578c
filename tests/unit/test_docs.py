"""What the documents point at is there: links, headings, and the files of src and tests that they name.

A file that an example tells the reader to make has (new) behind its name.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)")  # without a scheme, such as https:
_PATH = re.compile(r"(?<![\w./-])((?:src|tests)/[\w./-]+)(`? \(new\))?")
_IN_SOURCE = re.compile(r"`(?!src/|tests/)((?:\w+/)+\w+\.(?:py|sql))`( \(new\))?")
_TEST = re.compile(r"`(test_\w+\.py)`( \(new\))?")

documents = pytest.mark.parametrize("document", [pytest.param(file, id=file.name) for file in FILES])


def _text(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def _prose(document: Path) -> str:
    return _FENCE.sub("", _text(document))


def _headings(document: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    titles = re.findall(r"^#+ (.*)$", _prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


def _is_there(path: str, *folders: Path) -> bool:
    return any((folder / path).exists() for folder in folders)


@documents
def test_relative_links_lead_somewhere(document: Path) -> None:
    broken = []
    for path, heading in _LINK.findall(_prose(document)):
        target = document.parent / path if path else document
        if not target.exists() or (heading and heading not in _headings(target)):
            broken.append(f"{path}#{heading}" if heading else path)
    assert not broken


@documents
def test_files_that_are_named_are_there(document: Path) -> None:
    text = _text(document)
    named = [path.rstrip(".-") for path, new in _PATH.findall(text) if not new]
    missing = [path for path in named if not _is_there(path, ROOT)]
    missing += [p for p, new in _IN_SOURCE.findall(text) if not new and not _is_there(p, ROOT, ROOT / "src/tenantplan")]
    missing += [name for name, new in _TEST.findall(text) if not new and not any((ROOT / "tests").rglob(name))]
    assert not missing
