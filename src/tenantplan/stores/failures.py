"""Translates a store's failure: one error with the operation, the place, and what to check.

Drivers raise classes of their own that cannot be imported here without being installed, so they are known by name.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from tenantplan.errors import TenantplanError
from tenantplan.stores.location import masked_url, scrub

_LONGEST = 300  # characters of a driver's message; a topology of MongoDB is endless
_HINTS = (
    ("ENOSPC EDQUOT EFBIG DiskFull", "there is no space left there: free some, then run it again"),
    ("EROFS", "it is mounted read-only"),
    (
        "NoCredentialsError PartialCredentialsError CredentialRetrievalError ProfileNotFound DefaultCredentialsError "
        "ClientAuthenticationError AuthenticationException",
        "no credentials that it accepts: set them in the environment, for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    (
        "PermissionError InsufficientPrivilege",
        "check the credentials, and that they may read, write and delete there",
    ),
    ("UndefinedTable InvalidSchemaName", "apply the migrations of the main database first: see tenantplan plan"),
    ("UndefinedObject CorruptGridFile NoFile", "a part of it is gone: store it again, or restore it from a backup"),
    ("UniqueViolation DuplicateKeyError", "another run stored it at the same time: run it again"),
    ("FileNotFoundError NotADirectoryError", "check that the bucket or folder exists: it is not created for you"),
    (
        "ConnectionError TimeoutError gaierror HTTPClientError ClientConnectionError ConnectionFailure "
        "OperationalError SSHException",
        "check that the server runs, its host and port, and the firewall",
    ),
    ("OperationFailure", "check user, password and the user's rights on that database"),
)
_OTHERWISE = "check the storage's URL, and what it takes from the environment"


@contextmanager
def translated(failed: str, url: str) -> Iterator[None]:
    """Whatever fails inside becomes a TenantplanError: `failed`, what the driver says, the masked URL, what to check."""
    try:
        yield
    except TenantplanError:
        raise
    except Exception as error:  # noqa: BLE001  # a driver's classes are its own
        raise TenantplanError(
            f"{failed}: {scrub(_driver_message(error), url)}", where=masked_url(url), hint=_hint(error)
        ) from None


def _driver_message(error: Exception) -> str:
    diagnosis = getattr(error, "diag", None)
    text = getattr(diagnosis, "message_primary", None) or getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split())[:_LONGEST] or type(error).__name__


def _hint(error: Exception) -> str:
    names = set(_names(error))
    return next((hint for known, hint in _HINTS if names & set(known.split())), _OTHERWISE)


def _names(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield from (each.__name__ for each in type(error).__mro__)
        yield errno.errorcode.get(getattr(error, "errno", None) or 0, "")
        error = error.__cause__
