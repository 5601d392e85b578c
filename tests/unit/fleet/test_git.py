"""git tells commit and changes of a repository, and runs nothing that the repository names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tenantplan.fleet import provenance

PROGRAMS = {
    "core.fsmonitor",
    "core.sshCommand",
    "core.pager",
    "core.editor",
    "core.askPass",
    "core.gitProxy",
    "diff.external",
    "diff.evil.textconv",
    "diff.evil.command",
    "merge.evil.driver",
    "filter.evil.clean",
    "filter.evil.smudge",
    "filter.evil.process",
    "filter.a=b.c.clean",
    "gpg.program",
    "credential.helper",
    "sequence.editor",
    "interactive.diffFilter",
    "uploadpack.packObjectsHook",
    "remote.origin.uploadpack",
    "alias.status",
    "alias.rev-parse",
    "pager.status",
    "pager.config",
}


def run(root: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True, env=environment
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "fleet"
    root.mkdir()
    run(root, "init", "--quiet")
    run(root, "config", "user.name", "Anna")
    run(root, "config", "user.email", "anna@x.example")
    (root / "tenantplan.yaml").write_text("one")
    run(root, "add", ".")
    run(root, "commit", "--quiet", "-m", "one")
    return root


def armed(root: Path, marker: Path, name: str) -> None:
    """A repository whose configuration, and that of a file it includes, names a program that leaves a mark."""
    program = root.parent / "program"
    program.write_text(f"#!/bin/sh\necho $0 $* >>{marker}\ncat\n")
    program.chmod(0o755)
    run(root, "config", name, str(program))
    run(root, "config", "log.showSignature", "true")
    (root / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n*.yaml filter=a=b.c\n")
    (root / ".git" / "info" / "attributes").write_text("* filter=evil diff=evil\n")
    for hook in ("post-index-change", "pre-commit", "post-checkout", "reference-transaction", "fsmonitor-watchman"):
        path = root / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(program.read_text())
        path.chmod(0o755)


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_no_program_of_the_repository_runs(repository: Path, tmp_path: Path, name: str) -> None:
    commit = run(repository, "rev-parse", "HEAD")
    marker = tmp_path / "marker"
    armed(repository, marker, name)
    (repository / "tenantplan.yaml").write_text("two")
    assert provenance.base(repository) == {"commit": commit, "dirty": True}
    assert provenance.actor(commit, repository).name in ("Anna <anna@x.example>", "unknown (run ?)")
    assert not marker.exists(), marker.read_text()


def test_the_same_repository_runs_them_when_git_is_asked_plainly(repository: Path, tmp_path: Path) -> None:
    """So that the test above can fail."""
    for name in ("core.fsmonitor", "filter.evil.clean"):
        marker = tmp_path / name
        armed(repository, marker, name)
        (repository / "tenantplan.yaml").write_text("two")
        subprocess.run(["git", "-C", str(repository), "status"], capture_output=True, check=False)
        assert marker.exists()
        run(repository, "config", "--unset", name)


def test_a_configuration_that_is_included_runs_nothing_either(repository: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    armed(repository, marker, "core.editor")
    (repository / "more.config").write_text(
        f'[filter "evil"]\n\tclean = {repository.parent}/program\n\trequired = true\n'
        f"[core]\n\tfsmonitor = {repository.parent}/program\n"
    )
    run(repository, "config", "include.path", "../more.config")
    (repository / "tenantplan.yaml").write_text("two")
    assert provenance.base(repository)["dirty"] is True
    assert not marker.exists(), marker.read_text()


def test_a_bare_repository_that_was_committed_is_not_asked(repository: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    folder = repository / "fleet"
    run(repository, "init", "--quiet", "--bare", "fleet")
    armed_program = tmp_path / "program"
    armed_program.write_text(f"#!/bin/sh\necho >>{marker}\n")
    armed_program.chmod(0o755)
    run(folder, "config", "core.bare", "false")
    run(folder, "config", "core.worktree", str(folder))
    run(folder, "config", "core.fsmonitor", str(armed_program))
    provenance.base(folder)
    assert not marker.exists()


def test_a_clean_repository_is_clean_and_none_is_none(repository: Path, tmp_path: Path) -> None:
    assert provenance.base(repository)["dirty"] is False
    (repository / "new.yaml").write_text("new")
    assert provenance.base(repository)["dirty"] is True
    assert provenance.base(tmp_path) == {"commit": None, "dirty": None}
