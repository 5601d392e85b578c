"""The live side, whole: every server's shared catalogs, the main database, and databases that organizations brought."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from tenantplan.errors import ConnectError, SettingsError
from tenantplan.fleet.opening import Fleet
from tenantplan.fleet.store import NEAR, fleet_store, location
from tenantplan.live.brought import read_brought
from tenantplan.live.issued import with_sessions_left
from tenantplan.live.main import at_work, read_main
from tenantplan.live.rows import Wanted
from tenantplan.live.server import Catalogs, FleetIdentity, read_catalogs, server_facts
from tenantplan.model import address as addresses
from tenantplan.model.address import MAIN
from tenantplan.model.desired import Desired
from tenantplan.model.finding_rules import UNREACHABLE
from tenantplan.model.live import MainFacts, ServerFacts, Survey
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Database, Package, Role, Row, Schema, State, of_type, one
from tenantplan.model.rowtype import Tables
from tenantplan.planning.diff import applicable_renames, under_new_names
from tenantplan.postgres.connect import Connector
from tenantplan.postgres.databases import has_database
from tenantplan.secrets.keyed import fleet_id
from tenantplan.settings.settings import Settings
from tenantplan.tables import BUILTIN

_AT_ONCE = 8  # servers


@dataclass(frozen=True)
class SurveyRequest:
    """What to look for besides what carries the fleet's stamp: addresses that were declared or planned, rows that are
    to be found by their keys, and databases that organizations brought (address of the organization -> reference).
    `follow`: databases that live organizations brought are looked into as well. `packages` are those that are to be
    there, so that their files are looked for; None: all."""

    addresses: Collection[str]
    rows: State = field(default_factory=dict)
    brought: Mapping[str, str] = field(default_factory=dict)
    follow: bool = False
    packages: Collection[str] | None = None
    tables: Tables = field(default_factory=lambda: BUILTIN)

    def names(self, alias: str) -> set[str]:
        """Names of databases and roles asked about on one server."""
        here = (addresses.database(alias, ""), addresses.role(alias, ""))
        return {addresses.last_segment(a) for a in self.addresses if a.startswith(here)}


def survey_request(desired: Desired) -> SurveyRequest:
    """What a plan has to know of the live side: everything declared, and everything that carries the fleet's mark."""
    return SurveyRequest(
        addresses=[*desired.state, *desired.deleted, *desired.renames],
        rows={**desired.gone, **of_type(desired.state, Row)},
        brought={a: p.url for a, p in desired.placements.items() if p.url and addresses.kind(a) == "organization"},
        packages=set(of_type(desired.state, Package)),
        tables=desired.tables,
    )


def survey(fleet: Fleet, question: SurveyRequest) -> Survey:
    """Reads everything, in sessions that cannot write. Raises ConnectError when the main server is out of reach."""
    versions = fleet.trees.versions  # a tree that cannot be used is reported before anything is connected to
    settings, servers, connector = fleet.settings, fleet.servers, fleet.connector
    main_name = fleet.main_database
    names = {alias: {*question.names(alias), main_name} for alias in servers.usable}
    with ThreadPoolExecutor(_AT_ONCE) as pool:  # each server's catalogs are read while others and the main database are
        reading = {alias: pool.submit(_catalogs, connector, alias, asked) for alias, asked in names.items()}
        main = _read_main(fleet, question)
    known_as = fleet_id(main.hash_key, settings.fleet)
    facts: dict[str, ServerFacts] = {}
    trouble = {alias: error.message for alias, error in servers.unusable.items()}
    attempts: list[Finding] = []
    for alias, catalogs in reading.items():
        try:
            facts[alias] = server_facts(
                catalogs.result(), alias, FleetIdentity(settings.fleet, main_name, names[alias], known_as)
            )
        except ConnectError as error:
            if alias == MAIN:
                raise
            trouble[alias] = f"{error.where}: {error.message}"
            attempts.append(Finding(addresses.server(alias), "connect", trouble[alias]))
    _refuse_second_names(facts)
    _refuse_second_fleets(settings, facts[MAIN])
    main = replace(main, state=_still_stored(fleet, main.state, question.packages))
    state: State = {}
    for known in facts.values():
        state |= known.state
    state |= main.state
    state = with_sessions_left(state, main.issued)
    _place_main(state, main, main_name)
    state |= _accesses(state, main)
    taken = {(f.system_identifier, name): "this fleet" for f in facts.values() for name in f.names}
    brought = read_brought(fleet, _brought(question, main.state), taken, versions)
    state |= brought.state
    held_out, unreachable = _unplannable(state, facts, trouble, brought.problems)
    attempts += [Finding(holder, "connect", why) for holder, why in sorted(brought.attempts.items())]
    return Survey(state, main, facts, held_out, unreachable, brought.unfit, tuple(attempts))


def _catalogs(connector: Connector, alias: str, names: Collection[str]) -> Catalogs:
    with connector.connect(alias, read_only=True) as connection:
        return read_catalogs(connection, names)


def _refuse_second_fleets(settings: Settings, main: ServerFacts) -> None:
    """A main database has one journal, and so one fleet: SettingsError for another."""
    if main.main_fleet not in (None, settings.fleet):
        raise SettingsError(
            f"the main database {settings.spec.main.database} belongs to fleet {main.main_fleet}, and this is {settings.fleet}",
            where="tenantplan.yaml",
            hint="give this fleet a main database of its own (main.database); the name of a fleet stays what it was",
        )


def _still_stored(fleet: Fleet, state: State, wanted: Collection[str] | None) -> State:
    """Without packages that are to be there and whose file is gone from a store that is near; a far one is asked by drift."""
    packages = {
        address: package
        for address, package in of_type(state, Package).items()
        if package.managed and package.retired_at is None
        if wanted is None or address in wanted
    }
    if not packages or fleet.settings.spec.packages.url is not None or not location(fleet).startswith(NEAR):
        return state
    with fleet.main() as connection:
        store = fleet_store(fleet, connection)
        lost = {a for a, p in packages.items() if p.store == store.url and store.size(p.key) != p.size}
    return {address: resource for address, resource in state.items() if address not in lost}


def _refuse_second_names(facts: Mapping[str, ServerFacts]) -> None:
    """Two names for one server would make two addresses of each of its databases: SettingsError."""
    first: dict[str, str] = {}
    for alias, known in facts.items():
        other = first.setdefault(known.system_identifier, alias)
        if other != alias:
            raise SettingsError(
                f"servers {other} and {alias} are the same PostgreSQL server",
                where="tenantplan.yaml",
                hint="keep one of the two names; a server without a url is the main database's, which is called primary",
            )


def renamed(live: Survey, renames: Mapping[str, str]) -> tuple[Survey, dict[str, str]]:
    """The survey as if the renames that the manifest asks for (old address -> new) were done, and the old address of each
    resource that moved: what a plan is made of knows everything by one name."""
    state, sources = under_new_names(live.state, applicable_renames(live.state, renames))
    if not sources:
        return live, {}
    moved = {old: new for new, old in sources.items()}

    def now(address: str) -> str:
        return addresses.renamed(address, moved)

    return replace(
        live,
        state=state,
        unplannable={now(address): why for address, why in live.unplannable.items()},
        unreachable=tuple(replace(finding, address=now(finding.address)) for finding in live.unreachable),
        attempts=tuple(replace(finding, address=now(finding.address)) for finding in live.attempts),
        unfit={now(address): checks for address, checks in live.unfit.items()},
    ), sources


def _read_main(fleet: Fleet, question: SurveyRequest) -> MainFacts:
    name, vault = fleet.main_database, fleet.vault
    wanted = Wanted(fleet.settings.fleet, question.tables, question.rows, vault.key_ids if vault else None)
    try:
        with fleet.main() as connection:
            return read_main(connection, wanted)
    except ConnectError as error:
        if error.silent:
            raise  # asking once more would take as long again
        with fleet.connector.connect(MAIN, read_only=True) as connection:
            if has_database(connection, name):
                raise
            return MainFacts(at_work=at_work(connection, name))


def _place_main(state: State, main: MainFacts, name: str) -> None:
    """The main database's own resources. One that somebody made for tenantplan, empty, is taken as it is."""
    where = addresses.database(MAIN, name)
    database = one(state.get(where), Database)
    if database is None:
        return
    state[where] = replace(database, managed=database.managed or not main.foreign)
    schema = addresses.schema(MAIN, name)
    for address, tree in ((schema, "main"), (addresses.shared_schema(name), "shared")):
        if main.revisions.get(tree):  # where nothing was applied, there is nothing
            state[address] = Schema(MAIN, name, tree, main.revisions[tree], halfway=main.marks.get(tree))


def _accesses(state: State, main: MainFacts) -> State:
    """Roles of the main server with what they may do in the main database; one bound to another organization is not bound."""
    found: State = {}
    for name, access in main.sharing.access.items():
        where = addresses.role(MAIN, name)
        role = one(state.get(where), Role)
        if role is not None:
            theirs = main.sharing.bound.get(name) not in (None, main.ids.get(role.holder or ""))
            found[where] = replace(role, access="bound to another" if theirs else access)
    return found


def _brought(question: SurveyRequest, rows: State) -> dict[str, str]:
    """Organizations that brought a database, and its reference."""
    live = {
        address: str(row.values["database_url"])
        for address, row in of_type(rows, Row).items()
        if question.follow and row.values.get("database_url") and row.retired_at is None
    }
    return {**live, **question.brought}


def _unplannable(
    state: State,
    facts: Mapping[str, ServerFacts],
    trouble: Mapping[str, str],
    problems: Mapping[str, str],
) -> tuple[dict[str, str], tuple[Finding, ...]]:
    """Organizations and tenants that must not be planned, and one finding for each server or database at fault."""
    held: dict[str, str] = dict(problems)
    findings = [
        Finding(addresses.server(alias), UNREACHABLE, f"{why}; nothing on it is planned")
        for alias, why in trouble.items()
    ]
    for address, row in of_type(state, Row).items():
        if row.values.get("database_server") in trouble:
            held[address] = trouble[row.values["database_server"]]
    for known in facts.values():
        for address, why in known.broken.items():
            _hold(held, state, address, why)
    for address, database in of_type(state, Database).items():
        if _closed(database):
            _hold(held, state, address, _CLOSED)
    findings += [Finding(address, UNREACHABLE, why) for address, why in held.items()]
    return held, tuple(sorted(findings, key=lambda finding: finding.address))


_CLOSED = "is closed to connections (ALLOW_CONNECTIONS false): not planned until it is opened"


def _closed(database: Database) -> bool:
    return database.managed and not database.allow_connections and database.retired_at is None


def _hold(held: dict[str, str], state: State, address: str, why: str) -> None:
    database = one(state.get(address), Database)
    if database is not None and database.holder:
        held[database.holder] = f"database {database.name} {why}"
