"""Fields that several kinds share: text fields, contacts, branding, modules, database settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from tenantplan.documents import Spec
from tenantplan.documents.envelope import LabelKey, LabelValue
from tenantplan.manifest.names import DATABASE, EMAIL, NAME, database_problem, email_problem, name_problem
from tenantplan.manifest.password_fields import GeneratedPassword, Rotation
from tenantplan.model.moment import iso_utc
from tenantplan.settings.targets import TargetName

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


_WHEN = r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2}))?"
_DURATION = r"([1-9][0-9]{0,8})(ms|s|min|h)"
_UNITS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000}


def _when(text: str) -> str:
    """A date (midnight UTC) or a date and time with its offset, as `YYYY-MM-DDTHH:MM:SSZ`."""
    if not re.fullmatch(_WHEN, text):
        raise ValueError("expected a date (2027-01-31), or a date and time with an offset (2027-01-31T12:00:00+01:00)")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"there is no such date: {error}") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return iso_utc(moment.astimezone(UTC))


def _duration(text: str) -> str:
    if not re.fullmatch(_DURATION, text):
        raise ValueError("expected a number and ms, s, min or h, such as 30s")
    if (milliseconds(text) or 0) > _LONGEST:
        raise ValueError("the longest duration PostgreSQL takes is 596h")
    return text


_LONGEST = 2_147_483_647


def milliseconds(duration: str | None) -> int | None:
    """A duration such as 30s in ms; None for none."""
    if duration is None:
        return None
    found = re.fullmatch(_DURATION, duration)
    assert found is not None
    return int(found[1]) * _UNITS[found[2]]


_FLAG = "[A-Z][A-Z0-9_]{0,62}"
_MODULE = "[a-z][a-z0-9_-]{0,62}"
_REVISION = "[A-Za-z0-9_.-]{1,200}"
RevisionId = Annotated[
    str,
    AfterValidator(_pattern(_REVISION, "a revision is letters, digits and _ . -, such as 3f2a7c10")),
    _schema(_REVISION),
]
Line = Annotated[str, Field(max_length=200), AfterValidator(_one_line)]
Text = Annotated[str, Field(max_length=10_000)]
When = Annotated[str, AfterValidator(_when), _schema(_WHEN)]
Duration = Annotated[str, AfterValidator(_duration), _schema(_DURATION)]
Name = Annotated[str, AfterValidator(_rule(name_problem)), _schema(NAME)]
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
    """Contact person and address."""

    email: Email | None = Field(default=None, description="E-mail address.")
    company: Line | None = Field(default=None, description="Name of the company or association.")
    phone: Line | None = Field(default=None, description="Telephone number, as text.")
    address: Line | None = Field(default=None, description="Postal address, on one line.")


CONTACT = {
    "contact_email": ("contact", "email"),
    "company_name": ("contact", "company"),
    "phone": ("contact", "phone"),
    "address": ("contact", "address"),
}


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

    size: int = Field(
        default=10, ge=1, le=1000, description="Connections kept open. Default: ORG_DB_POOL_SIZE, else 10."
    )
    max_overflow: int = Field(
        default=20,
        ge=0,
        le=1000,
        description="Further ones, opened under load. Default: ORG_DB_MAX_OVERFLOW, else 20.",
    )
    timeout: Duration | None = Field(
        default=None,
        description="How long the application waits for one, such as 10s; none: the default of its driver.",
    )


class TaggedServer(Spec):
    """Any server with all of these tags; which of them, their weights decide."""

    tags: dict[LabelKey, LabelValue] = Field(
        min_length=1, description="Tags of servers of the fleet file, such as region: eu."
    )


AUTO = "auto"
Server = Annotated[
    Annotated[Line, Tag("by name")] | Annotated[TaggedServer, Tag("by tags")],
    Discriminator(lambda value: "by tags" if isinstance(value, (dict, TaggedServer)) else "by name"),
]


def requested_tags(server: str | TaggedServer | None) -> Mapping[str, str] | None:
    """The tags that a server has to have to be chosen, none for `auto`; None where nothing is left to choose."""
    if isinstance(server, TaggedServer):
        return server.tags
    return {} if server == AUTO else None


class DatabaseSettings(Spec):
    """Where the organization's data lives."""

    mode: Mode = Field(
        default="shared", description="`shared`: tables of the main database; `dedicated`: a database of its own."
    )
    server: Server | None = Field(
        default=None,
        description="Server of the dedicated database: its name, `{ tags: … }` or `auto`; by default the main database's.",
    )
    login: bool = Field(
        default=False,
        description="In shared mode, make a login role that the server binds to the organization; a dedicated database has one.",
    )
    connection_limit: int = Field(
        default=-1, ge=-1, le=262_143, description="Maximum connections of each of its login roles; -1: no limit."
    )
    statement_timeout: Duration | None = Field(
        default=None,
        description="The statement_timeout that sessions of its login roles start with, such as 30s; none: no limit."
        " A default that each session can change, no bound: PostgreSQL has none for a role.",
    )
    read_only: bool = Field(default=False, description="Create a read-only login role, beside the application's.")
    pool: Pool = Field(default_factory=Pool, description="Pool settings for the application.")
    password: GeneratedPassword | None = Field(
        default=None,
        description="Password of the login role; none: no login by password.",
    )
    read_only_password: GeneratedPassword | None = Field(
        default=None,
        description="Password of the read-only login role; by default generated where `password` is.",
    )
    rotation: Rotation = Field(default_factory=Rotation, description="How a generated password is replaced.")
    deliver: TargetName = Field(
        default="main",
        description="Where a generated password goes: `main`, encrypted in the main database, or a target of the fleet file.",
    )


FeatureFlags = dict[FlagName, bool]
Modules = dict[ModuleName, Module]
