"""Where an organization's or tenant's data lives."""

from __future__ import annotations

from dataclasses import dataclass

from tenantplan.model.address import Location, brought_alias


@dataclass(frozen=True)
class Placement:
    """Where the data of one organization or tenant lives.

    `mode` is "shared" or "dedicated", or "none" of a tenant that has neither an organization nor a database. `server` and
    `database` are set in dedicated mode; `url` is the reference ("env:NAME") of a database that the organization brought itself,
    which tenantplan does not manage.
    """

    holder: str
    mode: str
    server: str | None = None
    database: str | None = None
    url: str | None = None

    def location(self, main: Location) -> Location:
        """The database that its rows are in, which may be the `main` one."""
        if self.mode != "dedicated":
            return main
        return Location(brought_alias(self.holder)) if self.url else Location(str(self.server), self.database)
