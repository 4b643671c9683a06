"""Why a row is not met, or its goal is not: a sentence a row, by the row's key, written by whoever has looked into it.
The key of a row stands in `rows`. What a run finds wrong by itself is not said here."""

REASONS = {
    "floor": "",
    "nestjs": "Two thirds of a connect are the kernel's, and the floor's too: for this bar a connect may cost a fifth more "
    "than the floor. What is left above it is HTTP, the signature of the token, JSON, and the wake-ups of two tasks",
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
