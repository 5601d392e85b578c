"""What several kinds are made of: text fields, contacts, branding, modules, database settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from tenantplan.documents import Spec
from tenantplan.manifest.names import DATABASE, EMAIL, database_problem, email_problem

Presence = Literal["active", "deleted"]
Mode = Literal["shared", "dedicated"]
UserRole = Literal["SUPER_ADMIN", "AGENCY_ADMIN", "AGENCY_DEVELOPER", "CLIENT_EDITOR"]
UnsignedInt = Annotated[int, Field(ge=0, le=2_147_483_647)]


def _one_line(text: str) -> str:
    if "\n" in text or "\t" in text:
        raise ValueError("this text stands on one line: no line breaks, no tabs")
    if not text.strip():
        raise ValueError("this text cannot be empty")
    return text


def _rule(problem: Callable[[str], str | None]) -> Callable[[str], str]:
    def check(text: str) -> str:
        wrong = problem(text)
        if wrong:
            raise ValueError(wrong)
        return text

    return check


def _pattern(pattern: str, message: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)
    return _rule(lambda text: None if compiled.fullmatch(text) else message)


def _schema(pattern: str) -> Any:
    """The pattern for editors; the message for people comes from the validator."""
    return Field(json_schema_extra={"pattern": f"^{pattern}$"})


_FLAG = "[A-Z][A-Z0-9_]{0,62}"
_MODULE = "[a-z][a-z0-9_-]{0,62}"
Line = Annotated[str, Field(max_length=200), AfterValidator(_one_line)]
Text = Annotated[str, Field(max_length=10_000)]
Email = Annotated[str, AfterValidator(_rule(email_problem)), _schema(EMAIL)]
DatabaseName = Annotated[str, AfterValidator(_rule(database_problem)), _schema(DATABASE)]
FlagName = Annotated[
    str,
    AfterValidator(_pattern(_FLAG, "a feature flag is upper-case letters, digits and _, such as MAGIC_WAND")),
    _schema(_FLAG),
]
ModuleName = Annotated[
    str,
    AfterValidator(_pattern(_MODULE, "a module is lower-case letters, digits, _ and -, such as donors")),
    _schema(_MODULE),
]


class Contact(Spec):
    """Whom to reach."""

    email: Email | None = Field(default=None, description="E-mail address.")
    company: Line | None = Field(default=None, description="Name of the company or association.")
    phone: Line | None = Field(default=None, description="Telephone number, as text.")
    address: Line | None = Field(default=None, description="Postal address, on one line.")


class Branding(Spec):
    """White-label settings."""

    logo_url: Line | None = Field(default=None, description="Address of the logo.")
    primary_color: Line | None = Field(
        default=None, description="Main colour, such as #c8102e (in quotes: # starts a comment)."
    )
    secondary_color: Line | None = Field(default=None, description="Second colour.")
    custom_domain: Line | None = Field(
        default=None, description="Domain that the organization's pages are served from."
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="Anything else the application reads.")


class Module(Spec):
    """One module of an organization."""

    enabled: bool = Field(default=True, description="Whether the organization may use it.")
    settings: dict[str, Any] = Field(default_factory=dict, description="The module's own settings.")
    state: Presence = Field(default="active", description="`deleted` removes the module's row.")


class Pool(Spec):
    """Connections that the application keeps to the organization's database."""

    size: int = Field(default=10, ge=1, le=1000, description="Connections kept open.")
    max_overflow: int = Field(default=20, ge=0, le=1000, description="Further ones, opened under load.")


class DatabaseSettings(Spec):
    """Where the organization's data lives."""

    mode: Mode = Field(
        default="shared", description="`shared`: tables of the main database; `dedicated`: a database of its own."
    )
    server: Line | None = Field(
        default=None, description="Server of the dedicated database; by default the main database's."
    )
    connection_limit: int = Field(
        default=-1, ge=-1, le=262_143, description="Most connections of its login role; -1: no limit."
    )
    pool: Pool = Field(default_factory=Pool, description="Pool settings for the application.")


FeatureFlags = dict[FlagName, bool]
Modules = dict[ModuleName, Module]
