"""A check and its result."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Check:
    """A check and its result. `status` is "pass", "warn" or "fail"; `advice` is what to do when it is not "pass"."""

    subject: str
    name: str
    status: str
    detail: str
    advice: str = ""

    def document(self) -> dict[str, str]:
        """The check as JSON."""
        return asdict(self)


def passed(subject: str, name: str, detail: str) -> Check:
    """A check that found what it should."""
    return Check(subject, name, "pass", detail)
