"""References to secrets, and what stands behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenantplan.errors import SettingsError
from tenantplan.secrets.keyed import keyed_hash
from tenantplan.secrets.references import Secrets, resolve


def test_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_SECRET", " p@ss \n")
    assert resolve("env:X_SECRET", tmp_path) == " p@ss \n"
    monkeypatch.delenv("X_SECRET")
    with pytest.raises(SettingsError, match="X_SECRET is not set"):
        resolve("env:X_SECRET", tmp_path)


@pytest.mark.parametrize(
    ("content", "value"), [(b"x", "x"), (b"x\n", "x"), (b"x\r\n", "x"), (b"x\n\n", "x\n"), (b" x \n", " x "), (b"", "")]
)
def test_a_file(tmp_path: Path, content: bytes, value: str) -> None:
    (tmp_path / "secret").write_bytes(content)
    assert resolve("file:secret", tmp_path) == value
    assert resolve(f"file:{tmp_path}/secret", Path("/")) == value


def test_a_file_that_cannot_be_read_is_named_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="secret cannot be read: No such file"):
        resolve("file:secret", tmp_path)
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        resolve("file:.", tmp_path)
    (tmp_path / "secret").write_bytes(b"canary\xff")
    with pytest.raises(SettingsError, match="not UTF-8") as caught:
        resolve("file:secret", tmp_path)
    assert "canary" not in str(caught.value)


def test_a_keyed_hash_depends_on_both() -> None:
    assert keyed_hash("k", "v") == keyed_hash("k", "v")
    assert len({keyed_hash("k", "v"), keyed_hash("k", "w"), keyed_hash("l", "v"), keyed_hash("kv", "")}) == 4
    assert len(keyed_hash("k", "v")) == 24


def test_a_value_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets(tmp_path)
    with pytest.raises(SettingsError, match="cannot be read"):
        secrets.resolve("file:secret")
    (tmp_path / "secret").write_text("canary")
    monkeypatch.setenv("X_EMPTY", "")
    assert [secrets.resolve("file:secret"), secrets.resolve("env:X_EMPTY")] == ["canary", ""]
    (tmp_path / "secret").write_text("another")
    monkeypatch.setenv("X_EMPTY", "full")
    assert [secrets.resolve("file:secret"), secrets.resolve("env:X_EMPTY")] == ["canary", ""]
    assert "canary" not in repr(secrets)
    assert (secrets.renew("file:secret"), secrets.resolve("file:secret")) == ("another", "another")
    secrets.forget()
    assert [secrets.resolve("file:secret"), secrets.resolve("env:X_EMPTY")] == ["another", "full"]
