"""Generated passwords of login roles: which role is to have one now, which is closed, and which are due to be replaced.

The main database says what was issued; who is current, who follows and what is over is decided here, from that and the clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tenantplan.model import address as addresses
from tenantplan.model.desired import Desired
from tenantplan.model.login import CURRENT, MAIN_TARGET, PENDING, PREVIOUS, Issued, Login
from tenantplan.model.moment import after
from tenantplan.model.plan import Finding
from tenantplan.model.resource import CHANGED_OUTSIDE, GENERATED, Database, Role, Row, Secret, State, of_type, one


@dataclass(frozen=True)
class Turn:
    """Where one login stands: its issued passwords by state and name of the role."""

    login: Login
    issued: Mapping[tuple[str, str], Issued]

    def of(self, state: str) -> Issued | None:
        """The issued password in a state, whichever role has it; pending only for a role that still takes turns."""
        found = [row for (known, _), row in sorted(self.issued.items()) if known == state]
        others = found if state != PENDING else []
        return next((row for row in found if row.role in self.login.roles), others[0] if others else None)

    @property
    def next_role(self) -> str:
        """The role that the next password is for."""
        pending, current = self.of(PENDING), self.of(CURRENT)
        if pending is not None:
            return pending.role
        others = [name for name in self.login.roles if current is None or name != current.role]
        return others[0] if others else self.login.roles[0]

    def ends(self, since: str) -> datetime:
        """When the grace period ends that began then."""
        return datetime.fromisoformat(since) + timedelta(minutes=self.login.grace_minutes)

    @property
    def due(self) -> datetime | None:
        """When the current password is due to be replaced; None: there is none yet."""
        current = self.of(CURRENT)
        return None if current is None else datetime.fromisoformat(current.set_at) + timedelta(self.login.every_days)


def turns(desired: Desired, issued: Sequence[Issued]) -> dict[str, Turn]:
    """Holder -> where its login stands; what was issued under an old name counts under the new one."""
    found: dict[tuple[str, str], dict[tuple[str, str], Issued]] = {}
    for row in issued:
        holder, role = addresses.renamed(row.holder, desired.renames), addresses.role(row.server, row.role)
        if holder != row.holder:  # else it is somebody's who has got the former name since
            role = addresses.renamed(role, desired.renames)
        name = addresses.last_segment(role)
        found.setdefault((holder, row.server), {})[row.state, name] = replace(row, role=name, holder=holder)
    return {h: Turn(login, found.get((h, login.server), {})) for h, login in desired.logins.items()}


def with_logins(
    desired: Desired, live: State, issued: Sequence[Issued], now: datetime, rotate: Collection[str] = ()
) -> Desired:
    """The desired state with the login roles as their turns have it. `rotate`: holders that get a new password now.

    `live` is under the names that the manifest's renames give it.
    """
    state = dict(desired.state)
    for holder, turn in turns(desired, issued).items():
        for name in turn.login.roles:
            address = addresses.role(turn.login.server, name)
            want, have = one(state.get(address), Role), one(live.get(address), Role)
            first = one(desired.state.get(addresses.role(turn.login.server, turn.login.roles[0])), Role)
            if want is not None and first is not None:
                want = replace(want, login=first.login, serves=turn.login.database)
                state[address] = _role(want, have, turn, now, holder in rotate)
        _keep_former(state, live, turn, now)
    return replace(desired, state=state)


def _keep_former(state: State, live: State, turn: Turn, now: datetime) -> None:
    """A role that took turns until the tier went back to one: it keeps its login until the grace period ends."""
    database = addresses.database(turn.login.server, turn.login.database)
    for (_, name), row in turn.issued.items():
        address = addresses.role(turn.login.server, name)
        have, home = one(live.get(address), Role), one(state.get(database), Database)
        if name in turn.login.roles or have is None or not have.managed or home is None:
            continue
        over = row.superseded_at is not None and turn.ends(row.superseded_at) <= now
        lasting = have.login and row.state != PENDING and not over
        state[address] = replace(have, login=lasting, password=None)
        if lasting and home.connect:
            state[database] = replace(home, connect=tuple(sorted({*home.connect, name})))


def _role(want: Role, have: Role | None, turn: Turn, now: datetime, rotate: bool) -> Role:
    """One role; `want.login` says whether the organization's logins are open at all."""
    pending, current = turn.of(PENDING), turn.of(CURRENT)
    previous = turn.issued.get((PREVIOUS, want.name))
    fresh = Secret(f"{GENERATED}{turn.login.target}")
    gets = rotate or current is None or current.role not in turn.login.roles or pending is not None
    if gets and want.name == turn.next_role:
        return replace(want, password=fresh)
    if current is not None and want.name == current.role:
        keyed = have.password.keyed if have is not None and have.password is not None else None
        lasting = have.ends_before if have is not None and turn.ends(current.set_at) > now else None
        moved = have is not None and have.name != want.name and turn.login.target != MAIN_TARGET
        outdated = moved and pending is None  # the pending one is delivered under the new name
        known = Secret(fresh.reference, None if keyed == CHANGED_OUTSIDE or outdated else keyed)
        return replace(want, password=known, ends_before=lasting)
    if previous is not None and previous.superseded_at and turn.ends(previous.superseded_at) > now:
        return replace(want, password=None)
    return replace(want, login=False, password=None)


def findings(
    desired: Desired, issued: Sequence[Issued], now: datetime, open_roles: Iterable[str]
) -> tuple[Finding, ...]:
    """A note for each generated password that is due to be replaced, among the roles that can log in."""
    usable, found = set(open_roles), []
    for holder, turn in turns(desired, issued).items():
        current, due = turn.of(CURRENT), turn.due
        if current is None or due is None or addresses.role(current.server, current.role) not in usable:
            continue
        if due <= now:
            why = f"due to be rotated since {due:%Y-%m-%d} (every {turn.login.every_days} days)"
        elif current.target != turn.login.target:
            why = f"was delivered to {current.target} and is to go to {turn.login.target}"
        else:
            continue
        document = addresses.document(holder)
        name = addresses.short_name(document)
        message = f"the password of its login {why}: tenantplan credentials rotate {name}"
        found.append(Finding(holder, "rotation-due", message))
    return tuple(sorted(found, key=lambda finding: finding.address))


def notes(desired: State, live: State, now: datetime) -> tuple[Finding, ...]:
    """A note for each secret that was last changed longer ago than its period, unless this plan changes it."""
    found = []
    for address, have in of_type(live, Row).items():
        want = one(desired.get(address), Row)
        if want is None:
            continue
        due = due_since(want, have)
        if due is None:
            continue
        secret = want.values.get("value")
        if due <= now and secret == have.values.get("value"):
            where = secret.reference if isinstance(secret, Secret) else None
            generated = isinstance(secret, Secret) and secret.target is not None
            do = f"tenantplan credentials rotate {address}" if generated else f"give {where} a new value and apply"
            found.append(Finding(address, "rotation-due", _due(due, want.values["rotate_every_days"], do)))
    return tuple(sorted(found, key=lambda finding: finding.address))


def due_since(want: Row, have: Row) -> datetime | None:
    """When a secret has had its value for as long as it is declared to keep one; None for what has no period."""
    changed = have.observed.get("rotated_at")
    return after(changed, timedelta(days=want.values["rotate_every_days"])) if changed else None


def _due(due: datetime, days: int, do: str) -> str:
    return f"due to be rotated since {due:%Y-%m-%d} (every {days} days): {do}"
