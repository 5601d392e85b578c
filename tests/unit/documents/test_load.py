"""The strict loader: what a scalar becomes, what is refused, and where a mistake is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field

from tenantplan.documents import Document, Reference, Spec, load
from tenantplan.errors import ManifestError


class Inner(Spec):
    size: int = 1


class ThingSpec(Spec):
    title: str | None = None
    notes: str = "-"
    count: int | None = None
    ratio: float | None = None
    active: bool = True
    level: Literal["low", "high"] = "low"
    feature_flags: dict[str, bool] = Field(default_factory=dict)
    inner: Inner = Field(default_factory=Inner)
    items: list[Inner] = Field(default_factory=list)
    free: dict[str, Any] = Field(default_factory=dict)
    password: Reference | None = None


KINDS = {"Thing": ThingSpec}


def a_document(spec: str, name: str = "one") -> str:
    return f"apiVersion: tenantplan/v1\nkind: Thing\nmetadata: {{ name: {name} }}\nspec:\n{spec}"


def read(tmp_path: Path, text: str | bytes) -> list[Document]:
    (tmp_path / "a.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(tmp_path, ["."], KINDS)


def spec_of(tmp_path: Path, spec: str) -> Any:
    return read(tmp_path, a_document(spec))[0].spec


def problems(tmp_path: Path, text: str | bytes) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, text)
    assert caught.value.exit_code == 1
    return caught.value.problems


@pytest.mark.parametrize(
    "typed",
    ["NO", "on", "0123", "12:30", "1_000", "2027-01-31", "1e5", "0x1F", ".nan", "true", "1.50", "007", "=", "y"],
)
def test_text_stays_what_the_author_typed(tmp_path: Path, typed: str) -> None:
    assert spec_of(tmp_path, f"  title: {typed}\n").title == typed


@pytest.mark.parametrize("typed", ["NO", "on", "0123", "12:30", "1_000", "2027-01-31", "1e5", "0o7", "-0", "yes"])
def test_free_settings_guess_no_types_beyond_the_core_schema(tmp_path: Path, typed: str) -> None:
    assert spec_of(tmp_path, f"  free: {{ a: {typed} }}\n").free == {"a": typed}


def test_free_settings_have_core_types(tmp_path: Path) -> None:
    free = spec_of(tmp_path, "  free: { a: true, b: -12, c: 1.5, d: null, e: [~, False], f: '1', g: { h: x } }\n").free
    assert free == {"a": True, "b": -12, "c": 1.5, "d": None, "e": [None, False], "f": "1", "g": {"h": "x"}}
    assert type(free["a"]) is bool and type(free["b"]) is int


def test_fields_have_the_type_they_ask_for(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "  count: 7\n  ratio: 2\n  active: false\n  title: null\n  featureFlags: { NO: true }\n")
    assert (spec.count, spec.ratio, spec.active, spec.title) == (7, 2.0, False, None)
    assert spec.feature_flags == {"NO": True}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("  active: yes\n", "expected true or false, got `yes`"),
        ('  active: "true"\n', "expected true or false, got `true`"),
        ("  count: 0123\n", "expected a whole number of at most 18 digits, got `0123`"),
        ("  count: 1_000\n", "expected a whole number"),
        (f"  count: {'9' * 5000}\n", "(5000 characters)"),
        ("  ratio: .inf\n", "expected a whole number of at most 18 digits or a number such as 1.5, got `.inf`"),
        ("  notes:\n", "expected text, got nothing"),
        ("  notes: [a]\n", "expected text, got a list"),
        ("  inner: 5\n", "expected a mapping, got `5`"),
        ("  items: { size: 1 }\n", "expected a list, got a mapping"),
        (f"  free: {{ a: {'9' * 5000} }}\n", "cannot be kept exactly"),
        ("  free: { a: .inf }\n", "cannot be kept exactly"),
        ("  free: { a: 1.0e999 }\n", "cannot be kept exactly"),
        ("  a: &x 1\n", "anchors (&name) are not supported"),
        ("  title: *x\n", "aliases (*name) are not supported"),
        ("  title: !!python/object:os.system x\n", "tags (!name) are not supported"),
        ("  inner: !x { size: 1 }\n", "tags (!name) are not supported"),
        ("  inner: { <<: { size: 1 } }\n", "merge keys"),
        ("  ? [a]\n  : b\n", "a key must be text"),
        ("  ~: b\n", "a key must be text"),
        ('  title: "a\\u202Eb"\n', "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ('  title: "a\\0b"\n', "U+0000 NUL"),
        ("  title: a\u200bb\n", "U+200B ZERO WIDTH SPACE"),
        ("  title: x # \u2066\n", "U+2066 LEFT-TO-RIGHT ISOLATE"),
        ('  title: "a\\uE000b"\n', "U+E000"),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, spec: str, message: str) -> None:
    found = problems(tmp_path, a_document(spec))
    assert any(message in problem for problem in found), found
    assert all(problem.startswith("a.yaml:5:") for problem in found), found


def test_a_problem_shows_file_line_column_source_line_caret_and_the_nearest_name(tmp_path: Path) -> None:
    found = problems(tmp_path, a_document("  featureFlag: { A: true }\n"))
    assert found == [
        "a.yaml:5:3: unknown field `featureFlag`\n"
        "    5 |   featureFlag: …\n"
        "      |   ^\n"
        "  field: spec.featureFlag\n"
        "  did you mean `featureFlags`?"
    ]  # fmt: skip


def test_a_wrong_word_gets_the_nearest_one(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, a_document("  level: hihg\n"))
    assert "a.yaml:5:10: expected one of low, high, got `hihg`" in found
    assert found.endswith("did you mean `high`?")


def test_unknown_kind_gets_the_nearest_one_and_fleet_its_own_message(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, a_document("  title: x\n").replace("kind: Thing", "kind: Thign"))
    assert "a.yaml:2:7: unknown kind `Thign`" in found
    assert "did you mean `Thing`?" in found
    (found,) = problems(tmp_path, a_document("  title: x\n").replace("kind: Thing", "kind: Fleet"))
    assert "kind Fleet belongs in tenantplan.yaml" in found


def test_all_problems_of_all_files_at_once_sorted_by_place(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/b.yml").write_text(a_document("  count: x\n  active: y\n") + "---\n" + a_document("  titel: z\n"))
    (tmp_path / "c.yaml").write_text("a: [")
    found = problems(tmp_path, a_document("  inner: { size: x, sizes: 1 }\n  items: [ { size: a }, { siez: 1 } ]\n"))
    heads = [problem.split(": ", 1)[0] for problem in found]
    assert heads == [
        "a.yaml:5:18", "a.yaml:5:21", "a.yaml:6:20", "a.yaml:6:27",
        "c.yaml:1:5", "sub/b.yml:5:10", "sub/b.yml:6:11", "sub/b.yml:12:3",
    ]  # fmt: skip


def test_missing_fields_of_the_envelope(tmp_path: Path) -> None:
    found = problems(tmp_path, "kind: Thing\nmetadata: {}\nspec: {}\n")
    assert [p.splitlines()[0] for p in found] == [
        "a.yaml:1:1: field `apiVersion` is required here",
        "a.yaml:2:1: field `name` is required here",
    ]
    (problem,) = problems(tmp_path, a_document("  title: x\n").replace("/v1", "/v2"))
    assert "expected one of tenantplan/v1, got `tenantplan/v2`" in problem


def test_duplicate_keys_name_both_lines(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, a_document("  title: a\n  count: 1\n  title: b\n"))
    assert "a.yaml:7:3: `title` is given twice; first at line 5" in found


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("\ufeffapiVersion: x".encode(), "a.yaml:1:1", "byte order mark"),
        ("a: b".encode("utf-16"), "a.yaml:1:1", "UTF-16"),
        ("a: b".encode("utf-16-le"), "a.yaml:1:2", "U+0000 NUL"),
        (b"a: b\nc: \xff\n", "a.yaml:2:4", "is not UTF-8"),
        (b"a: b\nc: \x00\n", "a.yaml:2:4", "U+0000 NUL"),
        (b"a: b\n\tc: d\n", "a.yaml:2:1", "not tabs"),
        (b"a: b\rc: d\n", "a.yaml:1:5", "carriage return"),
        (b"just text\n", "a.yaml:1:1", "expected a document"),
        (b"a: 'b\n", "a.yaml:1:6", "not valid YAML"),
        (b"", "", "nothing declared"),
        (b"# only a comment\n---\n---\n", "", "nothing declared"),
    ],
)
def test_files_that_are_no_manifest(tmp_path: Path, text: bytes, place: str, message: str) -> None:
    found = problems(tmp_path, text)
    assert found[0].startswith(place), found
    assert message in "".join(found)


def test_windows_line_ends_and_several_documents(tmp_path: Path) -> None:
    text = (a_document("  title: a\n", "one") + "---\n" + a_document("  title: b\n", "two") + "---\n").replace(
        "\n", "\r\n"
    )
    documents = read(tmp_path, text)
    assert [(d.name, str(d.source), d.spec.title) for d in documents] == [  # type: ignore[attr-defined]
        ("one", "a.yaml:1:1", "a"),
        ("two", "a.yaml:7:1", "b"),
    ]


def test_places_of_values(tmp_path: Path) -> None:
    (document,) = read(tmp_path, a_document("  items:\n    - { size: 1 }\n    - { size: 2 }\n"))
    assert str(document.at("spec", "items", 1, "size")) == "a.yaml:7:15"
    assert str(document.at("spec", "items", 9)) == str(document.at("spec", "items"))
    assert document.has("spec", "items", 1) and not document.has("spec", "count")


def test_a_place_that_is_no_place_is_the_nearest_one_above(tmp_path: Path) -> None:
    (document,) = read(tmp_path, a_document("  items:\n    - { size: 1 }\n  title:\n    x\n"))
    assert str(document.at()) == "a.yaml:1:1" and document.has()
    assert str(document.at("spec", "title")) == "a.yaml:8:5"
    for path in (("spec", "title", "x"), ("spec", "title", 0), ("spec", "items", "size"), ("spec", 0), (0,)):
        assert not document.has(*path)
    assert str(document.at("spec", "items", 0, "nothing", "at", 1)) == str(document.at("spec", "items", 0))
    shown = str(document.problem("wrong", "spec", "items", 0, "size", hint="better"))
    assert (
        shown
        == "a.yaml:6:15: wrong\n    6 |     - { size: 1 }\n      |               ^\n  field: spec.items[0].size\n  better"
    )


def test_a_document_may_ask_to_adopt_what_exists(tmp_path: Path) -> None:
    text = a_document("  {}\n")
    assert read(tmp_path, text)[0].adopt is False
    assert read(tmp_path, text.replace("name: one", "name: one, adopt: true"))[0].adopt is True
    (found,) = problems(tmp_path, text.replace("name: one", "name: one, adopt: yes"))
    assert "a.yaml:3:31: expected true or false, got `yes`" in found


def test_paths_missing_linked_looping_and_hidden(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet"
    fleet.mkdir()
    (tmp_path / "outside.yaml").write_text("secret: canary\n")
    (fleet / "a.yaml").write_text(a_document("  title: a\n"))
    (fleet / "again.yaml").symlink_to(fleet / "a.yaml")
    (fleet / "loop").symlink_to(fleet, target_is_directory=True)
    (fleet / ".hidden").mkdir()
    (fleet / ".hidden/x.yaml").write_text("not: a document\n")
    assert len(load(fleet, ["."], KINDS)) == 1
    (fleet / "self.yaml").symlink_to(fleet / "self.yaml")
    (fleet / "out.yaml").symlink_to(tmp_path / "outside.yaml")
    with pytest.raises(ManifestError) as caught:
        load(fleet, [".", "nowhere"], KINDS)
    text = str(caught.value)
    assert "leads out of the fleet's folder" in text and "canary" not in text
    assert "nowhere:1:1: cannot be read: No such file" in text
    assert "self.yaml:1:1: cannot be read: Too many levels" in text


@pytest.mark.parametrize(
    "line",
    [
        "  password: hunter2-canary\n",
        "  password: [hunter2-canary]\n",
        "  password: { env: hunter2-canary }\n",
        "  password: { value: hunter2-canary }\n",
        "  passwrod: hunter2-canary\n",
        "  unknown: hunter2-canary\n",
        "  unknown: { deep: hunter2-canary, count: x }\n",
        "  password: { env: A }\n  password: hunter2-canary\n",
        '  title: "x\n  password: hunter2-canary\n',
        "  password: hunter2-canary: [\n",
        "  title: [postgresql://u:hunter2-canary@h/db\n",
        "  { password: hunter2-canary, count: x }\n",
        "  { count: x, password: 'hunter2-canary, \n   hunter2-canary', active: 1 }\n",
    ],
)
def test_a_literal_secret_is_refused_and_never_shown(tmp_path: Path, line: str) -> None:
    found = problems(tmp_path, a_document(line))
    assert "hunter2" not in "".join(found)


def test_a_literal_secret_is_told_what_to_write(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, a_document("  password: hunter2\n"))
    assert found.startswith("a.yaml:5:13: a secret never stands in the file itself")
    assert "write `{ env: NAME_OF_A_VARIABLE }` or `{ file: path }`" in found
    (found,) = problems(tmp_path, a_document("  password: { env: A, file: b }\n"))
    assert "exactly one of `env` and `file`" in found
    assert spec_of(tmp_path, "  password: { env: DB_PASSWORD }\n").password.text == "env:DB_PASSWORD"


def test_a_name_rule_judges_names_and_former_names(tmp_path: Path) -> None:
    text = "apiVersion: tenantplan/v1\nkind: Thing\nmetadata: { name: X, renamedFrom: Y }\nspec: {}\n"
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ManifestError) as caught:
        load(tmp_path, ["."], KINDS, {"Thing": lambda name: None if name.islower() else "too loud"})
    heads = [problem.splitlines()[0] for problem in caught.value.problems]
    assert heads == ["a.yaml:3:19: `name`: too loud", "a.yaml:3:35: `renamedFrom`: too loud"]


def test_shown_lines_hold_no_control_characters(tmp_path: Path) -> None:
    (tmp_path / "e\x1b[31m.yaml").write_text("x")
    found = problems(tmp_path, a_document("  level: \u00a0" + "x" * 500 + "\n"))
    assert all(character.isprintable() or character == "\n" for problem in found for character in problem)
    assert all(len(line) < 200 for problem in found for line in problem.splitlines())
