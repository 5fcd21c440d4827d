"""Volumes: folders on the machine that a pod's containers see."""
