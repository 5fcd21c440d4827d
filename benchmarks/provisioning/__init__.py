"""Parts of `engine.py`: the same work for kprov, Ansible and pyinfra, on the same machines."""
