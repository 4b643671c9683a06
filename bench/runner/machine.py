"""Where and of what it was measured: the machine, the commit. Does not know what is measured."""

import os
import platform
import subprocess
from pathlib import Path


def describe():
    """What a reader needs to know about this machine."""
    memory = _field("/proc/meminfo", "MemTotal")
    return {
        "cpu": _field("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory.split()[0]) / 2**20) if memory else None,
        "system": _field("/etc/os-release", "PRETTY_NAME", "=").strip('"') or platform.system(),
        "kernel": platform.release(),
        "descriptors": _descriptors(),
    }


def commit(root):
    """The short hash of the commit, with `-dirty` when files were changed, or added to what is built; `unknown` outside
    git."""
    git = lambda *words: subprocess.run(  # noqa: E731
        ["git", *words], cwd=root, capture_output=True, text=True, check=False
    )
    # What a run itself writes is no change of what is measured.
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs", ":!bench/results").stdout
    changed += git("ls-files", "--others", "--exclude-standard", "--", "crates", "bench", ":!bench/results").stdout
    hash_ = git("rev-parse", "--short", "HEAD").stdout.strip()
    return f"{hash_}{'-dirty' if changed.strip() else ''}" if hash_ else "unknown"


def ticks():
    """What the host took from this machine and all time, on all cores, since it runs; `None` where nobody counts."""
    numbers = _field("/proc/stat", "cpu", " ").split()[:8]
    return (int(numbers[7]), sum(map(int, numbers))) if len(numbers) == 8 else None


def steal_percent(before, after):
    """What the host took between two looks, in percent of the time."""
    if before is None or after is None or after[1] <= before[1]:
        return None
    return round(100 * (after[0] - before[0]) / (after[1] - before[1]), 2)


def _field(file, name, separator=":"):
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    values = (line.split(separator, 1)[1].strip() for line in lines if line.split(separator, 1)[0].strip() == name)
    return next(values, "")


def _descriptors():
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]
