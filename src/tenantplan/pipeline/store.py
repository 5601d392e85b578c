"""Whether the store of update packages answers, where a plan stores some there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tenantplan.errors import TenantplanError
from tenantplan.fleet.store import fleet_store, location
from tenantplan.model.address import MAIN
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Package
from tenantplan.postgres.connect import Connector
from tenantplan.settings.settings import Settings
from tenantplan.stores.location import MAIN as MAIN_STORE


def unanswered(settings: Settings, connector: Connector, operations: Sequence[Operation]) -> Iterator[Finding]:
    """A note when the store that packages are to go to does not answer here. Who plans need not have its credentials.

    The main database needs no asking: a plan reads it anyway.
    """
    stored = [o for o in operations if isinstance(o.after, Package)]
    try:
        if not stored or location(settings) == MAIN_STORE:
            return
        with connector.connect(MAIN, read_only=True) as connection:
            store = fleet_store(settings, connection)
        assert isinstance(stored[0].after, Package)
        store.size(stored[0].after.key)
    except TenantplanError as error:
        where = f"{error.where}: " if error.where else ""
        message = f"the store does not answer from here, and apply needs it: {where}{error.message}; {error.hint}"
        yield Finding(stored[0].address, "store", message)
