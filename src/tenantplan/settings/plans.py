"""How plan files are signed and encrypted, as the fleet file says it."""

from __future__ import annotations

from pydantic import Field

from tenantplan.documents.spec import Reference, Spec


class PlansSpec(Spec):
    """Keys of plan files. With one to sign or to verify, apply takes signed plan files only."""

    signing_key: Reference | None = Field(
        None, description="Key that `plan --out` signs with: `ed25519:` (private), or `base64:` for HMAC-SHA-256."
    )
    verify_keys: list[Reference] = Field(
        default_factory=list,
        description="Keys whose signatures apply accepts: `ed25519-public:` or `base64:`. None: that of signingKey.",
    )
    encryption_key: Reference | None = Field(
        None, description="Key of `plan --out FILE --encrypt`: `base64:` and 32 bytes."
    )

    @property
    def references(self) -> tuple[Reference, ...]:
        """Every key, by reference."""
        return tuple(key for key in (self.signing_key, *self.verify_keys, self.encryption_key) if key is not None)
