"""The sample fleet of the repository is valid, says what it shows, and the JSON Schema accepts it too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenantplan.documents import load
from tenantplan.manifest.jsonschema import files, jsonschema
from tenantplan.manifest.kinds import NAME_RULES, SPECS
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
    assert {document.kind for document in documents} == set(SPECS)
    assert {getattr(document.spec, "tier", None) for document in organizations} == {
        "internal", "starter", "professional", "enterprise",
    }  # fmt: skip
    assert {getattr(document.spec, "state", None) for document in organizations} == {"active", "suspended"}


def test_the_sample_fleet_needs_no_secret_and_names_its_schema() -> None:
    for path in (ROOT / "tenants").glob("*.yaml"):
        text = path.read_text()
        assert text.startswith("# yaml-language-server: $schema=../schemas/tenantplan.schema.json\n")
        assert not [line for line in text.splitlines() if "env:" in line.split("#")[0]]


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
    assert set(files()) == {f"{kind.lower()}.schema.json" for kind in SPECS} | {"tenantplan.schema.json"}
    assert all(text.endswith("}\n") for text in files().values())
    assert "Thing" in jsonschema({"Thing": SPECS["User"]})["properties"]["kind"]["enum"]
