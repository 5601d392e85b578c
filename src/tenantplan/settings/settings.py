"""The fleet file `tenantplan.yaml`, with environment and flags applied: frozen Settings for every stage."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tenantplan.errors import ManifestError, SettingsError
from tenantplan.model.address import MAIN
from tenantplan.model.drift import Ignore
from tenantplan.model.login import MAIN_TARGET
from tenantplan.model.stamp import MARK
from tenantplan.model.window import Rules
from tenantplan.settings.sections import DEFAULT_PREFIX, DEFAULT_URL, FleetSpec, ServerSpec

DEFAULT_POOL = (10, 20)  # connections that are kept open, and further ones under load
_MOST = 1000
FLEET_FILE = "tenantplan.yaml"


@dataclass(frozen=True)
class Settings:
    """A fleet: its name, its folder, its spec, and what the environment decides."""

    fleet: str
    root: Path
    spec: FleetSpec
    prefix: str
    pool: tuple[int, int] = DEFAULT_POOL

    @property
    def servers(self) -> Mapping[str, ServerSpec]:
        """Servers by name; `primary`, the main database's, is always there."""
        return {MAIN: ServerSpec(), **self.spec.servers}

    @property
    def embedded(self) -> bool:
        """Whether the main server is the embedded one. The fleet file says so; no variable does."""
        return self.spec.main.embedded

    @property
    def state_folder(self) -> Path:
        """Where this machine keeps what is its own: the data of the embedded server, and what is compiled."""
        return self.root / ".tenantplan"

    @property
    def rules(self) -> Rules:
        """When the fleet may be changed."""
        windows = tuple(spec.window for spec in self.spec.rollout.windows)
        return Rules(windows, self.spec.freeze.freeze if self.spec.freeze else None)

    def url_reference(self, server: str) -> str:
        """The reference of a server's connection string; a server without one is the main database's."""
        spec = self.servers[server]
        if spec.url is not None:
            return spec.url.text
        return self.spec.main.url.text if self.spec.main.url else DEFAULT_URL

    @property
    def own_references(self) -> frozenset[str]:
        """References of the fleet's own secrets: connection strings and client keys of servers, keys, the package store."""
        spec = self.spec
        found = [spec.packages.url, spec.credentials.key, *spec.credentials.former_keys, *spec.plans.references]
        found += [server.url for server in spec.servers.values()]
        files = {f"file:{server.sslkey}" for server in spec.servers.values() if server.sslkey}
        return frozenset({self.url_reference(MAIN), *files, *(reference.text for reference in found if reference)})

    @property
    def ignores(self) -> tuple[Ignore, ...]:
        """What drift does not report, expired or not."""
        return tuple(Ignore(i.address, i.object, i.reason, i.until) for i in self.spec.drift.ignore)

    def migrations(self, tree: str) -> Path:
        """The folder of an Alembic tree, "main" or "tenant"."""
        configured = self.spec.migrations.main if tree == "main" else self.spec.migrations.tenant
        return self.root / configured if configured else packaged_migrations(tree)


def packaged_migrations(tree: str) -> Path:
    """The tree that comes with tenantplan: in the wheel, or beside `src` in a checkout."""
    here = Path(__file__).parent.parent
    packaged = here / "_migrations" / tree
    return packaged if packaged.exists() else here.parents[1] / "migrations" / tree


def find(start: Path, flag: str | None = None) -> Path:
    """The fleet file: `flag`, else TENANTPLAN_FLEET, else the nearest one from `start` upward."""
    named = flag or os.environ.get("TENANTPLAN_FLEET")
    if named:
        path = Path(named)
        path = path / FLEET_FILE if path.is_dir() else path
        if not path.is_file():
            raise SettingsError("there is no such fleet file", where=named, hint="check --fleet or TENANTPLAN_FLEET")
        return path.resolve()
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / FLEET_FILE).is_file():
            return folder / FLEET_FILE
    raise SettingsError(
        f"no {FLEET_FILE} here or in a folder above",
        where=str(start),
        hint="make one with: tenantplan init, or name it with --fleet PATH",
    )


def load(path: Path) -> Settings:
    """The Settings in a fleet file; ManifestError with every mistake located."""
    from tenantplan.documents import load as load_documents

    documents = load_documents(path.parent, [path.name], {"Fleet": FleetSpec})
    if len(documents) != 1:
        second = documents[1]
        raise ManifestError(
            [
                second.problem(
                    f"{len(documents)} Fleet documents; a fleet file holds exactly one", hint="keep one of them"
                )
            ]
        )
    spec = documents[0].spec
    assert isinstance(spec, FleetSpec)
    primary = spec.servers.get(MAIN)
    if primary is not None and primary.url is not None:
        said = f"servers.{MAIN} has a url; {MAIN} is the main server: set spec.main.url instead"
        raise ManifestError([documents[0].problem(said, "spec", "servers", MAIN, "url")])
    if "auto" in spec.servers:
        said = "a server cannot be called auto: `server: auto` means any of them"
        raise ManifestError([documents[0].problem(said, "spec", "servers", "auto")])
    if MAIN_TARGET in spec.credentials.targets:
        said = "a target cannot be called main: that is the main database"
        raise ManifestError([documents[0].problem(said, "spec", "credentials", "targets", MAIN_TARGET)])
    prefix = spec.naming.database_prefix or os.environ.get("ORG_DB_PREFIX") or DEFAULT_PREFIX
    return Settings(documents[0].name, path.parent, spec, _checked_prefix(prefix), pool_defaults())


def _checked_prefix(prefix: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,39}", prefix) or prefix.startswith(("pg_", MARK)):
        raise SettingsError(
            f"the database prefix {prefix!r} cannot be used",
            hint=f"lower-case letters, digits and _, at most 40, not starting with pg_ or {MARK}"
            " (naming.databasePrefix, ORG_DB_PREFIX)",
        )
    return prefix


def pool_defaults() -> tuple[int, int]:
    """Size and overflow: ORG_DB_POOL_SIZE and ORG_DB_MAX_OVERFLOW, else 10 and 20. SettingsError for what is no such number."""
    return _number("ORG_DB_POOL_SIZE", 1, DEFAULT_POOL[0]), _number("ORG_DB_MAX_OVERFLOW", 0, DEFAULT_POOL[1])


def _number(variable: str, least: int, default: int) -> int:
    """The number in a variable, `default` where it is unset or empty."""
    text = os.environ.get(variable) or str(default)
    if not re.fullmatch(r"\d{1,4}", text, re.ASCII) or not least <= int(text) <= _MOST:
        raise SettingsError(
            f"{variable} is not a number between {least} and {_MOST}", hint=f"such as {variable}={default}"
        )
    return int(text)
