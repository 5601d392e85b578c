"""Pools of applications that no document and no tier declares: the environment has their defaults."""

from __future__ import annotations

import os
import re

from tenantplan.errors import SettingsError

DEFAULT_POOL = (10, 20)  # connections that are kept open, and further ones under load
_MOST = 1000


def pool_defaults() -> tuple[int, int]:
    """Size and overflow: ORG_DB_POOL_SIZE and ORG_DB_MAX_OVERFLOW, else 10 and 20. SettingsError for what is no such number."""
    return _number("ORG_DB_POOL_SIZE", 1, DEFAULT_POOL[0]), _number("ORG_DB_MAX_OVERFLOW", 0, DEFAULT_POOL[1])


def _number(variable: str, least: int, default: int) -> int:
    """The number in a variable, `default` where it is unset or empty."""
    text = os.environ.get(variable) or str(default)
    if not re.fullmatch(r"\d{1,4}", text, re.ASCII) or not least <= int(text) <= _MOST:
        raise SettingsError(
            f"{variable} is not a number between {least} and {_MOST}", hint=f"such as {variable}={default}"
        )
    return int(text)
