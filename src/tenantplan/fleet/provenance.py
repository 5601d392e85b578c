"""Where a run comes from: the commit of the manifest, and who runs it (a person, or a CI job and its pull request)."""

from __future__ import annotations

import getpass
import os
import socket
import uuid
from pathlib import Path

from tenantplan.fleet.git import git, is_dirty
from tenantplan.journal.author import Author
from tenantplan.model.audit import Actor
from tenantplan.settings.settings import Settings


def base(root: Path) -> dict[str, str | bool | None]:
    """`commit` of the fleet's repository and whether its files were `dirty`; None where there is no git."""
    commit = git(root, "rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": is_dirty(root)}


def actor(commit: str | None, root: Path) -> Actor:
    """Who is running: the CI's actor with its run and pull request, else the git author, else the user of the machine."""
    host = socket.gethostname()
    if os.environ.get("GITHUB_ACTIONS") == "true":
        run = f"run {os.environ.get('GITHUB_RUN_ID', '?')}"
        ref = os.environ.get("GITHUB_REF", "")
        pull = f", pull request {ref.split('/')[2]}" if ref.startswith("refs/pull/") else ""
        return Actor(f"{os.environ.get('GITHUB_ACTOR', 'unknown')} ({run}{pull})", host, commit)
    name, mail = git(root, "config", "user.name"), git(root, "config", "user.email")
    if name:
        return Actor(f"{name} <{mail}>" if mail else name, host, commit)
    try:
        return Actor(getpass.getuser(), host, commit)
    except (KeyError, OSError):
        return Actor(f"uid {os.getuid()}", host, commit)


def author(settings: Settings, run_id: str | None = None) -> Author:
    """The Author of a command that carries out no plan; `run_id`: of a run that exists already."""
    commit = base(settings.root)["commit"]
    return Author(
        run_id or str(uuid.uuid4()), settings.fleet, actor(commit if isinstance(commit, str) else None, settings.root)
    )
