"""Documents that define kinds: they are read first wherever they stand, and what they define is judged like the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, create_model

from tenantplan.documents import Document, Spec, load
from tenantplan.documents.loading import NameRule
from tenantplan.errors import ManifestError


class ThingSpec(Spec):
    title: str = "-"


class DefinitionSpec(Spec):
    fields: dict[str, str]


KINDS: dict[str, type[BaseModel]] = {"Thing": ThingSpec, "Definition": DefinitionSpec}
TYPES = {"text": str, "number": int}


def extend(found: list[Document]) -> tuple[Mapping[str, type[BaseModel]], Mapping[str, NameRule]]:
    models: dict[str, type[BaseModel]] = {}
    for document in found:
        fields: Any = {name: (TYPES[word], ...) for name, word in document.spec.fields.items()}  # type: ignore[attr-defined]
        models[document.name] = create_model(document.name, __base__=Spec, **fields)
    return models, dict.fromkeys(models, lambda name: None if name.islower() else "too loud")


def a_document(kind: str, name: str, spec: str) -> str:
    return f"---\napiVersion: tenantplan/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n"


TICKET = a_document("Definition", "Ticket", "{ fields: { size: number } }")


def read(root: Path, files: Mapping[str, str], extension: Any = extend) -> list[Document]:
    for name, text in files.items():
        (root / name).write_text(text)
    return load(root, ["."], KINDS, definitions="Definition", extend=extension)


def problems(root: Path, files: Mapping[str, str], extension: Any = extend) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        read(root, files, extension)
    return caught.value.problems


def never(found: list[Document]) -> Any:
    raise AssertionError(f"called with {found}")


@pytest.mark.parametrize("kind", ["Definition", '"Definition"', '"De\\x66inition"', '"Defini\\\n  tion"'])
def test_a_kind_is_defined_before_or_after_its_use_and_the_order_stays(tmp_path: Path, kind: str) -> None:
    before, after = a_document("Ticket", "one", "{ size: 1 }"), a_document("Ticket", "two", "{ size: 2 }")
    ticket = TICKET.replace("Definition", kind)
    found = read(tmp_path, {"a.yaml": before + a_document("Thing", "t", "{}"), "b.yaml": ticket + after})
    assert [(d.kind, d.name) for d in found] == [
        ("Ticket", "one"), ("Thing", "t"), ("Definition", "Ticket"), ("Ticket", "two"),
    ]  # fmt: skip
    assert [d.spec.size for d in found if d.kind == "Ticket"] == [1, 2]  # type: ignore[attr-defined]


def test_the_extension_sees_every_definition_at_once_in_order(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def remember(found: list[Document]) -> Any:
        seen.append([str(document.at("spec", "fields", "size")) for document in found])
        return extend(found)

    read(tmp_path, {"a.yaml": TICKET, "b.yaml": TICKET.replace("Ticket", "Order")}, remember)
    assert seen == [["a.yaml:5:25", "b.yaml:5:25"]]


def test_what_a_document_of_a_defined_kind_does_wrong_is_shown_at_its_place(tmp_path: Path) -> None:
    uses = a_document("Ticket", "LOUD", "{ size: x, title: y }") + a_document("Tickt", "one", "{}")
    found = problems(tmp_path, {"a.yaml": uses, "z.yaml": TICKET})
    assert [problem.splitlines()[0] for problem in found] == [
        "a.yaml:4:19: `name`: too loud",
        "a.yaml:5:15: expected a whole number of at most 18 digits, got `x`",
        "a.yaml:5:18: unknown field `title`",
        "a.yaml:8:7: unknown kind `Tickt`",
    ]
    assert "did you mean `Ticket`?" in found[3]


def test_a_wrong_definition_is_reported_alone_not_the_documents_of_its_kind(tmp_path: Path) -> None:
    files = {
        "a.yaml": a_document("Ticket", "one", "{ size: 1 }") + a_document("Thing", "t", "{ titel: x }"),
        "b.yaml": TICKET.replace("fields", "field"),
        "c.yaml": TICKET.replace("Ticket", "Order") + a_document("Order", "one", "{}"),
    }
    found = problems(tmp_path, files, never)
    assert [problem.splitlines()[0] for problem in found] == [
        "a.yaml:10:9: unknown field `titel`",
        "b.yaml:5:7: field `fields` is required here",
        "b.yaml:5:9: unknown field `field`",
    ]


def test_what_the_extension_refuses_is_reported_with_the_rest(tmp_path: Path) -> None:
    def refuse(found: list[Document]) -> Any:
        raise ManifestError([found[0].problem("there is no such field type", "spec", "fields", "size")])

    uses = a_document("Ticket", "one", "{ size: 1 }") + a_document("Thing", "t", "{ titel: x }")
    found = problems(tmp_path, {"a.yaml": uses, "b.yaml": TICKET}, refuse)
    assert [problem.splitlines()[0] for problem in found] == [
        "b.yaml:5:25: there is no such field type",
        "a.yaml:10:9: unknown field `titel`",
    ]
    found = problems(tmp_path, {"a.yaml": a_document("Ticket", "one", "{ size: 1 }")}, refuse)
    assert len(found) == 1 and "b.yaml:5:25" in found[0]


def test_a_fleet_without_definitions_is_not_extended(tmp_path: Path) -> None:
    (document,) = read(tmp_path, {"a.yaml": a_document("Thing", "t", "{ title: Definition }")}, never)
    assert document.name == "t"
    (found,) = problems(tmp_path, {"a.yaml": a_document("Ticket", "one", "{ size: 1 }")}, never)
    assert "a.yaml:3:7: unknown kind `Ticket`" in found


def test_a_definition_never_replaces_a_kind_that_exists(tmp_path: Path) -> None:
    thing = TICKET.replace("Ticket", "Thing")
    found = read(tmp_path, {"a.yaml": thing + a_document("Thing", "LOUD", "{ title: x }")})
    assert isinstance(found[1].spec, ThingSpec)
