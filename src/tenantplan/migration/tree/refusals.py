"""Everything that is wrong with a tree is said at once: what is refused of one revision hides nothing of the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tenantplan.errors import MigrationError, RevisionsRefused


class Refusals:
    """Collects what is refused of revisions, one after the other."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], MigrationError] = {}

    @contextmanager
    def of_one(self) -> Iterator[None]:
        """Ends what is done for one revision at its MigrationError, and goes on."""
        try:
            yield
        except RevisionsRefused as error:
            self._found |= {(each.where, each.message): each for each in error.found}
        except MigrationError as error:
            self._found.setdefault((error.where, error.message), error)

    def tell(self) -> None:
        """Raises the one that there is, or RevisionsRefused for several; nothing where there is none."""
        found = list(self._found.values())
        if found:
            raise found[0] if len(found) == 1 else RevisionsRefused(found)
