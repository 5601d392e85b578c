"""A scratch database at the head of the tenant tree, on the main server, that is gone afterwards, whatever happens."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from tenantplan.ddl.statements import TEMPLATE0, copied, opened
from tenantplan.errors import MigrationError, PrivilegeError
from tenantplan.interruptible import interruptible
from tenantplan.migration.running.steps import Migrator
from tenantplan.migration.running.target import MigrationTarget, Version
from tenantplan.migration.running.workers import Programs
from tenantplan.migration.trees import Trees
from tenantplan.model.address import MAIN
from tenantplan.model.resource import GROUPS
from tenantplan.model.stamp import NEW
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import MIGRATING, Connection, Connector
from tenantplan.postgres.databases import drop_database
from tenantplan.postgres.pooler import refuse_pooler
from tenantplan.postgres.run_sessions import end_sessions, tag
from tenantplan.settings.settings import Settings

_NOT = "the tree does not run on an empty database"


@contextmanager
def scratch(settings: Settings, trees: Trees, connect: Callable[[str], Connector]) -> Iterator[Connection]:
    """A session on it; `connect` makes the Connector whose sessions carry a tag.

    Raises what that raises, ConnectError where the server does not answer, PrivilegeError when the role may not make databases,
    MigrationError when the tree does not run on an empty one.
    """
    steps = trees.upgrade("tenant", None)
    name = f"{NEW}autogenerate_{secrets.token_hex(6)}"
    connector = connect(tag(name))
    with connector.connect(MAIN) as connection:
        refuse_pooler(connection, connector.servers[MAIN].place)
    with interruptible() as undisturbed:
        try:
            _create(connector, name)
            with Programs() as programs:
                place = MigrationTarget(connector, MAIN, name, "tenant")
                try:
                    migrator(settings, trees, programs).run(place, steps, Version())
                except psycopg.Error as error:
                    raise MigrationError(f"{_NOT}: {describe(error)}", where=str(trees.tenant.directory)) from error
                except MigrationError as error:
                    error.message = f"{_NOT}: {error.message}"
                    raise
            with connector.connect(MAIN, name, options=MIGRATING) as connection:
                yield connection
        finally:
            undisturbed()
            _drop(connector, name)


def _create(connector: Connector, name: str) -> None:
    with connector.connect(MAIN) as connection:
        try:
            connection.execute(copied(sql.Identifier(name), TEMPLATE0))
            connection.execute(opened(name))
        except psycopg.errors.InsufficientPrivilege:
            raise PrivilegeError(
                f"the role {connection.info.user} may not make the scratch database that models are compared with",
                where=connector.servers[MAIN].place,
                hint=f"a superuser grants it: ALTER ROLE {sql.Identifier(connection.info.user).as_string()} CREATEDB",
            ) from None


def migrator(settings: Settings, trees: Trees, programs: Programs) -> Migrator:
    """What runs the steps of migrations, at the fleet's pace."""
    pace = settings.spec.rollout
    timeouts = (round(pace.lock_timeout_seconds * 1000), pace.statement_timeout_seconds * 1000)
    return Migrator(trees.versions, programs, trees.files, trees.digests, GROUPS, *timeouts, settings.root)


def _drop(connector: Connector, name: str) -> None:
    """An interrupted CREATE DATABASE goes on after its client, and would make it when it was dropped."""
    end_sessions(connector, [MAIN], [name])
    with connector.connect(MAIN) as connection:
        drop_database(connection, name)
