"""Why a row is not met, or its goal is not: a sentence a row, by the row's key, written by whoever has looked into it.
The key of a row stands in `rows`. What a run finds wrong by itself is not said here."""

REASONS = {
    "floor": "",
    "nestjs": "",
    "socketioxide": "",
    "bytes": "",
    "bytes-most": "",
    "growth": "",
    "idle": "",
    "fanout": "",
    "burst": "",
    "polling": "",
    "curve": "",
    "storm": "",
    "rules": "",
}
