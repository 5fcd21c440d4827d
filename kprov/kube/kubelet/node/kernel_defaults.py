"""protectKernelDefaults: the kubelet refuses to run on a kernel whose settings are not those that it relies on.

The settings and their values are upstream's (pkg/util/sysctl). Upstream's kubelet sets them itself where it is not
told to protect them; with kprov the role ``machine`` does so, and the kubelet changes no kernel setting.
"""

from __future__ import annotations

from pathlib import Path

WANTED: dict[str, str] = {
    "vm.overcommit_memory": "1",
    "vm.panic_on_oom": "0",
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
    "kernel.keys.root_maxkeys": "1000000",
    "kernel.keys.root_maxbytes": "25000000",
}


def kernel_problem(folder: Path = Path("/proc/sys")) -> str:
    """What differs from the settings above, or nothing."""
    wrong = []
    for name, value in WANTED.items():
        try:
            found = (folder / name.replace(".", "/")).read_text().strip()
        except OSError as error:
            found = error.strerror or "unreadable"
        if found != value:
            wrong.append(f"{name} is {found}, not {value}")
    return "; ".join(wrong)
