"""What people do to the documents of a fleet: each edit changes what is wanted, or returns False where it is not possible."""

from __future__ import annotations

from collections.abc import Callable

from acceptance.lives import Life, Org


def _some(life: Life, fits: Callable[[Org], bool]) -> Org | None:
    """An organization that fits, as it is wanted now and was settled; not one that was made just now."""
    able = [org for ident, org in life.wanted.items() if ident in life.settled and not org.gone and fits(org)]
    return life.chance.choice(able) if able else None


def _standing(org: Org) -> bool:
    return org.state != "deleted" and org.declared


def rename(life: Life) -> bool:
    org = _some(life, lambda o: _standing(o) and o.renamed_from is None)
    if org is None:
        return False
    life.say(org.ident, "rename", name=life.free(), renamed_from=life.settled[org.ident].name)
    return True


def rename_deleted(life: Life) -> bool:
    """Onto a name that a deleted organization had, whose file is gone."""
    org = _some(life, lambda o: _standing(o) and o.renamed_from is None)
    gone = _some(life, lambda o: o.state == "deleted")
    if org is None or gone is None:
        return False
    life.say(gone.ident, "remove the file of", declared=False)
    life.say(org.ident, "rename onto a deleted name", name=gone.name, renamed_from=life.settled[org.ident].name)
    return True


def swap(life: Life) -> bool:
    """Two exchange their names, by way of a third one: three applies."""
    one = _some(life, lambda o: _standing(o) and o == life.settled[o.ident])
    other = _some(life, lambda o: _standing(o) and o == life.settled[o.ident] and o is not one)
    if one is None or other is None:
        return False
    middle = life.free()
    for org, name in ((one, middle), (other, one.name), (one, other.name)):
        before = life.settled[org.ident].name
        life.say(org.ident, "swap", name=name, renamed_from=before)
        life.settle()
        if life.settled[org.ident].name != name:
            break  # it was refused
    return True


def suspend(life: Life) -> bool:
    org = _some(life, lambda o: _standing(o) and o.state == "active")
    return org is not None and _said(life, org, "suspend", state="suspended")


def activate(life: Life) -> bool:
    org = _some(life, lambda o: _standing(o) and o.state == "suspended")
    return org is not None and _said(life, org, "activate", state="active")


def unprotect(life: Life) -> bool:
    org = _some(life, lambda o: _standing(o) and o.protect)
    return org is not None and _said(life, org, "lift the protection of", protect=False)


def delete(life: Life) -> bool:
    org = _some(life, lambda o: _standing(o) and not life.settled[o.ident].protect)
    if org is None:
        return unprotect(life)
    return _said(life, org, "delete", state="deleted", protect=False)


def restore(life: Life) -> bool:
    org = _some(life, lambda o: o.state == "deleted")
    return org is not None and _said(life, org, "restore", state="active", declared=True)


def purge(life: Life) -> bool:
    life.log.append("purge: graceDays 0")
    life.grace = 0
    return any(org.state == "deleted" and not org.gone for org in life.wanted.values())


def migrate(life: Life) -> bool:
    life.log.append(f"migrate: {life.tree.grow(life.chance.choice(life.tree.kinds))}")
    return True


def mode(life: Life) -> bool:
    """To another mode while it is empty; its application may begin to write right now."""
    org = _some(life, lambda o: _standing(o) and not o.occupied and not o.tenant)
    if org is None or life.prisma:
        return False
    to = life.chance.choice([m for m in ("dedicated", "bound", "pooled") if m != org.mode])
    writes = life.chance.random() < 0.5
    return _said(life, org, "mode", mode=to, database=None, generated=org.generated and to != "pooled", occupied=writes)


def database_name(life: Life) -> bool:
    org = _some(life, lambda o: _standing(o) and o.dedicated and not o.occupied)
    if org is None:
        return False
    name = f"o{life.fleet.id}_{org.ident}_{life.chance.choice('xyz')}"
    return _said(life, org, "database.name", database=None if org.database == name else name)


def rotate(life: Life) -> bool:
    """By a new value of its reference; a generated one by command."""
    org = _some(life, lambda o: _standing(o) and o.mode != "pooled")
    if org is None:
        return False
    if not org.generated:
        return _said(life, org, "rotate", password=org.password + 1)
    if org == life.settled[org.ident]:
        life.command("credentials", "rotate", org.name)
    return True


def create(life: Life) -> bool:
    if sum(not org.gone for org in life.wanted.values()) > 7:
        return False
    _made(life, life.free())
    return True


def recreate(life: Life) -> bool:
    """A new document under a deleted name."""
    gone = _some(life, lambda o: o.state == "deleted" and o == life.settled[o.ident])
    if gone is None:
        return False
    life.say(gone.ident, "remove the file of", declared=False)
    _made(life, gone.name)
    return True


def forget(life: Life) -> bool:
    """Absence deletes nothing: the file is removed."""
    org = _some(life, lambda o: o.declared and o == life.settled[o.ident])
    return org is not None and _said(life, org, "remove the file of", declared=False)


def remember(life: Life) -> bool:
    org = _some(life, lambda o: not o.declared and o.state != "deleted")
    return org is not None and _said(life, org, "put back the file of", declared=True)


EDITS: dict[str, Callable[[Life], bool]] = {
    "rename": rename,
    "rename-deleted": rename_deleted,
    "swap": swap,
    "suspend": suspend,
    "activate": activate,
    "unprotect": unprotect,
    "delete": delete,
    "restore": restore,
    "purge": purge,
    "migrate": migrate,
    "mode": mode,
    "name": database_name,
    "rotate": rotate,
    "create": create,
    "recreate": recreate,
    "forget": forget,
    "remember": remember,
}


def _said(life: Life, org: Org, step: str, **changes: object) -> bool:
    life.say(org.ident, step, **changes)
    return True


def _made(life: Life, name: str) -> None:
    shared = ("bound", "pooled") if not life.prisma else ()
    mode = life.chance.choice(("dedicated", "dedicated", *shared))
    server = life.chance.choice(tuple(life.servers)) if mode == "dedicated" else "primary"
    org = life.new(
        name, mode=mode, server=server, protect=life.chance.random() < 0.3, occupied=life.chance.random() < 0.7
    )
    life.log.append(f"create {org.ident} ({name}) {mode} on {server}")
