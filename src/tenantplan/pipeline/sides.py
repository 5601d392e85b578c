"""What is declared and what is live, so far as the two can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from tenantplan.desired.packages import with_packages
from tenantplan.desired.secrets import Findings, with_secrets
from tenantplan.fleet.opening import Fleet
from tenantplan.journal.last_applied import last_applied
from tenantplan.live.survey import renamed
from tenantplan.model.desired import Desired
from tenantplan.model.live import Survey
from tenantplan.model.plan import Finding
from tenantplan.model.resource import State
from tenantplan.pipeline.comparison import Comparison
from tenantplan.pipeline.probe import unfit_connections
from tenantplan.planning.clock import check_clock
from tenantplan.planning.findings import reviewer_notes
from tenantplan.planning.kept_closed import kept_closed
from tenantplan.planning.logins import with_logins
from tenantplan.planning.undeclared import Last, Settled, needing_the_journal, settled
from tenantplan.planning.unreachable import without_unplannable
from tenantplan.tables.fit import with_ids


@dataclass(frozen=True)
class Sides:
    """Both sides of a comparison, at the time `now`. What is live is under the names that the manifest's renames give it, `sources`
    are the old addresses of what moved.

    `wanted` is all that is declared. `desired` and `known` are the two sides without what cannot be planned now; `by_stamp` is
    `known` as a look at the stamps alone shows it. `last` is what was last applied to rows that are in question, and `fields`
    what follows for what documents leave out. `secrets`: what there is to say of secrets and files. `untested` and `weak`:
    connection strings that cannot be used, or less well than they might.
    """

    comparison: Comparison
    now: datetime
    sources: Mapping[str, str]
    wanted: Desired
    desired: Desired
    known: State
    by_stamp: State
    last: Mapping[str, Last]
    fields: Settled
    secrets: Findings
    untested: list[Finding]
    weak: list[Finding]

    @property
    def live(self) -> Survey:
        """What was read."""
        return self.comparison.live

    def notes(self) -> list[Finding]:
        """What a reviewer should know of either side, whatever the plan does. TenantplanError where no clock can be trusted."""
        return [
            *check_clock(self.live),
            *self.secrets.notes,
            *self.weak,
            *reviewer_notes(self.desired, self.known, self.live, self.now),
            *self.fields.notes,
        ]

    def blockers(self) -> list[Finding]:
        """What of the desired state cannot be used as it is."""
        return [*self.secrets.blockers, *self.untested]


def both_sides(comparison: Comparison) -> Sides:
    """The two sides, filled in with what only the environment, files, the journal and logins tell."""
    fleet, now = comparison.fleet, comparison.live.now
    live, sources = renamed(comparison.live, comparison.desired.renames)
    tables = with_ids({**live.main.tables, **comparison.desired.tables}, live.main.relations)
    wanted = replace(comparison.desired, tables=tables)
    desired, by_stamp = without_unplannable(wanted, live)
    known = _with_passwords_checked(fleet, live, desired, by_stamp) if comparison.deep else by_stamp
    desired, secrets = _filled_in(with_logins(desired, known, live.main.issued, now), known, live, fleet)
    pending = {old: new for new, old in sources.items()}
    last = last_applied(fleet.settings, fleet.connector, live, needing_the_journal(desired, known), pending)
    fields = settled(desired, known, last)
    untested, weak = unfit_connections(wanted, live, fleet)
    return Sides(
        comparison=replace(comparison, live=live),
        now=now,
        sources=sources,
        wanted=wanted,
        desired=kept_closed(fields.desired, known),
        known=known,
        by_stamp=by_stamp,
        last=last,
        fields=fields,
        secrets=secrets,
        untested=untested,
        weak=weak,
    )


def _with_passwords_checked(fleet: Fleet, live: Survey, desired: Desired, known: State) -> State:
    """The live state, knowing which passwords somebody else has set: that takes connections."""
    from tenantplan.live.passwords import check_passwords, with_changed

    return with_changed(known, check_passwords(fleet, live, desired.state))


def _filled_in(desired: Desired, known: State, live: Survey, fleet: Fleet) -> tuple[Desired, Findings]:
    """The desired state with what only the environment and files know: keyed hashes of secrets, sizes of packages."""
    state, found = with_secrets(desired, known, live.main.hash_key, fleet)
    state, missing = with_packages(replace(desired, state=state), known, fleet)
    return replace(desired, state=state), replace(found, blockers=found.blockers + missing)
