"""The encryption keys of a fleet, from the references in its fleet file."""

from __future__ import annotations

import os

from tenantplan.secrets.box import Vault, vault
from tenantplan.secrets.development import make_up
from tenantplan.secrets.references import resolve
from tenantplan.settings import Settings


def fleet_vault(settings: Settings) -> Vault | None:
    """The Vault of a fleet; None while its key is not set. SettingsError for a key that cannot be used."""
    spec = settings.spec.credentials
    kind, _, name = spec.key.text.partition(":")
    if kind == "env" and not os.environ.get(name):
        return None
    make_up(settings, [spec.key.text], key=True)
    former = [resolve(reference.text, settings.root) for reference in spec.former_keys]
    return vault(resolve(spec.key.text, settings.root), former, where=spec.key.text)
