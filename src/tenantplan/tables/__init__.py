"""The main database's reconciled tables, described once: readers, statements and kinds all use these."""

from __future__ import annotations

from tenantplan.model.rowtype import RowType
from tenantplan.tables import control, projects, storage

ROW_TYPES: tuple[RowType, ...] = (
    control.TIER,
    control.ORGANIZATION,
    control.USER,
    control.ADMIN_USER,
    control.MODULE,
    control.MEMBER,
    control.ORGANIZATION_SECRET,
    control.TENANT,
    control.LICENSE,
    projects.TEMPLATE,
    projects.TEAM,
    projects.TEAM_MEMBER,
    storage.BUCKET,
    storage.BUCKET_ACCESS,
    projects.PROJECT,
    projects.API_KEY,
    projects.TRANSFORM,
    projects.PROJECT_TENANT,
    projects.INVITATION,
    storage.RELEASE,
)
BUILTIN = {rowtype.table: rowtype for rowtype in ROW_TYPES}
