"""The application's SQLAlchemy models, of which migrations need to know how constraints without a name are called.

Importing this module imports SQLAlchemy.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tenantplan.errors import MigrationError

_OWN = sa.MetaData().naming_convention  # what SQLAlchemy has where nobody names one


def naming_convention(written: dict[str, str], reference: str | None, root: Path) -> dict[str, Any]:
    """The names of constraints that have none: what is `written` in env.py, else what the models say that are given as
    package.module:attribute."""
    if written or not reference:
        return written
    with models(reference, root) as metadata:
        return {} if metadata.naming_convention == _OWN else dict(metadata.naming_convention)


@contextlib.contextmanager
def models(reference: str, root: Path) -> Iterator[sa.MetaData]:
    """The MetaData that `package.module:attribute` names, a class with one among them, with `root` on sys.path meanwhile.

    Afterwards sys.path and sys.modules are as before. MigrationError when there is none.
    """
    saved, bytecode, known = list(sys.path), sys.dont_write_bytecode, set(sys.modules)
    sys.path.insert(0, str(root))
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout carries the command's result
            yield _metadata(reference, root)
    finally:
        sys.path[:] = saved
        sys.dont_write_bytecode = bytecode
        for name in set(sys.modules) - known:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and Path(file).is_relative_to(root):
                del sys.modules[name]


def _metadata(reference: str, root: Path) -> sa.MetaData:
    module, _, attribute = reference.partition(":")
    where = f"spec.migrations.models, {reference}"
    try:
        found: Any = attrgetter(attribute)(importlib.import_module(module))
    except (Exception, SystemExit) as error:
        message = f"cannot be imported: {type(error).__name__}: {error}"
        raise MigrationError(
            message, where=where, hint=f"modules are looked for in {root} and where Python is"
        ) from error
    found = found if isinstance(found, sa.MetaData) else getattr(found, "metadata", None)
    if not isinstance(found, sa.MetaData):
        raise MigrationError(
            "is no MetaData and has none", where=where, hint="name the MetaData, or the models' base class"
        )
    return found
