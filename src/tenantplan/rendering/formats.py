"""The formats that commands print in: the only place that lists them. Each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenantplan.model.plan import Plan, Sign
    from tenantplan.rendering.command import Call
    from tenantplan.rendering.rows import Rows


@dataclass(frozen=True)
class PlanOptions:
    """How a plan is to be shown, as far as a format cares: `sign` finds what signs the plan file, None where it stays unsigned;
    the others are those of `text.plan`."""

    sign: Callable[[], Sign | None]
    call: Call
    color: bool = False
    verbose: bool = False
    grace_days: int | None = None


def _plan_text(plan: Plan, options: PlanOptions) -> str:
    from tenantplan.rendering import text

    return text.plan(
        plan, color=options.color, verbose=options.verbose, grace_days=options.grace_days, call=options.call
    )


def _plan_json(plan: Plan, options: PlanOptions) -> str:
    return plan.to_bytes(options.sign()).decode()


def _plan_markdown(plan: Plan, options: PlanOptions) -> str:
    from tenantplan.rendering import markdown

    return markdown.plan(plan, grace_days=options.grace_days)


def _plan_html(plan: Plan, options: PlanOptions) -> str:
    from tenantplan.rendering import html

    return html.plan(plan, grace_days=options.grace_days)


def _plan_github(plan: Plan, options: PlanOptions) -> str:
    from tenantplan.rendering import github

    return github.plan(plan)


def _rows_text(rows: Rows, color: bool) -> str:
    from tenantplan.rendering.rows import rows_text

    return rows_text(rows, color=color)


def _rows_json(rows: Rows, color: bool) -> str:
    from tenantplan.rendering.rows import rows_documents
    from tenantplan.rendering.safe import json_text

    return json_text(rows_documents(rows))


def _rows_csv(rows: Rows, color: bool) -> str:
    from tenantplan.rendering.spreadsheet import csv_text

    return csv_text(rows.columns, rows.rows)


# Name -> what it makes of a plan; the order is that of --format in the help.
PLAN: Mapping[str, Callable[[Plan, PlanOptions], str]] = {
    "text": _plan_text,
    "json": _plan_json,
    "markdown": _plan_markdown,
    "html": _plan_html,
    "github": _plan_github,
}
# Name -> what it makes of the rows of a report, with colours or without.
ROWS: Mapping[str, Callable[[Rows, bool], str]] = {"text": _rows_text, "json": _rows_json, "csv": _rows_csv}
