"""Stores of update packages: a folder, the main database, a bucket, GridFS, behind one interface.

Importing this loads no driver: each store's own is loaded when it is opened.
"""

from tenantplan.stores.location import location_problem, masked_url, secrets_in
from tenantplan.stores.opening import open_store
from tenantplan.stores.store import Store, Stored, measure
from tenantplan.stores.uploading import upload

__all__ = ["Store", "Stored", "location_problem", "masked_url", "measure", "open_store", "secrets_in", "upload"]
