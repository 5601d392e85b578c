"""Fields for the passwords of an organization's login roles."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from tenantplan.documents import Reference, Spec
from tenantplan.documents.spec import VARIABLE


class GeneratedPassword(Spec):
    """A password that tenantplan makes up itself."""

    names_secret: ClassVar[bool] = True
    generate: bool = Field(default=False, description="`true`: tenantplan makes it up, and delivers it.")

    @model_validator(mode="after")
    def _stated(self) -> Self:
        if not self.generate:
            raise ValueError(
                "a tier's password is `{ generate: true }`; a reference would give all of them the same one"
            )
        return self


class LoginPassword(GeneratedPassword):
    """The password of a login role: by reference, or generated."""

    env: str | None = Field(default=None, description="Name of the environment variable that holds the secret.")
    file: str | None = Field(
        default=None, description="Path of the file that holds the secret.", min_length=1, max_length=4096
    )

    @model_validator(mode="after")
    def _stated(self) -> Self:
        if sum((self.env is not None, self.file is not None, self.generate)) != 1:
            raise ValueError("a password is exactly one of `env`, `file` and `generate: true`")
        if self.env is not None and not VARIABLE.fullmatch(self.env):
            raise ValueError("`env` is the name of an environment variable: letters, digits and _")
        return self

    @property
    def reference(self) -> Reference | None:
        """Where it is found; None: it is generated."""
        return None if self.generate else Reference(env=self.env, file=self.file)


class Rotation(Spec):
    """When a generated password is due to be replaced, and how gently."""

    every_days: int = Field(default=90, ge=1, le=3650, description="Days after which plans say that it is due.")
    roles: int = Field(
        default=1,
        ge=1,
        le=2,
        description="1: the role gets the new password at once. 2: another role gets it, and both work for the grace period.",
    )
    grace_minutes: int = Field(
        default=60, ge=0, le=43_200, description="Minutes that sessions of the old password, or the old role, live on."
    )
