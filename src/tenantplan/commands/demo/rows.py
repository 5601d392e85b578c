"""What demo rows hold: decided by a number, the names of tenants and projects, and the time; no database is asked.

A demo row is known by its id, a UUID of version 8 that begins with the bytes "tpdemo", which no generator makes.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

FIRST = UUID("74706465-6d6f-8000-8000-000000000000")
LAST = UUID("74706465-6d6f-8fff-bfff-ffffffffffff")
DEMO = {"demo": True}
Rows = list[dict[str, Any]]

_EVERY = timedelta(minutes=15)
_DAY = 96  # metrics
_ERRORS = (
    ("INFO", "SYSTEM", "license checked", None, None),
    ("WARNING", "NODE", "exercise queue is longer than usual", "/api/exercises", 200),
    ("ERROR", "BACKEND", "upstream answered 502", "/api/ai/feedback", 502),
    ("ERROR", "NODE", "cannot write the daily export", "/api/exports", 500),
)
_CRITICAL = ("CRITICAL", "BACKEND", "AI service is down: no answer in 30 s", "/api/ai/feedback", 504)
_FILES = {
    "logo.svg": "image/svg+xml",
    "hero.jpg": "image/jpeg",
    "terms.pdf": "application/pdf",
    "team.png": "image/png",
    "intro.mp4": "video/mp4",
}


@dataclass(frozen=True)
class DemoTarget:
    """A tenant or a project that gets demo rows."""

    id: UUID
    name: str


def demo_id(*parts: object) -> UUID:
    """An id for a demo row, the same for the same parts."""
    digest = int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:16])
    return UUID(int=FIRST.int | (digest & (0x0FFF << 64)) | (digest & ((1 << 62) - 1)))


def demo_rows(
    number: int, now: datetime, tenants: Sequence[DemoTarget], projects: Sequence[DemoTarget]
) -> dict[str, Rows]:
    """Rows by table, parents before children.

    Of each three tenants the first has an open critical error and the second has been silent for hours.
    """
    found: dict[str, Rows] = {"tenant_metrics": [], "error_logs": [], "deployments": [], "uploads": [], "files": []}
    for index, tenant in enumerate(tenants):
        chance = random.Random(f"{number}/tenant/{tenant.id}")
        found["tenant_metrics"] += _metrics(chance, now, tenant, silent=index % 3 == 1)
        found["error_logs"] += _errors(chance, now, tenant, critical=index % 3 == 0)
    for project in projects:
        chance = random.Random(f"{number}/project/{project.id}")
        found["deployments"] += _deployments(chance, now, project)
        uploads = list(_uploads(chance, now, project))
        found["uploads"] += uploads
        found["files"] += [_file(chance, upload) for upload in uploads if upload["status"] == "COMPLETED"]
    return found


def _metrics(chance: random.Random, now: datetime, tenant: DemoTarget, *, silent: bool) -> Iterator[dict[str, Any]]:
    size, latency = chance.randint(8, 240), chance.uniform(180, 900)
    version = f"2.{chance.randint(2, 5)}.{chance.randint(0, 9)}"
    up, late = chance.randint(3_600, 40 * 86_400), chance.uniform(0, 600)
    quiet = chance.randint(8, 40) if silent else 0
    exercises, day = 0, None
    for step in reversed(range(quiet, _DAY)):
        at = now - step * _EVERY - timedelta(seconds=late)
        busy = max(0.05, math.sin(math.pi * ((at.hour + at.minute / 60) - 6) / 15))  # from 6 to 21 o'clock
        users = round(size * busy * chance.uniform(0.7, 1.2))
        exercises = (exercises if at.date() == day else 0) + int(users * chance.random())
        day = at.date()
        yield {
            "id": demo_id("metric", tenant.id, step),
            "tenant_id": tenant.id,
            "uptime": up + round((_DAY - step) * _EVERY.total_seconds()),
            "active_users": users,
            "exercises_completed_today": exercises,
            "ai_latency": round(max(20.0, chance.gauss(latency, latency / 6)), 1),
            "version": version,
            "additional_data": {**DEMO, "cpuPercent": chance.randint(3, 88)},
            "timestamp": at,
        }


def _errors(chance: random.Random, now: datetime, tenant: DemoTarget, *, critical: bool) -> Iterator[dict[str, Any]]:
    drawn = [(chance.choice(_ERRORS), chance.random() < 0.5) for _ in range(chance.randint(3, 8))]
    drawn += [(_CRITICAL, not critical)]
    for index, ((level, source, message, endpoint, status), resolved) in enumerate(drawn):
        at = now - timedelta(seconds=chance.randint(60, 5 * 86_400))
        yield {
            "id": demo_id("error", tenant.id, index),
            "tenant_id": tenant.id,
            "level": level,
            "source": source,
            "message": message,
            "endpoint": endpoint,
            "method": "POST" if endpoint else None,
            "status_code": status,
            "user_agent": "demo/1.0" if endpoint else None,
            "metadata": DEMO,
            "timestamp": at,
            "resolved": resolved,
            "resolved_at": at + (now - at) * chance.random() if resolved else None,
            "resolved_by": "demo" if resolved else None,
            "resolution_notes": "restarted" if resolved else None,
        }


def _deployments(chance: random.Random, now: datetime, project: DemoTarget) -> Iterator[dict[str, Any]]:
    count = chance.randint(3, 6)
    for index in range(count):
        status = "BUILDING" if index == 0 and chance.random() < 0.2 else chance.choice(("SUCCESS", "SUCCESS", "FAILED"))
        created = now - timedelta(hours=20 * index) - timedelta(seconds=chance.randint(400, 40_000))
        ended = None if status == "BUILDING" else created + timedelta(seconds=chance.randint(40, 300))
        yield {
            "id": demo_id("deployment", project.id, index),
            "project_id": project.id,
            "status": status,
            "commit_sha": f"{chance.getrandbits(160):040x}",
            "url": f"https://{project.name}.demo.example" if status == "SUCCESS" else None,
            "log": "demo: built" if status == "SUCCESS" else "demo: building",
            "error": "demo: the build ended with code 1" if status == "FAILED" else None,
            "created_at": created,
            "started_at": created + timedelta(seconds=3),
            "finished_at": ended,
        }


def _uploads(chance: random.Random, now: datetime, project: DemoTarget) -> Iterator[dict[str, Any]]:
    for index, name in enumerate(_FILES):
        status = "COMPLETED" if index < 3 else chance.choice(("COMPLETED", "FAILED", "UPLOADING"))
        size, done = chance.randint(2_000, 8_000_000), status == "COMPLETED"
        created = now - timedelta(seconds=chance.randint(600, 20 * 86_400))
        yield {
            "id": demo_id("upload", project.id, index),
            "project_id": project.id,
            "status": status,
            "filename": f"demo/{name}",
            "size": size,
            "received": size if done else chance.randint(0, size - 1),
            "error": "demo: the connection was lost" if status == "FAILED" else None,
            "created_at": created,
            "completed_at": created + timedelta(seconds=chance.randint(1, 90)) if done else None,
        }


def _file(chance: random.Random, upload: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": demo_id("file", upload["id"]),
        "project_id": upload["project_id"],
        "upload_id": upload["id"],
        "path": upload["filename"],
        "content_type": _FILES[upload["filename"].removeprefix("demo/")],
        "size": upload["size"],
        "checksum": f"{chance.getrandbits(256):064x}",
        "metadata": DEMO,
        "created_at": upload["completed_at"],
    }
