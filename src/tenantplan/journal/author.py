"""The author of entries in the journal and the audit log."""

from __future__ import annotations

from dataclasses import dataclass

from tenantplan import __version__
from tenantplan.model.audit import Actor


@dataclass(frozen=True)
class Author:
    """What every entry says of its origin: the run's `id`, who started it, for which fleet, and which plan it carries out.

    `epoch` is the lease's: when the main database holds another, another run has taken over and this one must not write.
    `digest` and `seal` are the plan's; both are empty where no plan is carried out.
    """

    id: str
    fleet: str
    actor: Actor
    epoch: int = 0
    digest: str = ""
    seal: str = ""
    tool_version: str = __version__
