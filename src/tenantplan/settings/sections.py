"""The sections of the fleet file."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tenantplan.documents.connecting import AllowedHost, TimeoutsSpec
from tenantplan.documents.envelope import LabelKey, LabelValue
from tenantplan.documents.spec import Reference, Spec
from tenantplan.settings.rollout import RolloutSpec
from tenantplan.settings.targets import TargetName, TargetSpec
from tenantplan.settings.windows import FreezeSpec

DEFAULT_VARIABLE = "TENANTPLAN_MAIN_URL"
DEFAULT_URL = f"env:{DEFAULT_VARIABLE}"
DEFAULT_KEY = "CREDENTIALS_ENCRYPTION_KEY"
DEFAULT_PREFIX = "tenantplan_org_"
SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
DatabaseName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$", max_length=63)]


class MainSpec(Spec):
    """The main database: the control plane, and the rows of organizations in shared mode."""

    url: Reference | None = Field(
        None, description="Reference to the connection string of its server. Default: TENANTPLAN_MAIN_URL."
    )
    embedded: bool = Field(
        False, description="true, instead of `url`: a PostgreSQL that tenantplan runs under .tenantplan/."
    )
    database: DatabaseName = Field("tenantplan_main", description="Name of the main database.")

    @model_validator(mode="after")
    def _one_server(self) -> Self:
        if self.embedded and self.url is not None:
            raise ValueError("the main server is either `url` or `embedded: true`")
        return self


class ServerSpec(Spec):
    """A PostgreSQL server that holds tenant databases."""

    url: Reference | None = Field(
        None, description="Reference to its connection string; `primary` has none, it is the main server."
    )
    max_connections: int = Field(
        16, ge=3, le=1000, description="Maximum connections that tenantplan opens to it at once."
    )
    sslmode: SslMode | None = Field(None, description="Overrides the connection string's sslmode.")
    sslrootcert: str | None = Field(
        None, description="CA file, relative to the fleet file; `system`: the authorities that this machine trusts."
    )
    sslcert: str | None = Field(None, description="Client certificate, relative to the fleet file.")
    sslkey: str | None = Field(None, description="Its key, relative to the fleet file, readable by its owner only.")
    channel_binding: Literal["disable", "prefer", "require"] | None = Field(
        None, description="Overrides the connection string's channel_binding."
    )
    timeouts: TimeoutsSpec | None = Field(None, description="How long to wait for it; default: the fleet's.")
    weight: int = Field(1, ge=0, description="Share of new databases that name no server; 0: it keeps those it has.")
    tags: dict[LabelKey, LabelValue] = Field(
        default_factory=dict, description="What databases can ask for: `server: { tags: { region: eu } }`."
    )


class NamingSpec(Spec):
    """Names that tenantplan derives."""

    database_prefix: str | None = Field(
        None, pattern=r"^[a-z_][a-z0-9_]*$", max_length=40, description="Default: ORG_DB_PREFIX, else tenantplan_org_."
    )


class MigrationsSpec(Spec):
    """The two trees of migrations."""

    main: str | None = Field(None, description="Tree of the main database; default: the one in the package.")
    tenant: str = Field("migrations/tenant", description="Tree of every tenant database.")
    models: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*$",
        description="The application's SQLAlchemy MetaData, or a class that has one, as package.module:attribute.",
    )
    clone: bool = Field(
        True,
        description="false: the tenant tree is run in every new database, which takes longer than a copy of one where it has run;"
        " what migrations make up, such as gen_random_uuid(), is then another value in each.",
    )
    rerun: list[str] = Field(
        default_factory=list,
        description="Revisions that commit in their middle, and may run again from their beginning when they were interrupted.",
    )


class OrganizationGuardSpec(Spec):
    """Brakes within one organization: its tenants, members, modules, teams, projects and what is theirs."""

    max_changed_percent: int = Field(
        50, ge=0, le=100, description="Share of an organization's live objects one plan may change, from 20 on."
    )
    max_changed: int | None = Field(None, ge=0, description="Number of an organization's live objects.")


class GuardSpec(Spec):
    """Brakes: what a plan may do before a person has to say more."""

    max_deletes: int = Field(0, ge=0, description="Deletions allowed without --allow-deletes.")
    max_changed_percent: int = Field(
        50, ge=0, le=100, description="Share of the live organizations one plan may change."
    )
    max_changed: int | None = Field(None, ge=0, description="Number of live organizations one plan may change.")
    organization: OrganizationGuardSpec = OrganizationGuardSpec.model_construct()
    destructive_comment: bool = Field(
        False, description="Whether an allow comment in a revision counts as --allow-destructive."
    )
    grace_days: int = Field(30, ge=0, le=3650, description="Days a deleted organization can be restored.")
    plan_max_age_hours: int = Field(24, ge=1, le=8760, description="Hours a plan file can be applied.")


class IgnoreSpec(Spec):
    """A difference that drift knows of and does not report until a day. It never changes what apply does."""

    address: str = Field("*", min_length=1, description="Where: an address, * and ? stand for any characters.")
    object: str = Field(min_length=1, description='What: an object or a field, such as "index public.donors_*".')
    reason: str = Field(min_length=3, description="Why it is left as it is.")
    until: date = Field(description="The last day on which it is left out, such as 2027-01-31.")


class DriftSpec(Spec):
    """What drift reports."""

    ignore: list[IgnoreSpec] = Field(default_factory=list, description="Differences that are known, each for a while.")


class PackagesSpec(Spec):
    """Where the files of releases are stored."""

    location: str = Field(
        "main:", description="main: (the main database), file:FOLDER, or a URL such as s3://bucket/updates."
    )
    url: Reference | None = Field(None, description="Reference to a location that holds a password.")


class CredentialsSpec(Spec):
    """The key that credentials are encrypted with in the main database, and where generated passwords can go."""

    key: Reference = Field(
        Reference(env=DEFAULT_KEY), description="Reference to it: `base64:` and 32 bytes. Default: that variable."
    )
    former_keys: list[Reference] = Field(
        default_factory=list, description="Keys that were used before: they still decrypt, until `credentials rekey`."
    )
    targets: dict[TargetName, TargetSpec] = Field(
        default_factory=dict,
        description="Where passwords can go, by the name that `deliver` says; `main` is always there.",
    )


class PlansSpec(Spec):
    """Keys of plan files. With one to sign or to verify, apply takes signed plan files only."""

    signing_key: Reference | None = Field(
        None, description="Key that `plan --out` signs with: `ed25519:` (private), or `base64:` for HMAC-SHA-256."
    )
    verify_keys: list[Reference] = Field(
        default_factory=list,
        description="Keys whose signatures apply accepts: `ed25519-public:` or `base64:`. None: that of signingKey.",
    )
    encryption_key: Reference | None = Field(
        None, description="Key of `plan --out FILE --encrypt`: `base64:` and 32 bytes."
    )

    @property
    def references(self) -> tuple[Reference, ...]:
        """Every key, by reference."""
        return tuple(key for key in (self.signing_key, *self.verify_keys, self.encryption_key) if key is not None)


class FleetSpec(Spec):
    """What tenantplan reconciles, where it lives and how careful it is."""

    # Defaults are constructed, not called: a call builds a validator, which every start would pay for.
    main: MainSpec = MainSpec.model_construct()
    servers: dict[Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")], ServerSpec] = Field(
        default_factory=dict, description="Servers by name; `primary` is the main database's and always there."
    )
    timeouts: TimeoutsSpec = TimeoutsSpec.model_construct()
    allowed_hosts: list[AllowedHost] | None = Field(
        None, description='Hosts of databases that documents bring: a name, "*.suffix". Default: those of `servers`.'
    )
    dedicated_databases: bool = Field(True, description="false: every organization lives in shared mode.")
    max_connections: int = Field(
        32, ge=3, le=5000, description="Maximum connections that tenantplan opens at once, in all."
    )
    naming: NamingSpec = NamingSpec.model_construct()
    migrations: MigrationsSpec = MigrationsSpec.model_construct()
    shared: Literal["none"] | None = Field(
        None,
        description="none: the tenant tree is not run in the main database, and organizations without a database of their own have"
        " rows of the main database only. For trees that know of no tenancy.",
    )
    manifests: list[str] = Field(default_factory=lambda: ["tenants"], min_length=1, description="Files and folders.")
    guard: GuardSpec = GuardSpec.model_construct()
    rollout: RolloutSpec = RolloutSpec.model_construct()
    freeze: FreezeSpec | None = Field(None, description="A period without changes.")
    drift: DriftSpec = DriftSpec.model_construct()
    packages: PackagesSpec = PackagesSpec.model_construct()
    credentials: CredentialsSpec = CredentialsSpec.model_construct()
    plans: PlansSpec = PlansSpec.model_construct()
    resource_tables: list[Annotated[str, Field(pattern=r"^([a-z_][a-z0-9_]*\.)?([a-z_][a-z0-9_]*|\*)$")]] = Field(
        default_factory=list,
        description="Tables that ResourceKind documents may stand for: webhooks, crm.contacts, or crm.* for a schema.",
    )
    development: bool = Field(False, description="A fleet that may be filled with demo data: `seed --demo`.")
