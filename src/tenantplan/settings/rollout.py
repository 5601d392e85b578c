"""Settings of a rollout in the fleet file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tenantplan.documents.spec import Spec
from tenantplan.settings.windows import WindowSpec

_BATCH = 50  # organizations


class RolloutSpec(Spec):
    """How apply works through the fleet."""

    canary: dict[str, str] = Field(default_factory=dict, description="Labels (or tier) of what is changed first.")
    batch: int | None = Field(
        None,
        ge=1,
        description="Organizations in a wave after the canary. Default: 50 where a pause or a health query comes between"
        " waves, else all of them.",
    )
    parallelism: int = Field(8, ge=1, le=64, description="How many organizations to work on at once.")
    max_failures: int = Field(0, ge=0, description="Failed organizations after which no new one is started.")
    on_failure: Literal["stop", "continue", "rollback"] = Field(
        "stop",
        description="After maxFailures failed: stop, continue with all others, or roll back the migrations of this run.",
    )
    pause_seconds: int = Field(0, ge=0, le=86400, description="Pause between two waves.")
    health: str | None = Field(
        None,
        max_length=10000,
        description="SQL that must return no row, run in each database that a wave migrated, after the pause.",
    )
    lock_timeout_seconds: float = Field(
        2, gt=0, le=600, description="How long a migration waits for a table lock before it backs off and retries."
    )
    statement_timeout_seconds: int = Field(900, ge=1, le=86400, description="Maximum time for one statement.")
    windows: list[WindowSpec] = Field(
        default_factory=list, description="When risky and destructive changes may be made; none: always."
    )

    @property
    def wave_size(self) -> int | None:
        """How many organizations a wave after the canary holds; None: all of them, as nothing comes between waves."""
        return self.batch or (_BATCH if self.pause_seconds or self.health else None)
