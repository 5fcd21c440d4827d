"""The part of ``kprov verify`` that holds the machines against the CIS benchmark."""

from __future__ import annotations

from kprov.provision.verify.cis.catalogue import Met, Row, rows
from kprov.provision.verify.cis.judging import problems
from kprov.provision.verify.cis.reading import read_machines
from kprov.provision.verify.report import CheckFailed
from kprov.provision.verify.session import Session

_MOST = 3


def verify_benchmark(session: Session) -> None:
    """Check each row that kprov meets, on every machine that it is about; changes nothing.

    A row that ``kprov verify`` finds unmet says on which machines, what is there, and what to do.
    """
    checked = [row for row in rows() if row.check]
    hosts = list(session.inventory.hosts.values())
    machines = read_machines(session.engine, hosts, checked)
    for row in checked:
        with session.report.check("cis", f"{row.number} {row.title}") as result:
            concerned = [host.name for host in session.inventory.group(row.group)]
            wrong = []
            for name in concerned:
                read = machines.get(name, "it does not answer")
                found = [read] if isinstance(read, str) else problems(row.check or {}, read)
                wrong += [f"{name}: {problem}" for problem in found]
            result.figures = {"ids": row.ids, "scored": row.scored, "machines": concerned}
            if wrong:
                more = f"; and {len(wrong) - _MOST} more" if len(wrong) > _MOST else ""
                raise CheckFailed(f"{'; '.join(wrong[:_MOST])}{more}: {_what_to_do(row, session)}")
    left = [row for row in rows() if not row.check]
    session.tell(f"{len(left)} rows of the benchmark are not met, or by other means: see docs/reference/cis.md")


def _what_to_do(row: Row, session: Session) -> str:
    if row.met is Met.PROFILE and session.inventory.cluster.security_profile != "cis":
        return "set security_profile: cis below all: vars:, then kprov up"
    return "kprov up puts it right"
