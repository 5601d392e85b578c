"""Plans the rotation of login passwords: those requested, what an interrupted rotation left, and expired ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tenantplan.desired import declare
from tenantplan.documents.suggest import did_you_mean
from tenantplan.errors import NotFound, UsageError
from tenantplan.fleet.opening import Fleet, open_fleet
from tenantplan.live.current_servers import placed
from tenantplan.live.survey import survey, survey_request
from tenantplan.model import address as addresses
from tenantplan.model.change import Change
from tenantplan.model.desired import Desired
from tenantplan.model.finding_rules import UNREACHABLE
from tenantplan.model.live import Survey
from tenantplan.model.login import CURRENT, PENDING, reader_of
from tenantplan.model.operation import generates
from tenantplan.model.plan import Finding, Plan
from tenantplan.model.resource import Role, State, of_type, one
from tenantplan.pipeline.draft import draft
from tenantplan.planning.clock import check_clock
from tenantplan.planning.comparable import comparable, expires
from tenantplan.planning.live_labels import live_labels
from tenantplan.planning.logins import Turn, turns, with_logins
from tenantplan.planning.lower import Context, lower
from tenantplan.planning.order import order
from tenantplan.planning.secret_rotation import generated, secret_changes
from tenantplan.planning.select import labels
from tenantplan.planning.windows import labels_of_scopes, restricted
from tenantplan.secrets.fleet_keys import the_vault
from tenantplan.settings.settings import Settings


@dataclass(frozen=True)
class Wish:
    """The passwords to replace: organizations (or tenant/NAME) by name, generated secrets by address, and those that are due."""

    names: tuple[str, ...]
    due: bool


def rotation_plan(fleet: Fleet, desired: Desired, live: Survey, wish: Wish) -> Plan:
    """Operations on login roles, and nothing that waits in the YAML besides. NotFound for a name nobody has; UsageError for
    one whose password tenantplan does not generate; SettingsError without the encryption key."""
    check_clock(live)
    settings, now = fleet.settings, live.now
    desired = replace(desired, renames={}, state=_as_open_as_live(desired, live.state))
    standing = turns(desired, live.main.issued)
    secrets = frozenset(name for name in wish.names if generated(desired.state.get(name)))
    named = {holder for name in wish.names if name not in secrets for holder in _holders(name, desired, live.state)}
    rotating = {h for h in named if _rotatable(standing[h], live)}
    rotating |= {h for h, turn in standing.items() if wish.due and turn.due is not None and turn.due <= now}
    wanted = with_logins(desired, live.state, live.main.issued, now, rotating)
    found = {h: turn for h, turn in standing.items() if wish.due or h in named}
    changes = [c for turn in found.values() for c in _changes(turn, wanted.state, live.state)]
    changes += secret_changes(desired, live.state, secrets, wish.due, now)
    context = Context({}, desired.state, live.state, live.main.tables, settings.spec.main.database)
    ordered, _ = order(lower(changes, context))
    both = {**live.state, **desired.state}
    asked = labels_of_scopes(ordered, labels(replace(desired, state=both)), both, settings.rules)
    operations, deferred = restricted(ordered, asked, settings.rules, now, live_labels(ordered, live.state))
    if any(generates(operation) or generated(operation.after) for operation in operations):
        the_vault(fleet.vault)
    lost = tuple(Finding(h, UNREACHABLE, f"server {t.login.server} is out of reach") for h, t in _lost(found, live))
    made = draft(fleet, live, operations)
    return replace(
        made,
        unreachable=lost,
        deferred=deferred,
        labels={o.scope: asked[o.scope] for o in operations if o.scope in asked},
    )


def _as_open_as_live(desired: Desired, live: State) -> State:
    """The desired state, its logins as open as they are: whether they should be is for apply to settle."""
    state = dict(desired.state)
    for login in desired.logins.values():
        named = [addresses.role(login.server, name) for name in login.roles]
        roles = of_type({address: live.get(address) for address in named}, Role)
        want = one(state.get(named[0]), Role)
        if want is not None:
            state[named[0]] = replace(want, login=any(role.login for role in roles.values()))
    return state


def _holders(name: str, desired: Desired, live: State) -> list[str]:
    """What the logins of an organization (or tenant/NAME) are issued to."""
    holder = addresses.from_name(name)
    found = [known for known in (holder, reader_of(holder)) if known in desired.logins]
    if found:
        return found
    if holder in desired.placements or holder in live:
        raise UsageError(
            f"{holder} has no login with a generated password",
            hint="say `password: { generate: true }` in its database, or give what its reference names a new value and apply",
        )
    near = did_you_mean(name, [addresses.short_name(known) for known in desired.logins])
    raise NotFound(f"Organization not found: {name}", hint=near or "see them all: tenantplan credentials status")


def _rotatable(turn: Turn, live: Survey) -> bool:
    """Whether there is a password to replace and a role for the next one; UsageError when apply has to come first."""
    if turn.login.server not in live.servers:
        return False
    role = one(live.state.get(addresses.role(turn.login.server, turn.next_role)), Role)
    if (turn.of(CURRENT) is None and turn.of(PENDING) is None) or role is None or not role.managed:
        raise UsageError(
            f"{turn.login.holder} has not been applied as declared: there is nothing to rotate yet",
            hint="tenantplan apply gives its login the first password",
        )
    return True


def _changes(turn: Turn, wanted: State, live: State) -> Iterator[Change]:
    names = dict.fromkeys((*turn.login.roles, *(name for _, name in turn.issued)))
    for name in names:
        address = addresses.role(turn.login.server, name)
        want, have = one(wanted.get(address), Role), one(live.get(address), Role)
        if want is not None and have is not None and have.managed:
            after = replace(
                have, login=want.login, password=want.password, ends_before=want.ends_before, serves=turn.login.database
            )
            before = comparable(have, after)
            if before != after or expires(have, after):
                yield Change(address, before, after)


def _lost(found: Mapping[str, Turn], live: Survey) -> Sequence[tuple[str, Turn]]:
    known: Collection[str] = live.servers
    return [(holder, turn) for holder, turn in sorted(found.items()) if turn.login.server not in known]


def rotation(settings: Settings, names: tuple[str, ...], *, due: bool) -> Plan:
    """The Plan that replaces passwords of login roles, ends what is over, and finishes what was interrupted. Writes nothing.

    `names` are organizations (or tenant/NAME); `due`: also those whose time has come.
    """
    with open_fleet(settings) as fleet:
        _ = fleet.trees  # mistakes in migrations come before those in documents
        documents = declare.load_documents(fleet)
        desired = declare.complete(declare.declared(fleet, documents, placed(fleet, documents)), fleet)
        live = survey(fleet, survey_request(desired))
        return rotation_plan(fleet, desired, live, Wish(names, due))
