"""What must hold of a report before its figures count. Starts nothing."""

# Seconds, of Engine.IO and of everybody here.
PING_INTERVAL = 25
# How far the pings may lie from what the time says, in parts of that.
PINGS_APART_MAX = 0.02


def broken(step, report):
    """What does not hold; empty when all does."""
    if step != "idle":
        return ""
    for visit in report["rounds"]:
        hold = visit["hold"]
        if hold is None:
            continue
        due = visit["sessions"] * hold["seconds"] / PING_INTERVAL
        if abs(hold["pings"] - due) > PINGS_APART_MAX * due:
            return (
                f"{hold['pings']:,} pings in {hold['seconds']:.0f} s of {visit['sessions']:,} sessions, "
                f"due were {due:,.0f}: its idle CPU is of another load"
            )
    return ""
