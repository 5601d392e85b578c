"""References to secrets, `env:NAME` or `file:path`, and their values."""

from __future__ import annotations

import os
from pathlib import Path

from tenantplan.errors import SettingsError


def resolve(reference: str, root: Path) -> str:
    """The value a reference stands for; a file's trailing newline is dropped, a relative path starts at `root`.

    Raises SettingsError, naming the reference and never the value, when there is none.
    """
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = os.environ.get(name)
        if value is None:
            raise SettingsError(f"the environment variable {name} is not set", hint=f"set it: export {name}=…")
        return value
    try:
        return (root / name).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise SettingsError(
            f"the secret file {name} cannot be read: {error.strerror}",
            hint="create it, readable by the user that runs tenantplan only (chmod 600)",
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"the secret file {name} is not UTF-8 text", hint="store the secret as text") from None
