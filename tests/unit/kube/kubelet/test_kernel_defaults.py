"""protectKernelDefaults names each kernel setting that differs."""

from __future__ import annotations

from pathlib import Path

from kprov.kube.kubelet.node.kernel_defaults import WANTED, kernel_problem


def test_what_differs_is_named(tmp_path: Path) -> None:
    for name, value in WANTED.items():
        path = tmp_path / name.replace(".", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    assert kernel_problem(tmp_path) == ""
    (tmp_path / "kernel/panic").write_text("0\n")
    (tmp_path / "vm/panic_on_oom").unlink()
    assert kernel_problem(tmp_path) == "vm.panic_on_oom is No such file or directory, not 0; kernel.panic is 0, not 10"
