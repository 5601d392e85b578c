"""Kind Bucket: object storage of a team, with its credentials, shared to other teams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from tenantplan.documents import Document, Reference, Spec
from tenantplan.manifest.draft import Draft
from tenantplan.manifest.fields import Line, Presence
from tenantplan.manifest.marks import Names, Refers
from tenantplan.model.placement import Placement
from tenantplan.model.resource import Ref, Secret
from tenantplan.tables import projects, storage


class Share(Spec):
    """Another team that may use the bucket."""

    team: Annotated[Line, Refers("Team", same_organization=True), Names("share")] = Field(
        description="The team, of the same organization."
    )
    access: Literal["READ_ONLY", "READ_WRITE", "ADMIN"] = Field(description="What it may do.")
    state: Presence = Field(default="active", description="`deleted` revokes the access.")


class BucketSpec(Spec):
    """A bucket of an object storage."""

    owner: Annotated[Line, Refers("Team")] = Field(description="The team it belongs to.")
    provider: Line = Field(description="The storage's provider, such as s3, r2 or minio.")
    name: Line | None = Field(default=None, description="Its name at the provider; by default metadata.name.")
    region: Line | None = Field(default=None, description="Region at the provider.")
    endpoint: Line | None = Field(default=None, description="Address of the provider, where it has several.")
    access_key: Reference | None = Field(default=None, description="Where its access key is found; stored encrypted.")
    secret_key: Reference | None = Field(default=None, description="Where its secret key is found; stored encrypted.")
    shares: list[Share] = Field(default_factory=list, description="Other teams that may use it.")
    state: Presence = Field(
        default="active", description="`deleted` removes its row; what is stored in it stays there."
    )


def translate(draft: Draft, document: Document, spec: BucketSpec, placements: Mapping[str, Placement]) -> None:
    """The bucket's row and its shares; of a deleted one only the bucket is named."""
    address = storage.BUCKET.address(document.name)
    values = {
        "declared_as": document.name,
        "owner_id": Ref(projects.TEAM.address(spec.owner)),
        "provider": spec.provider,
        "name": spec.name or document.name,
        "region": spec.region,
        "endpoint": spec.endpoint,
        "access_key": Secret(spec.access_key.text) if spec.access_key else None,
        "secret_key": Secret(spec.secret_key.text) if spec.secret_key else None,
    }
    draft.item(address, storage.BUCKET, spec, values, document)
    for index, share in enumerate(spec.shares if spec.state == "active" else ()):
        team = Ref(projects.TEAM.address(share.team))
        row = {"bucket_id": Ref(address), "team_id": team, "access": share.access}
        nested = storage.BUCKET_ACCESS.address(share.team, address)
        draft.item(nested, storage.BUCKET_ACCESS, share, row, document, "spec", "shares", index)
