"""Who writes into the journal and the audit log."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from tenantplan import __version__
from tenantplan.fleet import provenance
from tenantplan.model.audit import Actor
from tenantplan.settings.settings import Settings


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


def author(settings: Settings, run_id: str | None = None) -> Author:
    """The Author of a command that carries out no plan; `run_id`: of a run that exists already."""
    commit = provenance.base(settings.root)["commit"]
    actor = provenance.actor(commit if isinstance(commit, str) else None, settings.root)
    return Author(run_id or str(uuid.uuid4()), settings.fleet, actor)
