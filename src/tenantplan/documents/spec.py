"""What every model of a document's content shares."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Spec(BaseModel):
    """Base of the models: camelCase in YAML, snake_case in Python; unknown fields are refused, values never change.

    `names_secret`: it says where a secret is found, so that what somebody writes in its place may be the secret itself.
    """

    names_secret: ClassVar[bool] = False
    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        frozen=True,
        defer_build=True,  # a run builds the validators of the kinds that it meets
    )
