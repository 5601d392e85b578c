"""JSON Schema (draft 2020-12) of the YAML, for editors and CI: made from the same models that the loader uses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tenantplan.documents.loading import API_VERSION, Metadata
from tenantplan.manifest.kinds import KINDS
from tenantplan.manifest.names import EMAIL, NAME
from tenantplan.model.resource import MAX_NAME_BYTES

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FIELDS = ["apiVersion", "kind", "metadata", "spec"]
Specs = Mapping[str, type[BaseModel]]


def jsonschema(extra: Specs | None = None) -> dict[str, Any]:
    """The schema of any document: all kinds of a manifest, and `extra` ones (kind -> model of its spec)."""
    kinds = _specs(extra)
    specs, definitions = _definitions(kinds)
    schema = _document(
        kind={"enum": list(kinds), "description": "What the document declares."},
        metadata={"type": "object", "description": "Name, labels and former name."},
        spec={"type": "object", "description": "What is declared; its fields depend on the kind."},
    )
    return schema | {"allOf": [_when(kind, specs[kind]) for kind in kinds], "$defs": definitions}


def files(extra: Specs | None = None) -> dict[str, str]:
    """File name -> content: the schema of all kinds, and one for each kind alone; always the same bytes."""
    schemas = {"tenantplan.schema.json": jsonschema(extra)}
    for kind, spec in _specs(extra).items():
        specs, definitions = _definitions({kind: spec})
        metadata = {"$ref": f"#/$defs/{kind}Metadata"}
        single = _document(kind={"const": kind}, metadata=metadata, spec=specs[kind])
        schemas[f"{kind.lower()}.schema.json"] = single | {"$defs": definitions}
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in sorted(schemas.items())}


def _specs(extra: Specs | None) -> dict[str, type[BaseModel]]:
    return {name: kind.spec for name, kind in KINDS.items()} | dict(extra or {})


def _document(**fields: Any) -> dict[str, Any]:
    return {
        "$schema": _DIALECT,
        "title": "tenantplan document",
        "type": "object",
        "required": _FIELDS,
        "additionalProperties": False,
        "properties": {"apiVersion": {"const": API_VERSION, "description": "Version of this format."}} | fields,
    }


def _when(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    """The metadata and the spec that a kind has."""
    return {
        "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
        "then": {"properties": {"metadata": {"$ref": f"#/$defs/{kind}Metadata"}, "spec": spec}},
    }


def _definitions(kinds: Specs) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Kind -> reference to its spec, and all definitions; models of one name in two modules get names of their own."""
    models = [(spec, "validation") for spec in kinds.values()]
    references, schema = models_json_schema(models, by_alias=True, ref_template="#/$defs/{model}")  # type: ignore[arg-type]
    definitions: dict[str, Any] = _tidy(schema["$defs"])
    for kind in kinds:
        metadata = _tidy(Metadata.model_json_schema(by_alias=True))
        if kind in KINDS:
            metadata["properties"]["name"] |= _name_rule(kind)
        definitions[f"{kind}Metadata"] = metadata
    return {kind: dict(references[spec, "validation"]) for kind, spec in kinds.items()}, dict(
        sorted(definitions.items())
    )


def _name_rule(kind: str) -> dict[str, Any]:
    if KINDS[kind].name_problem("a@b.example") is None:
        return {
            "pattern": f"^{EMAIL}$",
            "maxLength": 254,
            "description": "The e-mail address: with the kind, its identity.",
        }
    return {"pattern": f"^{NAME}$", "maxLength": MAX_NAME_BYTES}


def _tidy(schema: Any) -> Any:
    """Without the titles that only repeat a field's name, and with keys that fit no pattern refused."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    tidied = {key: _tidy(value) for key, value in schema.items() if key != "title" or not isinstance(value, str)}
    return tidied | ({"additionalProperties": False} if "patternProperties" in tidied else {})
