"""Strict YAML into validated documents that know the place of every value; settings and manifests use it."""

from tenantplan.documents.document import Document
from tenantplan.documents.loading import load
from tenantplan.documents.source import Problem, Source
from tenantplan.documents.spec import Reference, Spec

__all__ = ["Document", "Problem", "Reference", "Source", "Spec", "load"]
