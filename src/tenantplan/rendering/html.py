"""The plan as one self-contained page: no script, nothing loaded from elsewhere, every value escaped."""

from __future__ import annotations

from tenantplan.model.plan import Plan
from tenantplan.rendering.nothing import nothing
from tenantplan.rendering.view import build, counts, risk


def plan(plan: Plan, *, grace_days: int | None = None) -> str:
    """The page, with every value, statement and database of the plan."""
    from tenantplan.rendering.templating import template

    view = build(plan, verbose=True, grace_days=grace_days)
    return template("plan.html.j2", autoescape=True).render(
        view=view, nothing=nothing(view)[0], counts=counts(view), risk=risk(view), created_at=plan.created_at
    )
