"""Why a row is not met, or its goal is not: a sentence a row, by the row's key, written by whoever has looked into it.
The key of a row stands in `rows`. What a run finds wrong by itself is not said here."""

REASONS = {
    "floor": "",
    "nestjs": "Three quarters of a connect are the kernel's, by the same system calls as the floor's: for the goal one would "
    "have to cost what the floor does, which parses nothing. What is left above it is the head of the request, the "
    "signature of the token and JSON",
    "socketioxide": "The floor itself, which parses nothing, is about three times as fast as this peer, which has one thread, "
    "Rollcall's allocator and no delayed segments here: no server that makes these system calls can be five times as fast",
    "bytes": "A process that has just started touches some two megabytes of its own code, stacks and tables for the first "
    "time while the first sessions come, and they share it; one that has served before is at its figure of 19,000",
    "bytes-most": "",
    "growth": "",
    "idle": "The two system calls of a ping and its pong are most of it; the rest is the wheel and the wake-up",
    "fanout": "",
    "burst": "",
    "polling": "",
    "curve": "",
    "storm": "",
    "rules": "",
}
