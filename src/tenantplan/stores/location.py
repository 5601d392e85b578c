"""Storage URLs: which are allowed, what they name, and how they are shown without a password. Opens nothing."""

from __future__ import annotations

import re
from urllib.parse import unquote

MAIN_STORE = "main:"
MONGODB = ("mongodb", "mongodb+srv")
# Stores without folders, whose uploads appear as a whole or not at all.
OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "oci"})
# fsspec knows these too, but they cannot be written, or stand for another file system.
_NO_STORES = {
    "http",
    "https",
    "data",
    "git",
    "github",
    "gitlab",
    "zip",
    "tar",
    "libarchive",
    "reference",
    "generic",
    "dir",
} | {"root", "cached", "blockcache", "filecache", "simplecache", "asynclocal"}
_EXPECTED = "expected file:folder, main:, mongodb://host/database, or an fsspec URL such as s3://bucket/prefix"
_SECRET_OPTION = re.compile(
    r"passw|secret|token|credential|signature|account_?key|access_?key|mechanismproperties", re.I
)


def scheme_of(url: str) -> str:
    """What stands before the first colon."""
    return url.partition(":")[0]


def folder_of(url: str) -> str:
    """The folder that a file: URL names, absolute or relative; "" when it names none."""
    rest = url.removeprefix("file:")
    return unquote(rest[2:] if rest.startswith("///") else rest)


def location_problem(url: str) -> str | None:
    """Why a URL cannot stand in the fleet file, None when it can: its form, or a password that should be a reference."""
    if secrets_in(url):
        return "it holds a password: give the whole URL by reference, such as { env: PACKAGES_URL }"
    return url_problem(url)


def url_problem(url: str) -> str | None:
    """Why a URL names no store, None when it names one. Never repeats more of the URL than its scheme."""
    if not url.isprintable() or url != url.strip():
        return "it holds a control character or stands between blanks"
    scheme, colon, rest = url.partition(":")
    if not colon or not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        return f"it has no known scheme; {_EXPECTED}"
    if scheme == "file":
        return _folder_problem(url, rest)
    if scheme == "main":
        return None if url == MAIN_STORE else f"the main database is {MAIN_STORE}, with nothing after it"
    if not rest.startswith("//"):
        return f"after {scheme}: comes //; {_EXPECTED}"
    return _mongodb_problem(rest) if scheme in MONGODB else _fsspec_problem(scheme, rest[2:])


def _folder_problem(url: str, rest: str) -> str | None:
    if rest.startswith("//") and not rest.startswith("///"):
        return "a folder is file:///absolute/folder, or file:folder below the fleet's root"
    folder = folder_of(url)
    return None if folder and folder.isprintable() else "it names no folder: file:///absolute/folder or file:folder"


def _mongodb_problem(rest: str) -> str | None:
    place = rest[2:].rpartition("@")[2].partition("?")[0]
    host, _, database = place.partition("/")
    return None if host and re.fullmatch(r"[^/\s]+", database) else "it names no database: mongodb://host/database"


def _fsspec_problem(scheme: str, rest: str) -> str | None:
    from fsspec import available_protocols  # type: ignore[import-untyped]

    if scheme not in available_protocols():
        return f"its scheme, {scheme}, is unknown; {_EXPECTED}"
    if scheme in _NO_STORES or "::" in rest:
        return f"files cannot be stored through {scheme}; {_EXPECTED}"
    if scheme in OBJECT_STORES and not rest.strip("/"):
        return f"it names no bucket: {scheme}://bucket/prefix"
    return None


def secrets_in(url: str) -> list[str]:
    """The password of a URL, as written and decoded, and the values of its secret options; the longest first."""
    found = set()
    if not _is_folder(url):
        rest = _split(url)[1]
        for user, at, _ in (rest.partition("@"), rest.rpartition("@")):
            found |= {user.partition(":")[2]} if at else set()
        for name, _, value in (option.partition("=") for option in re.split(r"[?&;#]", rest)[1:]):
            found |= {value} if _SECRET_OPTION.search(name) else set()
    return sorted((found | set(map(unquote, found))) - {""}, key=len, reverse=True)


def masked_url(url: str) -> str:
    """The URL for people: the password is ***, options are left out.

    Everything up to the last @ counts as user and password, so that a password that nobody percent-encoded stays hidden.
    """
    if _is_folder(url):
        return url
    head, rest = _split(url)
    user, at, place = rest.rpartition("@")
    if re.search(r"[?#]", user):
        return f"{head}***"  # an @ in an option, or a ? in a password: nobody can tell
    name, colon, _ = user.partition(":")
    shown, options, _ = place.partition("?")
    return f"{head}{name}{':***' if colon else ''}{at}{shown}{'?…' if options else ''}"


def scrub(text: str, url: str) -> str:
    """A text that may quote the URL, such as a driver's message, without the URL's secrets."""
    for secret in secrets_in(url):
        text = text.replace(secret, "***")
    return text


def _is_folder(url: str) -> bool:
    return url.startswith("file:") and (url.startswith("file:///") or not url.startswith("file://"))


def _split(url: str) -> tuple[str, str]:
    scheme, separator, rest = url.partition("://")
    return (scheme + separator, rest) if separator else ("", url)
