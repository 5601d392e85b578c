"""References to secrets, `env:NAME` or `file:path`, and their values."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tenantplan.errors import SettingsError

LONGEST = 65_536  # bytes


class Secrets:
    """The values of references, each read once and remembered, for one run of one command: one that changes meanwhile is seen as
    it was. A value that is missing is looked for again. Nothing that shows this object shows a value.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._values: dict[str, str] = {}

    def resolve(self, reference: str) -> str:
        """The value of a reference, as the function `resolve` returns it the first time."""
        known = self._values.get(reference)
        if known is None:  # of two threads that ask at once, both get what the first has read
            known = self._values.setdefault(reference, resolve(reference, self._root))
        return known

    def renew(self, reference: str) -> str:
        """The value of a reference as it is now, which is remembered from here on."""
        self._values[reference] = value = resolve(reference, self._root)
        return value

    def forget(self) -> None:
        """Forgets every value."""
        self._values.clear()


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
        return _read(root / name, name).decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise SettingsError(
            f"the secret file {name} cannot be read: {error.strerror}",
            hint="create it, readable by the user that runs tenantplan only (chmod 600)",
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"the secret file {name} is not UTF-8 text", hint="store the secret as text") from None


def _read(path: Path, name: str) -> bytes:
    """A regular file's bytes: a device or a pipe has no end, and what the kernel shows of processes is no secret of ours."""
    with open(path, "rb", opener=lambda file, flags: os.open(file, flags | os.O_NONBLOCK)) as file:
        facts = os.fstat(file.fileno())
        real = os.path.realpath(path)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > LONGEST or real.startswith(("/proc/", "/sys/")):
            raise SettingsError(
                f"the secret file {name} cannot be a secret",
                hint=f"name a regular file of at most {LONGEST} bytes",
            )
        return file.read(LONGEST + 1)
