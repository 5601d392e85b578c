"""Connections that failed while a plan was made: the plan writes nothing, so the apply that follows writes them down (C11)."""

from __future__ import annotations

from collections.abc import Sequence

from tenantplan.apply.context import Run
from tenantplan.journal import record
from tenantplan.model.plan import Finding
from tenantplan.postgres.connect import Connection


def seen_before(run: Run, connection: Connection, attempts: Sequence[Finding], when: str) -> None:
    """Audits connections that failed, `when` in words; each once, also where an apply of the same plan was interrupted."""
    if not attempts:
        return
    facts = {
        (a.address, detail := f"{a.message} ({when})"): record.Fact(
            a.address, "connect", "failed", organization=record.organization(a.address), detail=detail
        )
        for a in attempts
    }
    with connection.transaction():
        record.check_epoch(connection, run.author.epoch)
        known = set(
            connection.execute(
                "SELECT address, detail FROM tenantplan.audit_log WHERE plan_digest = %s AND action = 'connect'",
                [run.author.digest],
            ).fetchall()
        )
        record.audit(run.author, connection, [fact for key, fact in facts.items() if key not in known])
