"""Pods: what is wanted (API) against what runs (container runtime), one worker a pod."""
