"""Connection settings in the fleet file: allowed hosts and timeouts."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from tenantplan.documents.spec import Spec
from tenantplan.model import host

_DURATION = "([1-9][0-9]{0,5})(ms|s|min|h)"
_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_LONGEST = 24 * 3600


def _duration(text: str) -> str:
    if not re.fullmatch(_DURATION, text) or seconds(text) > _LONGEST:
        raise ValueError("expected a number above 0 and ms, s, min or h, such as 10s, and a day at most")
    return text


def seconds(duration: str) -> float:
    """A duration such as 10s in seconds."""
    found = re.fullmatch(_DURATION, duration)
    assert found is not None
    return int(found[1]) * _UNITS[found[2]]


def _host(text: str) -> str:
    if problem := host.problem(text):
        raise ValueError(problem)
    return text


AllowedHost = Annotated[str, Field(max_length=255), AfterValidator(_host)]
_Duration = Annotated[str, AfterValidator(_duration), Field(json_schema_extra={"pattern": f"^{_DURATION}$"})]


class TimeoutsSpec(Spec):
    """How long a server is waited for. What takes longer is left out, by name, and everything else goes on."""

    connect: _Duration | None = Field(None, description="For a session to open. Default: 10s.")
    statement: _Duration | None = Field(None, description="For the answer to one query of a plan. Default: 30s.")
    lock: _Duration | None = Field(None, description="For a lock that another session holds, in a query. Default: 5s.")
