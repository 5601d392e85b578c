"""The rules that findings cite: the machine-readable name of each, in plan files and reports.

A rule that only one module uses is defined there.
"""

from __future__ import annotations

# Notes and blockers
CHANGED = "changed"  # a database is not what its stamp says
CONNECTION = "connection"  # a database that an organization brought cannot be used, or is weaker than it could be
DELETED_BY_APPLICATION = "deleted-by-the-application"
KIND = "kind"  # the table of a kind that the fleet declared is not as declared
RIGHTS = "rights"  # what the role that made the plan may not do
STAYS_DISABLED = "stays-disabled"
STILL_OPEN = "still-open"  # logins that tenantplan cannot close
UNMANAGED = "unmanaged"  # declared, and left alone as the application's
UNREACHABLE = "unreachable"

# Brakes
CHANGES = "max-changes"
DELETES = "max-deletes"
LOSSES = "destructive"
OCCUPIED = "occupied"
