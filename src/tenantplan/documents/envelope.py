"""The envelope of every spec: apiVersion, kind and metadata."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from tenantplan.documents.shape import Unread
from tenantplan.documents.spec import Spec

API_VERSION: Literal["tenantplan/v1"] = "tenantplan/v1"
LABEL_KEY = r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?"
ROW_ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
LABEL_VALUE = r"([A-Za-z0-9]([A-Za-z0-9._@:-]{0,61}[A-Za-z0-9])?)?"


def _fits(pattern: str, what: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(
                f"a label's {what} is at most 63 letters, digits and . _ -, with a letter or digit at both ends"
            )
        return text

    return check


LabelKey = Annotated[
    str, AfterValidator(_fits(LABEL_KEY, "key")), Field(json_schema_extra={"pattern": f"^{LABEL_KEY}$"})
]
LabelValue = Annotated[
    str, AfterValidator(_fits(LABEL_VALUE, "value")), Field(json_schema_extra={"pattern": f"^{LABEL_VALUE}$"})
]


def _row_id(text: str) -> str:
    if not re.fullmatch(ROW_ID, text):
        raise ValueError("expected the id that the plan prints, such as 0b6f3c1e-6a52-5a0b-9d6e-3f2f4d1c7b90")
    return text


RowId = Annotated[str, AfterValidator(_row_id), Field(json_schema_extra={"pattern": f"^{ROW_ID}$"})]


class Metadata(Spec):
    """What every document says about itself."""

    name: str = Field(description="The document's name: with its kind, its identity.")
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict, description="Free labels, to select documents by.")
    renamed_from: str | None = Field(
        default=None, description="The name it had before; what it owns is renamed in place."
    )
    restore: RowId | None = Field(
        default=None,
        description="Bring back what was deleted under this name: the id that the plan prints. It has no effect afterwards.",
    )
    adopt: bool = Field(default=False, description="Take over existing rows that the application created.")


class Envelope(Spec):
    """A whole document; its spec is left to the kind's model."""

    api_version: Literal["tenantplan/v1"]
    kind: str
    metadata: Metadata
    spec: Annotated[Any, Unread()]
