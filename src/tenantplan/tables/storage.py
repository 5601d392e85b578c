"""Buckets of the storage service and who may use them, and update packages."""

from __future__ import annotations

from tenantplan.model.rowtype import RowType

BUCKET = RowType(
    kind="bucket",
    table="buckets",
    name="declared_as",
    columns={
        "declared_as": "text",
        "owner_id": "ref",
        "provider": "text",
        "name": "text",
        "region": "text",
        "endpoint": "text",
        "access_key": "encrypted",
        "secret_key": "encrypted",
    },
    refs={"owner_id": "teams"},
    key=("owner_id", "name", "provider"),
    home="owner_id",
    written=("region", "endpoint", "access_key", "secret_key"),
)
BUCKET_ACCESS = RowType(
    kind="share",
    table="bucket_team_access",
    name="team_id",
    parent="bucket_id",
    columns={"bucket_id": "ref", "team_id": "ref", "access": "text"},
    refs={"bucket_id": "buckets", "team_id": "teams"},
    enums={"access": "bucket_access"},
)
RELEASE = RowType(
    kind="release",
    table="updates_metadata",
    name="declared_as",
    columns={
        "declared_as": "text",
        "version": "text",
        "changelog": "text",
        "filename": "text",
        "file_size": "int",
        "file_reference": "text",
        "checksum": "text",
        "active": "bool",
        "metadata": "json",
    },
    key=("version",),
    fixed=("version",),
    written=("changelog", "active", "metadata"),
    access=("active",),
    observed=("updated_at",),
    retired={"active": ("false", "true")},
)
