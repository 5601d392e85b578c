"""What a person does outside an apply and the audit log has to know: as much of a Run as that takes."""

from __future__ import annotations

import uuid
from functools import partial

from tenantplan import __version__
from tenantplan.execution.context import Run
from tenantplan.execution.statements import TEMPLATE0
from tenantplan.fleet import provenance
from tenantplan.fleet.packages import fleet_store
from tenantplan.postgres.connect import Connector
from tenantplan.secrets.keys import fleet_vault
from tenantplan.settings import Settings
from tenantplan.tables import BUILTIN


def act(settings: Settings, connector: Connector, run_id: str | None = None, hash_key: str = "") -> Run:
    """A Run that makes no plan come true: it has an id, an actor and the commit, and journals nothing."""
    commit = provenance.base(settings.root)["commit"]
    return Run(
        id=run_id or str(uuid.uuid4()),
        fleet=settings.fleet,
        main_database=settings.spec.main.database,
        root=settings.root,
        connector=connector,
        actor=provenance.actor(commit if isinstance(commit, str) else None, settings.root),
        epoch=0,
        digest="",
        seal="",
        hash_key=hash_key,
        role="",
        tool_version=__version__,
        ids={},
        versions={},
        template=lambda alias: TEMPLATE0,
        tables=BUILTIN,
        open_store=partial(fleet_store, settings),
        vault=fleet_vault(settings),
    )
