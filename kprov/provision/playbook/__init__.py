"""Playbooks: a user's own plays, in Ansible's terms, read whole and checked before any machine is touched."""

from kprov.provision.playbook.play_templates import Known
from kprov.provision.playbook.playbook import Playbook, read_playbooks
from kprov.provision.playbook.run import Options, PlaybookRun

__all__ = ["Known", "Options", "Playbook", "PlaybookRun", "read_playbooks"]
