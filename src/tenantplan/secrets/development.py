"""Secrets of a development fleet: what it refers to under .tenantplan/secrets/ is made up when it is not there.

So that a fleet with credentials can be tried at once, with none of them in git. A fleet that does not say
`development: true` never gets a made-up secret.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable
from pathlib import Path

from tenantplan.secrets.box import new_key
from tenantplan.settings.settings import Settings

FOLDER = ".tenantplan/secrets/"


def create_missing(settings: Settings, references: Iterable[str], *, key: bool = False) -> None:
    """Writes a random value, readable by its owner only, for each `file:.tenantplan/secrets/NAME` that has none.

    `key`: encryption keys instead of passwords.
    """
    if not settings.spec.development:
        return
    for reference in references:
        path = Path(reference.removeprefix("file:"))
        if reference.startswith(f"file:{FOLDER}") and ".." not in path.parts and not (settings.root / path).exists():
            _write(settings.root / path, new_key() if key else _token())


def _token() -> str:
    return base64.urlsafe_b64encode(os.urandom(24)).decode()


def _write(path: Path, value: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(value + "\n")
    try:
        os.link(part, path)  # the first of two that start at once wins
    except FileExistsError:
        pass
    finally:
        part.unlink()
