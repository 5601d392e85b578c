"""Kind ResourceKind: a table of the fleet's own as a kind. What it makes is a Kind like the built-in ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, create_model, model_validator
from pydantic.alias_generators import to_camel

from tenantplan.documents import Document, Reference, Spec
from tenantplan.manifest.draft import Draft
from tenantplan.manifest.fields import Line, Presence, Text, When
from tenantplan.manifest.marks import Refers
from tenantplan.model.placement import Placement
from tenantplan.model.resource import Ref, Row, Secret
from tenantplan.model.rowtype import RowType

NAME = "[A-Z][A-Za-z0-9]{0,62}"
_TABLE = r"([a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,62}"
_COLUMN = "[a-z_][a-z0-9_]{0,62}"
_FIELD = "[a-z][A-Za-z0-9]{0,62}"
# Type in the YAML -> (type of a RowType's column, annotation of the field)
_TYPES: Mapping[str, tuple[str, Any]] = {
    "text": ("text", Text),
    "integer": ("int", Annotated[int, Field(ge=-(2**63), lt=2**63)]),
    "boolean": ("bool", bool),
    "timestamp": ("timestamp", When),
    "json": ("json", Any),
    "list": ("list", list[Line]),
    "reference": ("ref", Line),
    "encrypted": ("encrypted", Reference),
}
_OWN = ("state",)


def name_problem(name: str) -> str | None:
    """What is wrong with the name of a kind; None when nothing is."""
    if re.fullmatch(NAME, name):
        return None
    return "a kind is named with letters and digits, starting with a capital, such as Webhook"


def _pattern(pattern: str, message: str) -> Any:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(message)
        return text

    return AfterValidator(check)


Column = Annotated[
    str,
    _pattern(_COLUMN, "a column is lower-case letters, digits and _"),
    Field(json_schema_extra={"pattern": f"^{_COLUMN}$"}),
]


class ColumnSpec(Spec):
    """How a column stands in the YAML."""

    type: Literal["text", "integer", "boolean", "timestamp", "json", "list", "reference", "encrypted"] = Field(
        description="What it holds; `list` is an array of text, `encrypted` a bytea whose value is a reference."
    )
    field: (
        Annotated[
            str,
            _pattern(_FIELD, "a field is letters and digits, starting with a lower-case letter, such as callbackUrl"),
            Field(json_schema_extra={"pattern": f"^{_FIELD}$"}),
        ]
        | None
    ) = Field(default=None, description="Name of the field; by default the column's, as callback_url is callbackUrl.")
    kind: Line | None = Field(default=None, description="The kind of document that a reference names.")
    required: bool = Field(default=False, description="Whether a document has to have it.")
    values: list[Line] = Field(default_factory=list, description="The values that a text may have.")
    description: Line | None = Field(default=None, description="Description, for editors.")

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        if (self.type == "reference") != (self.kind is not None):
            raise ValueError("`kind` names what a reference refers to: a reference has it, nothing else has")
        if self.values and self.type != "text":
            raise ValueError("only a text can be limited to `values`")
        return self


class Ownership(Spec):
    """The fleet and the organization of a row."""

    column: Column = Field(
        default="managed_by",
        description="Text column that names the fleet that manages the row; NULL: the application.",
    )
    home: Column | None = Field(
        default=None, description="Reference column that leads to the organization that the row belongs to."
    )


class ResourceKindSpec(Spec):
    """A kind of the fleet's own: a table of the main database, and the fields its rows have in the YAML."""

    table: Annotated[
        str,
        _pattern(
            _TABLE, "a table is lower-case letters, digits and _, with its schema before it unless that is public"
        ),
        Field(json_schema_extra={"pattern": f"^{_TABLE}$"}),
    ] = Field(description="The table, which exists already, such as webhooks or crm.webhooks.")
    key: Column = Field(description="The unique text column that metadata.name stands in.")
    id: Column = Field(default="id", description="Its primary key: a uuid, or a number that the database gives.")
    columns: dict[Column, ColumnSpec] = Field(min_length=1, description="Columns that are declared, and their fields.")
    ownership: Ownership = Field(default_factory=Ownership, description="The fleet and the organization of a row.")
    description: Line | None = Field(default=None, description="What a document of this kind declares.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        own = {"key": self.key, "id": self.id, "ownership.column": self.ownership.column}
        for role, column in own.items():
            if column in self.columns:
                raise ValueError(f"`{column}` is the `{role}` of the table: it has no field of its own")
        if len({*own.values()}) < len(own):
            raise ValueError("`key`, `id` and `ownership.column` are three columns")
        for column, item in self.columns.items():
            if not re.fullmatch(_FIELD, field_of(column, item)):
                raise ValueError(f"the column `{column}` needs a `field`: `{field_of(column, item)}` cannot be one")
        fields = [field_of(name, column) for name, column in self.columns.items()]
        twice = sorted({f for f in fields if fields.count(f) > 1} | ({*fields} & {*_OWN}))
        if twice:
            raise ValueError(f"the field `{twice[0]}` stands for two things: give one column another `field`")
        home = self.ownership.home
        if home is not None and (home not in self.columns or self.columns[home].type != "reference"):
            raise ValueError(f"`ownership.home` names a reference among the columns; `{home}` is none")
        return self


def field_of(column: str, spec: ColumnSpec) -> str:
    """The field that a column has in the YAML."""
    return spec.field or to_camel(column)


def table_of(spec: ResourceKindSpec) -> str:
    """The table, with its schema before it unless that is public."""
    return spec.table.removeprefix("public.")


def rowtype(name: str, spec: ResourceKindSpec, tables: Mapping[str, str]) -> RowType:
    """The RowType of a kind; `tables` maps kinds to the tables that references to them point into."""
    columns = {column: _TYPES[item.type][0] for column, item in spec.columns.items()}
    return RowType(
        kind=name.lower(),
        table=table_of(spec),
        name=spec.key,
        columns={spec.key: "text", **columns},
        refs={c: tables.get(item.kind, "") for c, item in spec.columns.items() if item.kind},
        home=spec.ownership.home,
        written=tuple(columns),
        uses=tuple(c for c, item in spec.columns.items() if item.kind and c != spec.ownership.home),
        id=spec.id,
        owner=spec.ownership.column,
        touched=None,
    )


def model(name: str, spec: ResourceKindSpec) -> type[BaseModel]:
    """The model of a kind's spec."""
    fields: dict[str, Any] = {_attribute(column): _field(column, item) for column, item in spec.columns.items()}
    fields[_STATE] = (Presence, Field(default="active", description="`deleted` removes its row."))
    doc = spec.description or f"A row of {spec.table}."
    return create_model(f"{name}Spec", __base__=Spec, __doc__=doc, **fields)


_STATE = "state"


def _attribute(column: str) -> str:
    """The attribute of a column: one that neither pydantic nor the model itself has."""
    return f"column_{column}"


def _field(column: str, spec: ColumnSpec) -> tuple[Any, Any]:
    annotation = _TYPES[spec.type][1]
    if spec.values:
        annotation = Literal[tuple(spec.values)]
    if spec.kind:
        annotation = Annotated[Line, Refers(spec.kind)]
    alias = field_of(column, spec)
    if spec.required:
        return annotation, Field(alias=alias, description=spec.description)
    return annotation | None if annotation is not Any else Any, Field(
        default=None, alias=alias, description=spec.description
    )


class CustomKind:
    """The translator of one kind."""

    def __init__(self, rowtype: RowType, spec: ResourceKindSpec) -> None:
        self.rowtype = rowtype
        self.spec = spec

    def translate(self, draft: Draft, document: Document, spec: BaseModel, placements: Mapping[str, Placement]) -> None:
        """One row; fields that the document leaves out are not compared."""
        address = self.rowtype.address(document.name)
        if getattr(spec, _STATE) == "deleted":
            draft.delete(address, document)
            return
        values: dict[str, Any] = {self.spec.key: document.name}
        for column, item in self.spec.columns.items():
            if _attribute(column) in spec.model_fields_set:
                values[column] = self._value(item, getattr(spec, _attribute(column)))
        home = values.get(self.rowtype.home or "")
        row = Row(self.rowtype.table, values, home=home.address if isinstance(home, Ref) else None)
        draft.resource(address, row, document)

    def _value(self, item: ColumnSpec, value: Any) -> Any:
        if value is None:
            return None
        if item.kind:
            return Ref(f"{item.kind.lower()}/{value}")
        if isinstance(value, Reference):
            return Secret(value.text)
        return sorted(set(value)) if item.type == "list" else value
