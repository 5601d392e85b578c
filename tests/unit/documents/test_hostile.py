"""Files made to hurt: each is refused with its place in under a second and 200 MB, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_HEAD = b"apiVersion: tenantplan/v1\nkind: Organization\nmetadata: { name: x }\nspec:\n"
_LOAD = """
import json, sys, time
from pathlib import Path
from tenantplan.documents import load
from tenantplan.errors import ManifestError
from tenantplan.manifest.kinds import NAME_RULES, SPECS
started = time.process_time()
try:
    load(Path(sys.argv[1]), ["."], SPECS, NAME_RULES)
    text = "accepted"
except ManifestError as error:
    text = str(error)
seconds = time.process_time() - started
# not ru_maxrss, which a child inherits from the process that started it
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps({"head": text[:2000], "tail": text[-2000:], "s": seconds, "mb": int(peak.split()[1]) / 1024}))
"""


def _bomb() -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "\n".join(lines).encode()


def _deep() -> bytes:
    return _HEAD + b"\n".join(b" " * n + b"a:" for n in range(1, 2001))


CASES: dict[str, tuple[Callable[[], bytes], str]] = {
    "alias bomb": (_bomb, "anchors"),
    "self-reference": (lambda: _HEAD + b"  &a branding: *a\n", "anchors"),
    "self-reference in a list": (lambda: b"&a [*a]\n", "aliases"),
    "depth 2000, block": (_deep, "deeper than 64"),
    "depth 2000, flow": (lambda: _HEAD + b"  branding: " + b"[" * 2000 + b"]" * 2000, "deeper than 64"),
    "depth 2000, mappings": (lambda: _HEAD + b"  branding: " + b"{a: " * 2000 + b"}" * 2000, "deeper than 64"),
    "depth 2000, dashes": (lambda: _HEAD + b"  branding:\n    " + b"- " * 2000 + b"x", "deeper than 64"),
    "depth 2000, complex keys": (lambda: b"? " * 2000 + b"x", "a key must be text"),
    "nine million brackets": (lambda: b"[" * 9_000_000, "deeper than 64"),
    "nine million braces": (lambda: b"{" * 9_000_000, "deeper than 64"),
    "nine million brackets in a key": (lambda: _HEAD + b"  x: {" + b"[" * 9_000_000, "deeper than 64"),
    "one scalar of nine million": (lambda: _HEAD + b"  displayName: " + b"x" * 9_000_000, "longer than"),
    "one key of nine million": (lambda: b"x" * 9_000_000 + b": a", "a.yaml:1:"),
    "a million values": (lambda: _HEAD + b"  members: [" + b"x," * 1_000_000 + b"]", "more than 50,000 values"),
    "a million empty documents": (lambda: b"---\n" * 1_000_000, "more than 50,000 documents"),
    "a million wrong documents": (lambda: b"--- x\n" * 1_000_000, "more than 1000 problems"),
    "a million anchors": (lambda: b"".join(b"- &a%d x\n" % n for n in range(600_000)), "more than 1000 problems"),
    "5000-digit integer": (lambda: _HEAD + b"  database: { connectionLimit: %s }" % (b"9" * 5000), "whole number"),
    "python tag": (lambda: _HEAD + b"  displayName: !!python/object/apply:os.system [id]", "tags"),
    "duplicate keys": (lambda: _HEAD + b"  displayName: a\n  displayName: b\n", "given twice"),
    "BOM": (lambda: b"\xef\xbb\xbf" + _HEAD, "byte order mark"),
    "UTF-16": (lambda: _HEAD.decode().encode("utf-16"), "UTF-16"),
    "UTF-16 without a mark": (lambda: _HEAD.decode().encode("utf-16-be"), "U+0000 NUL"),
    "NUL": (lambda: _HEAD + b"  displayName: a\0b", "U+0000 NUL"),
    "tabs": (lambda: _HEAD + b"\tdisplayName: a", "not tabs"),
    "control characters": (lambda: _HEAD + b"  displayName: a\x1b[31m", "U+001B"),
}  # fmt: skip


def load_apart(folder: Path) -> dict[str, object]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    command = [sys.executable, "-c", _LOAD, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, object] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("case", CASES)
def test_hostile_file(tmp_path: Path, case: str) -> None:
    make, message = CASES[case]
    (tmp_path / "a.yaml").write_bytes(make())
    result = load_apart(tmp_path)
    text = f"{result['head']}{result['tail']}"
    assert message in text, result
    assert text.startswith("a.yaml:")
    assert float(str(result["s"])) < 1.0, result
    assert float(str(result["mb"])) < 200, result


def test_a_file_of_100_mb_is_not_even_read(tmp_path: Path) -> None:
    with open(tmp_path / "a.yaml", "wb") as file:
        file.truncate(100 * 1024 * 1024)
    result = load_apart(tmp_path)
    assert "a.yaml:1:1: is larger than 10 MB" in str(result["head"])
    assert float(str(result["mb"])) < 100


def test_a_pipe_does_not_hang_the_loader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    assert "a.yaml:1:1: is not a regular file" in str(load_apart(tmp_path)["head"])


def test_a_thousand_organizations_load_fast(tmp_path: Path) -> None:
    document = (
        "---\napiVersion: tenantplan/v1\nkind: Organization\nmetadata: {{ name: org-{0}, labels: {{ region: eu }} }}\nspec:\n"
        "  displayName: Organization {0}\n  tier: starter\n  contact: {{ email: ops@org-{0}.example, company: Org }}\n"
        "  database:\n    mode: dedicated\n    connectionLimit: 20\n  featureFlags: {{ MAGIC_WAND: true }}\n"
        "  modules:\n    donors: {{ enabled: true, settings: {{ a: 1 }} }}\n"
        "  members:\n    - {{ user: a@x.org, role: CLIENT_EDITOR }}\n"
    )  # fmt: skip
    (tmp_path / "a.yaml").write_text("".join(document.format(number) for number in range(1000)))
    result = load_apart(tmp_path)
    assert result["head"] == "accepted"
    assert float(str(result["s"])) < 1.2  # 0.2 alone on the machine; the suite shares two cores
    assert float(str(result["mb"])) < 100


def test_twenty_thousand_resources_fit_in_memory_and_time(tmp_path: Path) -> None:
    head = "---\napiVersion: tenantplan/v1\nkind: {}\nmetadata: {{ name: {} }}\nspec:\n  displayName: X\n"
    organization = (
        "  contact: {{ email: ops@org-{0}.example, company: Org }}\n  featureFlags: {{ MAGIC_WAND: true }}\n"
        "  modules:\n    donors: {{ enabled: true, settings: {{ a: 1 }} }}\n    shop: {{ enabled: false }}\n"
        "  members:\n    - {{ user: a{0}@x.org, role: CLIENT_EDITOR }}\n    - {{ user: b@x.org, role: AGENCY_ADMIN }}\n"
    )
    licence = "  licenses:\n    - { name: main, expiresAt: 2027-01-31, maxUsage: 500, status: ACTIVE }\n"
    for part in range(40):
        numbers = range(part * 50, part * 50 + 50)
        text = "".join(head.format("Organization", f"org-{n}") + organization.format(n) for n in numbers)
        text += "".join(head.format("Tenant", f"t-{n}") + f"  organization: org-{n}\n{licence}" for n in numbers)
        text += "".join(
            head.format("User", f"a{n}-{m}@x.org") + "  role: CLIENT_EDITOR\n" for n in numbers for m in "abc"
        )
        (tmp_path / f"{part:02}.yaml").write_text(text)
    result = load_apart(tmp_path)
    assert result["head"] == "accepted"
    assert float(str(result["s"])) < 3  # 0.7 alone on the machine
    assert float(str(result["mb"])) < 100  # of which 35 before the first file is read
