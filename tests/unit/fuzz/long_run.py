"""Fuzzes for as long as one likes, and keeps what was found: ``python tests/unit/fuzz/long_run.py --seconds 600``.

With ``--atheris`` the inputs are led by which lines of kprov they reach (needs the package atheris); else they are
samples bent at random.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


# What takes longer than this, of the processor's time, is looked at.
SLOW = 2.0


class Slow(Exception):
    """Not a hang, but not soon either."""


def main() -> int:
    """Run, tell figures as JSON, end with 1 when something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--target", action="append", help="only this one; may be given more than once")
    parser.add_argument("--seed", type=int, default=time.time_ns())
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--memory", type=int, default=3 << 30, help="bytes of address space")
    parser.add_argument("--atheris", action="store_true", help="one --target only; atheris ends the process itself")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (arguments.memory, arguments.memory))
    if arguments.atheris:
        return led_by_coverage(arguments)
    from fuzz_bounds import time_limit
    from fuzz_samples import mutated
    from fuzz_targets import TARGETS

    source = random.Random(arguments.seed)
    names = arguments.target or list(TARGETS)
    counts = dict.fromkeys(names, 0)
    spent = dict.fromkeys(names, 0.0)
    slowest = dict.fromkeys(names, 0.0)
    findings: dict[str, str] = {}
    end = time.monotonic() + arguments.seconds
    while time.monotonic() < end:
        # Time, not turns, is shared: a pattern takes microseconds, an inventory milliseconds.
        name = min(names, key=spent.__getitem__)
        for _ in range(20):
            data = mutated(name, source)
            begun = time.process_time()
            try:
                with time_limit():
                    TARGETS[name](data)
            except Exception as error:
                kept(arguments.findings, name, data, error, findings)
            taken = time.process_time() - begun
            if taken > SLOW:
                kept(arguments.findings, name, data, Slow(f"took {taken:.1f} s"), findings)
            counts[name] += 1
            spent[name] += taken
            slowest[name] = max(slowest[name], taken)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        json.dumps(
            {
                "seed": arguments.seed,
                "cases": counts,
                "total": sum(counts.values()),
                "slowest_s": {name: round(value, 2) for name, value in slowest.items()},
                "peak_mb": peak,
                "findings": findings,
            }
        )
    )
    return bool(findings)


def kept(folder: Path, name: str, data: bytes, error: Exception, findings: dict[str, str]) -> None:
    """Write an input down once for each place that it fails at."""
    frames = traceback.extract_tb(error.__traceback__)
    place = next((f"{f.filename}:{f.lineno}" for f in reversed(frames) if "/kprov/" in f.filename), "")
    key = f"{name} {type(error).__name__} {place}"
    if key in findings:
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
    path.write_bytes(data)
    findings[key] = f"{path}: {str(error)[:200]}"
    print(key, findings[key], file=sys.stderr, flush=True)


def led_by_coverage(arguments: argparse.Namespace) -> int:
    """Fuzz one target with atheris."""
    import atheris  # type: ignore[import-untyped]

    with atheris.instrument_imports(include=["kprov"]):
        import fuzz_targets
    from fuzz_samples import samples

    name = arguments.target[0]
    corpus = arguments.findings / f"corpus-{name}"
    corpus.mkdir(parents=True, exist_ok=True)
    known, words = samples(name)
    for index, sample in enumerate(known):
        (corpus / f"sample-{index}").write_bytes(sample)
    dictionary = arguments.findings / f"words-{name}"
    escaped = ("".join(map("\\x{:02x}".format, word[:64])) for word in words if word)
    dictionary.write_text("".join(f'"{word}"\n' for word in escaped))
    target = fuzz_targets.TARGETS[name]
    options = [
        sys.argv[0],
        str(corpus),
        f"-dict={dictionary}",
        f"-max_total_time={int(arguments.seconds)}",
        "-max_len=20000",
        "-timeout=20",
        "-rss_limit_mb=2500",
        f"-artifact_prefix={arguments.findings}/{name}-",
    ]
    atheris.Setup(options, target)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
