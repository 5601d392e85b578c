"""What every model of a document's content shares."""

from __future__ import annotations

import re
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
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


VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


class Reference(Spec):
    """Where a secret is found: exactly one of an environment variable and a file."""

    names_secret: ClassVar[bool] = True
    env: str | None = Field(default=None, description="Name of the environment variable that holds the secret.")
    file: str | None = Field(
        default=None, description="Path of the file that holds the secret.", min_length=1, max_length=4096
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("a secret is named by exactly one of `env` and `file`")
        if self.env is not None and not VARIABLE.fullmatch(self.env):
            raise ValueError("`env` is the name of an environment variable: letters, digits and _")
        return self

    @property
    def text(self) -> str:
        """The reference in one word: `env:NAME` or `file:path`."""
        return f"env:{self.env}" if self.env is not None else f"file:{self.file}"
