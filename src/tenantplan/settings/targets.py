"""Where generated passwords of login roles can go. Programs and files are named in the fleet file only: who may write documents
must not be able to run something."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from tenantplan.documents.spec import Spec
from tenantplan.model.address import login_label

TargetName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)]
PLACEHOLDER = "{organization}"


def delivered_as(address: str, column: str) -> str:
    """What a target calls the generated secret in a column of a row: a key of a tenant itself is nested in it."""
    return login_label(f"{address}/license-key" if column == "license_key" else address)


class TargetSpec(Spec):
    """A place that generated passwords of login roles are delivered to: a file for each organization, or a program."""

    file: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="A file for each, with {organization} in its path; .json: JSON, else lines of NAME=value. Mode 0600.",
    )
    command: list[str] | None = Field(
        None, min_length=1, description="Program and arguments, run without a shell; the login is JSON on its stdin."
    )
    timeout_seconds: int = Field(60, ge=1, le=3600, description="Maximum run time of the program.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.file is None) == (self.command is None):
            raise ValueError("a target is exactly one of `file` and `command`")
        if self.file is not None and PLACEHOLDER not in self.file:
            raise ValueError(f"`file` needs {PLACEHOLDER} in its path: each organization has a file of its own")
        if self.command is not None and not (self.command[0] and all("\0" not in part for part in self.command)):
            raise ValueError("`command` begins with the name of a program")
        return self
