"""Plan files as they are written and read: sealed or signed, encrypted on request."""

from __future__ import annotations

from pathlib import Path

from tenantplan.errors import UsageError
from tenantplan.model.plan import Plan, parse
from tenantplan.secrets.fleet_keys import decrypted, encrypted, plan_seal_check, plan_signer
from tenantplan.settings.settings import Settings


def write_plan(settings: Settings, plan: Plan, path: Path, *, encrypt: bool = False) -> str:
    """Writes the whole file or none of it, and returns how: "Saved", "Saved, signed and encrypted".

    A plan cut short would be refused, but only when somebody needs it. SettingsError while a key is not at hand.
    """
    sign = plan_signer(settings)
    data = plan.to_bytes(sign)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(encrypted(settings, data) if encrypt else data)
        part.replace(path)
    except OSError as error:
        raise UsageError(f"the plan file cannot be written: {error.strerror}", where=str(path)) from None
    how = [word for word, done in (("signed", sign), ("encrypted", encrypt)) if done]
    return ", ".join(["Saved", " and ".join(how)] if how else ["Saved"])


def read_plan(settings: Settings, path: Path) -> Plan:
    """The plan in a file; UsageError when there is none, else as `opened`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the plan file cannot be read: {error.strerror}", where=str(path)) from None
    return opened(settings, data, str(path))


def opened(settings: Settings, data: bytes, where: str) -> Plan:
    """The plan in the bytes of a plan file.

    PlanRefused when they are not exactly what `write_plan` wrote, or not signed by a key that the fleet accepts.
    """
    return parse(decrypted(settings, data, where), where, plan_seal_check(settings))
