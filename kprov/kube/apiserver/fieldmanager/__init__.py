"""Who manages which fields of an object: managedFields and server-side apply.

The model is upstream's (KEP-555): every manager owns a set of fields; an apply that would change what another manager
owns is a conflict; what a manager applied before and leaves out now goes, unless somebody else owns it too.
"""

from kprov.kube.apiserver.fieldmanager.apply import Apply
from kprov.kube.apiserver.fieldmanager.updates import manager_of, record_update

__all__ = ["Apply", "manager_of", "record_update"]
