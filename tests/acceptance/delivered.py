"""What tenantplan hands over: a fleet with an encryption key and targets, and the files that were delivered to them."""

from __future__ import annotations

from acceptance.harness import Fleet

from tenantplan.secrets.box import new_key


def with_targets(fleet: Fleet, settings: str, key: str | None = None) -> Fleet:
    """The fleet with a key, `settings` that name targets, and the folder `handed` for their files, which is nobody else's."""
    fleet.env["CREDENTIALS_ENCRYPTION_KEY"] = key or new_key()
    fleet.settings(settings)
    (fleet.root / "handed").mkdir(mode=0o700)
    return fleet


def handed(fleet: Fleet) -> dict[str, str]:
    """What was delivered to `handed`, by the name of the file."""
    return {path.name: path.read_text() for path in (fleet.root / "handed").iterdir()}
