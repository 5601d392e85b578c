"""Reads git's facts about the fleet's repository, without running what its configuration names.

A repository can name programs in its configuration (.git/config, or a bare repository that is committed as a folder): a monitor
of files, filters, hooks. Whoever plans what somebody else wrote must not run those. What the person's own configuration says
of other things, such as their name and the folders that they trust, holds.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

_OFF = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.attributesFile": os.devnull,
    "core.untrackedCache": "false",
    "core.pager": "cat",
    "core.sshCommand": "false",
    "core.askPass": "false",
    "credential.helper": "",
    "diff.external": "",
    "gpg.program": "false",
    "log.showSignature": "false",
    "protocol.allow": "never",  # a partial clone fetches what it lacks
    "safe.bareRepository": "explicit",  # not one that somebody committed
    "submodule.recurse": "false",
}
_FILTER_PARTS = ("clean", "smudge", "process")


def git(root: Path, *arguments: str) -> str | None:
    """What git prints, without blanks at its ends; None where there is no git, no repository, or no answer."""
    return _run(root, _OFF, arguments)


def is_dirty(root: Path) -> bool:
    """Whether files of the folder differ from the commit. Filters do not run: one that changes a file counts as a difference.

    Submodules have a configuration of their own, and are not looked into.
    """
    found = _run(root, _OFF, ("config", "--null", "--name-only", "--get-regexp", r"^filter\."))
    off = dict(_without(name for name in (found or "").split("\0") if name))
    status = ("--no-optional-locks", "status", "--porcelain", "--ignore-submodules=all", "--", ".")
    return bool(_run(root, _OFF | off, status))


def _without(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    """What switches filters off: an empty command is none."""
    for filter_name in dict.fromkeys(name.rpartition(".")[0] for name in names):
        yield f"{filter_name}.required", "false"
        yield from ((f"{filter_name}.{part}", "") for part in _FILTER_PARTS)


def _run(root: Path, settings: dict[str, str], arguments: Iterable[str]) -> str | None:
    """Runs git with settings that no configuration overrides; they go by the environment, where a name may hold anything."""
    numbered = list(enumerate(settings.items()))
    given = {f"GIT_CONFIG_KEY_{number}": name for number, (name, _) in numbered}
    given |= {f"GIT_CONFIG_VALUE_{number}": value for number, (_, value) in numbered}
    given |= {
        "GIT_CONFIG_COUNT": str(len(numbered)),
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_PAGER": "cat",
    }
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("GIT_CONFIG_KEY", "GIT_CONFIG_VAL"))
    }
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=10,
            check=False,
            stdin=subprocess.DEVNULL,
            env=kept | given,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
