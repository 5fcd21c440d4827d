"""How the controller runs a program that its user named: for a limited time, keeping a limited part of what it says."""

from kprov.provision.programs.running import Ended, PrintedTooMuch, TookTooLong, run

__all__ = ["Ended", "PrintedTooMuch", "TookTooLong", "run"]
