"""The encryption keys of a fleet, from the references in its fleet file."""

from __future__ import annotations
