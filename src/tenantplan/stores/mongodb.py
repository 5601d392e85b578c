"""MongoDB as a store: the GridFS bucket `update_packages` of the database in the URL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenantplan.stores.failures import translated
from tenantplan.stores.location import masked_url
from tenantplan.stores.store import CHUNK, checked_key, missing, source_chunks

if TYPE_CHECKING:
    from bson import ObjectId
    from gridfs import GridFSBucket

BUCKET = "update_packages"
PATIENCE = 10_000  # milliseconds that a server is looked for


@dataclass(frozen=True)
class GridFSStore:
    """Files of the bucket: the key is the filename, and decides the id. Each call connects for as long as it lasts."""

    location: str = field(repr=False)

    @property
    def url(self) -> str:
        """The URL without its password."""
        return masked_url(self.location)

    def put(self, key: str, source: Path) -> None:
        """Stores a file: it appears when all of its chunks are there. Those of an upload that was killed are replaced."""
        with translated(f"{key} cannot be stored", self.location), self._bucket() as bucket:
            _remove(bucket, key)
            upload = bucket.open_upload_stream_with_id(_id(key), key)
            try:
                for chunk in source_chunks(source):
                    upload.write(chunk)
            except BaseException:
                upload.abort()
                raise
            upload.close()

    def read(self, key: str) -> Iterator[bytes]:
        """The file's bytes, in chunks; NotFound when there is none."""
        from gridfs import NoFile

        with translated(f"{key} cannot be read", self.location), self._bucket() as bucket:
            try:
                download = bucket.open_download_stream(_id(key))
            except NoFile:
                raise missing(key, self.url) from None
            with download:
                while chunk := download.read(CHUNK):
                    yield chunk

    def size(self, key: str) -> int | None:
        """The file's size in bytes; None when there is none."""
        with translated(f"{key} cannot be looked up", self.location), self._bucket() as bucket:
            return next((file.length for file in bucket.find({"_id": _id(key)})), None)

    def file_id(self, key: str) -> str:
        """The ObjectId of the file, in hexadecimal."""
        return str(_id(key))

    def delete(self, key: str) -> None:
        """Removes the file and what an upload that was killed has left of it; that there is none is no error."""
        with translated(f"{key} cannot be deleted", self.location), self._bucket() as bucket:
            _remove(bucket, key)

    @contextmanager
    def _bucket(self) -> Iterator[GridFSBucket]:
        import gridfs
        import pymongo

        client: pymongo.MongoClient[Any] = pymongo.MongoClient(self.location, serverSelectionTimeoutMS=PATIENCE)
        with client:
            yield gridfs.GridFSBucket(client.get_default_database(), bucket_name=BUCKET)


def _remove(bucket: GridFSBucket, key: str) -> None:
    from gridfs import NoFile

    with suppress(NoFile):  # its chunks are deleted all the same
        bucket.delete(_id(key))


def _id(key: str) -> ObjectId:
    """An id that follows from the key, so that chunks without a file can be found again."""
    from bson import ObjectId

    return ObjectId(hashlib.sha256(checked_key(key).encode()).digest()[:12])
