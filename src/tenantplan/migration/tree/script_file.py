"""Text and statements of a file of SQL or TypeScript in a tree."""

from __future__ import annotations

import re
from pathlib import Path

from tenantplan.errors import MigrationError
from tenantplan.migration import sqltext

# A comma separates the names of a position, a colon the parts of a mark.
NAME = re.compile(r"[^,:\x00-\x1f\x7f]{1,255}")


def text(file: Path) -> str | None:
    """The text with the newlines that it has; None where there is no such file. MigrationError for one that cannot be used."""
    try:
        found = file.read_bytes().decode()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MigrationError(f"cannot be read: {error.strerror}", where=str(file)) from error
    except UnicodeDecodeError as error:
        raise MigrationError(f"not UTF-8: {error.reason}", where=str(file), hint="save it as UTF-8") from error
    if found.startswith("\ufeff") or "\0" in found:
        unfit = "a NUL character" if "\0" in found else "a byte order mark"
        raise MigrationError(
            f"has {unfit}, which PostgreSQL refuses", where=str(file), hint="save it as UTF-8 without byte order mark"
        )
    return found


def statements(file: Path) -> tuple[str, ...]:
    """The statements of a file of SQL, none where there is no such file. MigrationError for text that is not SQL."""
    found = text(file)
    if found is None:  # most trees have none, and the parser is slow to import
        return ()
    try:
        return sqltext.split(found)
    except ValueError as error:
        raise MigrationError(f"not SQL: {error}", where=str(file)) from error
