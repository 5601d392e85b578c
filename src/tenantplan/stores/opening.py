"""From a URL to its store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from tenantplan.errors import SettingsError
from tenantplan.stores.folder import FolderStore
from tenantplan.stores.location import MAIN_STORE, MONGODB, folder_of, masked_url, scheme_of, url_problem
from tenantplan.stores.store import Store

if TYPE_CHECKING:
    from tenantplan.stores.large_objects import Connection

# Where the package to install is not named like the module that fsspec looks for.
_PACKAGES = {"sftp": "paramiko", "ssh": "paramiko", "smb": "smbprotocol", "hdfs": "pyarrow", "webhdfs": "requests"}


def open_store(url: str, root: Path, main: Callable[[], AbstractContextManager[Connection]]) -> Store:
    """The store that a URL names; nothing is connected or made yet. A relative folder starts at `root`.

    `main` connects to the main database, in autocommit mode. Raises SettingsError for a URL that names no store, and when
    the package that reaches it is not installed.
    """
    problem = url_problem(url)
    if problem:
        raise SettingsError(f"the URL of the package store cannot be used: {problem}", where=masked_url(url))
    if url == MAIN_STORE:
        from tenantplan.stores.large_objects import LargeObjectStore

        return LargeObjectStore(main)
    scheme = scheme_of(url)
    if scheme == "file":
        return FolderStore(url, root / folder_of(url))
    return _mongodb(url) if scheme in MONGODB else _remote(url, scheme)


def _mongodb(url: str) -> Store:
    try:
        import pymongo  # noqa: F401  # found, or told here
    except ImportError:
        raise _not_installed(url, "pymongo") from None
    from tenantplan.stores.mongodb import GridFSStore

    return GridFSStore(url)


def _remote(url: str, scheme: str) -> Store:
    from fsspec.registry import get_filesystem_class, known_implementations  # type: ignore[import-untyped]

    from tenantplan.stores.remote import RemoteStore

    try:
        get_filesystem_class(scheme)
    except ImportError:
        module = str(known_implementations.get(scheme, {}).get("class", scheme)).partition(".")[0]
        raise _not_installed(url, _PACKAGES.get(scheme, module)) from None
    return RemoteStore(url)


def _not_installed(url: str, package: str) -> SettingsError:
    return SettingsError(
        f"the package store needs {package}, which is not installed",
        where=masked_url(url),
        hint=f"install it beside tenantplan: pip install {package}",
    )
