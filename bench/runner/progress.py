"""One line for whoever waits: what runs, how long it has taken, how long it takes yet. Knows no server."""


class Progress:
    """Learns from the jobs that are done how much longer than planned a job takes here."""

    def __init__(self, now, estimates):
        self.began = now
        self.left = list(estimates)
        self.planned = 0.0
        self.spent = 0.0

    def line(self, now, job):
        """The line for the job that begins at `now`."""
        done = f"{clock(now - self.began)} passed, about {clock(self.remaining())} left"
        return f"[{done}] round {job.round}: {job.step}, {job.system}"

    def done(self, seconds):
        """The next job took that long."""
        self.planned += self.left.pop(0)
        self.spent += seconds

    def remaining(self):
        """Seconds that the rest takes, roughly."""
        factor = self.spent / self.planned if self.planned else 1.0
        return sum(self.left) * factor


def clock(seconds):
    """`75` as `1:15`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
