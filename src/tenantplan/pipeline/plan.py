"""Files and servers in, a Plan out."""

from __future__ import annotations

from tenantplan.desired import declare
from tenantplan.fleet.opening import open_fleet
from tenantplan.live.current_servers import placed
from tenantplan.live.survey import survey, survey_request
from tenantplan.model.plan import Plan
from tenantplan.planning.select import EVERYTHING, Selection
from tenantplan.settings.settings import Settings


def plan(settings: Settings, selection: Selection = EVERYTHING, *, deep: bool = False) -> Plan:
    """Compares the manifest with what is live and returns the Plan. Writes nothing: its sessions are read-only.

    `deep` looks into every database.

    Raises ManifestError, MigrationError or ConnectError; what stands in the way of applying is in the Plan.
    """
    from tenantplan.pipeline.comparison import Comparison  # an apply starts without what makes its plan
    from tenantplan.pipeline.decide import decide

    with open_fleet(settings) as fleet:
        _ = fleet.trees  # mistakes in migrations come before those in documents
        documents = declare.load_documents(fleet)
        desired = declare.complete(declare.declared(fleet, documents, placed(fleet, documents)), fleet)
        live = survey(fleet, survey_request(desired))
        return decide(Comparison(fleet, desired, live, selection, deep))
