"""Secrets of rows: by reference, or made up by tenantplan and delivered."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from tenantplan.documents import Reference, Spec
from tenantplan.documents.spec import VARIABLE
from tenantplan.model.resource import GENERATED, Secret


class GivenKey(Spec):
    """A key: by reference, or generated."""

    names_secret: ClassVar[bool] = True
    env: str | None = Field(default=None, description="Name of the environment variable that holds the secret.")
    file: str | None = Field(
        default=None, description="Path of the file that holds the secret.", min_length=1, max_length=4096
    )
    generate: bool = Field(default=False, description="`true`: tenantplan makes it up, and delivers it.")

    @model_validator(mode="after")
    def _stated(self) -> Self:
        if sum((self.env is not None, self.file is not None, self.generate)) != 1:
            raise ValueError("a secret is exactly one of `env`, `file` and `generate: true`")
        if self.env is not None and not VARIABLE.fullmatch(self.env):
            raise ValueError("`env` is the name of an environment variable: letters, digits and _")
        return self

    def secret(self, deliver: str) -> Secret:
        """The secret as a reference, or as one that is generated and goes to the target `deliver`."""
        if self.generate:
            return Secret(f"{GENERATED}{deliver}")
        return Secret(Reference(env=self.env, file=self.file).text)

    def delivered_to(self, deliver: str) -> str | None:
        """Where it goes when it is generated; None: it is by reference."""
        return deliver if self.generate else None


class GivenSecret(GivenKey):
    """A secret of an application: by reference, or generated."""

    bytes: int = Field(
        default=32,
        ge=24,
        le=1024,
        description="Random bytes of a generated one; stored in base64url, 43 characters for 32.",
    )

    @model_validator(mode="after")
    def _bytes_are_generated(self) -> Self:
        if "bytes" in self.model_fields_set and not self.generate:
            raise ValueError("`bytes` is for a secret that tenantplan generates: say `generate: true`, or remove it")
        return self

    def secret(self, deliver: str) -> Secret:
        """The same, with how many bytes are generated."""
        found = super().secret(deliver)
        return Secret(f"{found.reference}:{self.bytes}") if self.generate else found
