"""Drills: what can happen to a cluster is done to it on purpose, while clients tell what they notice."""

from kprov.provision.verify.drills.all_drills import run_drills
from kprov.provision.verify.drills.drill import Drill
from kprov.provision.verify.drills.reader import DrillError, catalogue, choose

__all__ = ["Drill", "DrillError", "catalogue", "choose", "run_drills"]
