"""Every error a user can meet, as one tree; each class carries its exit code.

    TenantplanError                exit 1
    ├── UsageError                 a flag, argument or variable is wrong
    ├── ManifestError              the YAML is wrong: many located problems, shown at once
    ├── SettingsError              no fleet file, a missing reference, a weak credential
    │   └── HostNotAllowed         a document names a host that the fleet does not connect to
    ├── ConnectError               a server or database cannot be reached
    ├── PrivilegeError             the role lacks a right that the command needs
    ├── SchemaMismatch             a database is not at the revision or schema expected
    ├── MigrationError             the Alembic tree cannot be used as it stands
    │   └── RevisionsRefused       several of its revisions cannot
    ├── CodeOfOthers               a tenant's database holds code that is not tenantplan's
    ├── NotFound                   an organization, database or audit entry that does not exist
    ├── Blocked                    exit 3: guard, protection or policy
    ├── PlanRefused                exit 4: plan file stale, tampered, expired, applied, other target
    ├── AppliedInPart              exit 5: some operations failed
    ├── Locked                     exit 6: another run holds the fleet
    └── Stale                      what an operation is about is not as the plan saw it: the operation fails, alone

An error says what happened (`message`), where (`where`: file:line, host:port, database) and what to do next (`hint`).
Nothing in here may contain a secret: callers pass masked connection strings only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol


class TenantplanError(Exception):
    """Root of the tree: `message`, optional `where` and `hint`; `exit_code` is what the process returns."""

    exit_code = 1
    code = ""  # what `--json` calls it, where that is not the name of the class

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        head = f"{self.where}: {self.message}" if self.where else self.message
        return f"{head}\n  {self.hint}" if self.hint else head


class UsageError(TenantplanError):
    """A flag, argument or environment variable is wrong."""


class SettingsError(TenantplanError):
    """The fleet file, a secret reference or a credential cannot be used."""


class HostNotAllowed(SettingsError):
    """The database that an organization brings is on a host that the fleet file does not name. Nothing was sent to it."""

    def __init__(self, reference: str, hosts: Sequence[str], allowed: Sequence[str]) -> None:
        listed = ", ".join(_yaml(host) for host in dict.fromkeys([*allowed, *hosts]))
        super().__init__(
            f"host {' and address '.join(hosts)} of {reference} is not among those that this fleet connects to;"
            " nothing was sent to it",
            hint=f"if it is intended, add to spec in tenantplan.yaml:  allowedHosts: [{listed}]",
        )


def _yaml(host: str) -> str:
    return host if re.fullmatch(r"[A-Za-z0-9./_][A-Za-z0-9./_-]*", host) else f'"{host}"'


class Mistake(Protocol):
    """A mistake in a file: as a text for people, and as a document (code, message, file, line, column, field, hint)."""

    def document(self) -> dict[str, Any]:
        """The mistake as JSON."""
        ...


class ManifestError(TenantplanError):
    """The YAML is wrong; `found` are the mistakes of all files, and `problems` holds each as a text."""

    def __init__(self, found: Sequence[Mistake]) -> None:
        self.found = list(found)
        self.problems = [str(problem) for problem in found]
        count = f"{len(self.problems)} problem{'s' if len(self.problems) != 1 else ''}"
        super().__init__("\n\n".join(self.problems) + f"\n\n{count}; nothing was compared or changed.")


class ConnectError(TenantplanError):
    """A server or database cannot be reached; `retryable` when it is only out of connections, `silent` when it takes
    connections, or seems to, and does not answer."""

    def __init__(
        self, message: str, *, where: str = "", hint: str = "", retryable: bool = False, silent: bool = False
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.retryable = retryable
        self.silent = silent


class PrivilegeError(TenantplanError):
    """The role lacks a right that the command needs."""


class SchemaMismatch(TenantplanError):
    """A database does not have the revision or the schema that was expected."""


class MigrationError(TenantplanError):
    """The Alembic tree cannot be used: several heads, an edited revision, a step that cannot be compiled."""


class RevisionsRefused(MigrationError):
    """Several revisions of a tree cannot be used; `found` says of each why. The text has the first of them, and the count."""

    code = "migration"
    shown = 20

    def __init__(self, found: Sequence[MigrationError]) -> None:
        self.found = list(found)
        lines = [f"{error.where}: {error.message}" for error in self.found[: self.shown]]
        lines += [f"and {len(self.found) - self.shown} more"] if len(self.found) > self.shown else []
        hints = dict.fromkeys(error.hint for error in self.found[: self.shown] if error.hint)
        super().__init__(
            f"{len(self.found)} revisions cannot be used:\n  " + "\n  ".join(lines), hint="\n  ".join(hints)
        )


class UntrustedCode(TenantplanError):
    """A tenant's database holds code that would run with tenantplan's rights."""

    code = "code-of-others"


class NotFound(TenantplanError):
    """Something named on the command line does not exist."""


class Blocked(TenantplanError):
    """A guard, a protection or a policy stops the plan."""

    exit_code = 3


class PlanRefused(TenantplanError):
    """The plan file is stale, tampered, expired, already applied or made for another target."""

    exit_code = 4


class AppliedInPart(TenantplanError):
    """Some operations failed; the others are done and recorded."""

    exit_code = 5


class Locked(TenantplanError):
    """Another run holds the lock of this fleet."""

    exit_code = 6


class Stale(TenantplanError):
    """What an operation is about is not what the plan saw: somebody changed it in between."""
