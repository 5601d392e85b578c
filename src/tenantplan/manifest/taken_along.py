"""Documents that go with another one which says `state: deleted`: the projects of an organization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tenantplan.documents import Document


def with_taken_along(documents: Sequence[Document]) -> list[Document]:
    """The documents, each project of an organization that is declared as deleted as if it said so itself."""
    gone = {d.name for d in documents if d.kind == "Organization" and getattr(d.spec, "state", "active") == "deleted"}
    return [
        replace(d, spec=d.spec.model_copy(update={"state": "deleted"}))
        if d.kind == "Project" and getattr(d.spec, "organization", None) in gone
        else d
        for d in documents
    ]
