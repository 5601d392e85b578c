"""SQL kept in files."""

from pathlib import Path


def script(name: str) -> str:
    return (Path(__file__).parent / f"{name}.sql").read_text(encoding="utf-8")
