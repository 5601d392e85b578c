"""The sample fleet of the repository is valid, says what it shows, and the JSON Schema accepts it too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from tenantplan.documents import Reference, load
from tenantplan.manifest.jsonschema import files, jsonschema
from tenantplan.manifest.kinds import KINDS, NAME_RULES, SPECS
from tenantplan.manifest.resolve import FleetFacts, resolve
from tenantplan.model.resource import Database

validators = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
ROOT = Path(__file__).parents[3]
FACTS = FleetFacts("demo", "tenantplan_main", "tenantplan_org_", frozenset({"primary"}))


class TextDates(yaml.SafeLoader):
    """As an editor reads YAML: 1.2 core, without dates."""


TextDates.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def raw_documents() -> list[Any]:
    texts = [path.read_text() for path in sorted((ROOT / "tenants").glob("*.yaml"))]
    return [document for text in texts for document in yaml.load_all(text, TextDates)]


def test_the_sample_fleet_resolves() -> None:
    documents = load(ROOT, ["tenants"], SPECS, NAME_RULES)
    found = resolve(documents, FACTS)
    organizations = [document for document in documents if document.kind == "Organization"]
    databases = [resource for resource in found.state.values() if isinstance(resource, Database)]
    assert len(organizations) >= 10 and len(databases) >= 5
    assert {document.kind for document in documents} == set(KINDS)
    assert {getattr(document.spec, "tier", None) for document in organizations} == {
        "internal", "starter", "professional", "enterprise",
    }  # fmt: skip
    assert {getattr(document.spec, "state", None) for document in organizations} == {"active", "suspended"}


def test_the_sample_fleet_needs_no_secret_and_names_its_schema() -> None:
    for path in (ROOT / "tenants").glob("*.yaml"):
        text = path.read_text()
        assert text.startswith("# yaml-language-server: $schema=../schemas/tenantplan.schema.json\n")
        assert not [line for line in text.splitlines() if "env:" in line.split("#")[0]]


# What the sample fleet, which has one server and a server of its own only, cannot show: a database that somebody brings,
# and servers to choose from. It names no variables.
NOT_SHOWN = {
    ("OrganizationDatabase", "url"),
    ("TaggedServer", "tags"),
    ("LoginPassword", "env"),
    ("OrganizationDatabase", "revision"),  # a pin in the sample would hold its database back for good
    ("GivenKey", "env"),
    ("GivenSecret", "env"),
}


def test_the_sample_fleet_uses_every_field() -> None:
    """Every field of every kind, nested ones too, is written at least once."""
    used = {pair for document in raw_documents() for pair in _used(document["spec"], SPECS[document["kind"]])}
    wanted = {pair for kind in KINDS for pair in _declarable(SPECS[kind])}
    states = {pair for pair in wanted if pair[1] == "state"}  # of `state: deleted`, one is enough to show
    assert wanted - states - used == NOT_SHOWN
    assert states & used


def _declarable(model: type[BaseModel]) -> set[tuple[str, str]]:
    """(model, field) of a model and of all that is nested in it, without the inside of references."""
    found = set()
    for alias, info in _aliases(model).items():
        found.add((model.__name__, alias))
        for below in _models(info.annotation) - {Reference}:
            found |= _declarable(below)
    return found


def _used(value: Any, model: type[BaseModel]) -> set[tuple[str, str]]:
    """(model, field) of what a document writes."""
    found = set()
    for alias, info in _aliases(model).items():
        if alias in value:
            found.add((model.__name__, alias))
            for below in _models(info.annotation) - {Reference}:
                for item in _items(value[alias], below):
                    found |= _used(item, below)
    return found


def _items(value: Any, model: type[BaseModel]) -> list[Any]:
    """The mappings in a value that are of this model: itself, or its items."""
    if isinstance(value, list):
        return value
    if isinstance(value, str):  # a field that also takes text
        return []
    return [value] if set(value) <= set(_aliases(model)) else list(value.values())


def _aliases(model: type[BaseModel]) -> dict[str, Any]:
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _models(annotation: Any) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {model for argument in get_args(annotation) for model in _models(argument)}


def test_the_json_schema_accepts_the_sample_fleet() -> None:
    schema = jsonschema()
    validators.Draft202012Validator.check_schema(schema)
    validator = validators.Draft202012Validator(schema)
    documents = raw_documents()
    assert len(documents) > 20
    for document in documents:
        assert not list(validator.iter_errors(document)), document["metadata"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("apiVersion",), "v1"),
        (("kind",), "Fleet"),
        (("metadata", "name"), "Bad Name"),
        (("metadata", "naem"), "x"),
        (("spec", "displayNam"), "x"),
        (("spec", "state"), "gone"),
        (("spec", "featureFlags"), {"lower": True}),
        (("spec", "database"), {"password": "literal"}),
        (("spec", "database"), {"connectionLimit": -2}),
        (("extra",), 1),
    ],
)
def test_the_json_schema_refuses(path: tuple[str, ...], value: object) -> None:
    document: Any = {
        "apiVersion": "tenantplan/v1",
        "kind": "Organization",
        "metadata": {"name": "acme"},
        "spec": {"displayName": "X"},
    }
    single = json.loads(files()["organization.schema.json"])
    for schema in (jsonschema(), single):
        assert validators.Draft202012Validator(schema).is_valid(document)
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    for schema in (jsonschema(), single):
        assert not validators.Draft202012Validator(schema).is_valid(document)


def test_schema_files_are_stable_and_complete() -> None:
    assert files() == files()
    assert set(files()) == {f"{kind.lower()}.schema.json" for kind in KINDS} | {"tenantplan.schema.json"}
    assert set(files(SPECS)) == set(files()) | {"resourcekind.schema.json"}
    assert all(text.endswith("}\n") for text in files().values())
    assert "Thing" in jsonschema({"Thing": SPECS["User"]})["properties"]["kind"]["enum"]
