"""Results as pictures: SVG with text as text, on no background, in colours that are read on white and on black.
Measures nothing."""

NAMES = {
    "floor": "floor",
    "rollcall": "Rollcall",
    "nestjs": "NestJS + socket.io",
    "bun": "socket.io on Bun",
    "socketioxide": "socketioxide + axum",
    "python": "python-socketio",
}
COLOURS = {
    "floor": "#8b949e",
    "rollcall": "#e8590c",
    "nestjs": "#4c8bf5",
    "bun": "#12a594",
    "socketioxide": "#a371f7",
    "python": "#b58900",
}
# Between black and white, so that it is read on both.
INK = "#7d8590"


def draw(results, folder):
    """Writes all pictures into `folder`; gives their names."""
    pictures = {"bench-cost.svg": cost, "bench-peers.svg": peers, "bench-latency.svg": latency}
    plot = _matplotlib()
    drawn = []
    for name, picture in pictures.items():
        figure = picture(plot, results)
        if figure is not None:
            figure.savefig(folder / name, transparent=True, metadata={"Date": None, "Creator": None})
            plot.close(figure)
            drawn.append(name)
    return drawn


def cost(plot, results):
    """CPU per connect and bytes per session at each number of sessions."""
    systems = results.measured("curve")
    if not systems:
        return None
    figure, (left, right) = plot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    panels = ((left, "cpu_micros_per_connect", "server CPU per connect, µs"),
              (right, "resident_bytes_per_session", "resident bytes per session"))
    for axes, what, title in panels:
        for system in systems:
            curve = [(sessions, value) for sessions, value in results.curve(system, what) if value and value > 0]
            axes.plot(*zip(*curve), marker="o", color=COLOURS[system], label=NAMES[system],
                      linewidth=2.5 if system == "rollcall" else 1.5)
        values = [value for system in systems for _, value in results.curve(system, what) if value and value > 0]
        # Systems that lie far apart need a log scale; one alone shows its shape from zero.
        if values and max(values) / min(values) > 10:
            axes.set(yscale="log", title=f"{title} (log scale)", xlabel="sessions")
            _number_axis(plot, axes.yaxis)
        else:
            axes.set(title=title, xlabel="sessions", ylim=(0, 1.15 * max(values, default=1)))
        levels = [sessions for sessions, _ in results.curve(systems[0], what)]
        axes.set_xticks(levels, [f"{level // 1000} k" if level % 1000 == 0 else str(level) for level in levels])
        _tidy(axes)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def peers(plot, results):
    """Bars: CPU, connects a second, memory."""
    systems = results.measured("connect")
    if not systems:
        return None
    panels = (
        ("server CPU per connect, µs", results.cpu_per_connect),
        ("connects a second, one core",
         lambda system: results.figure("connect", system, "levels", 0, "connects_per_second")),
        ("bytes per idle session", results.bytes_per_session),
    )
    figure, all_axes = plot.subplots(1, 3, figsize=(11, 0.5 + 0.42 * len(systems)), layout="constrained", sharey=True)
    names = [NAMES[system] for system in systems]
    for axes, (title, value_of) in zip(all_axes, panels, strict=True):
        values = [value_of(system) or 0 for system in systems]
        bars = axes.barh(names, values, color=[COLOURS[system] for system in systems])
        axes.bar_label(bars, [f" {value:,.0f}" for value in values], color=INK, fontsize=8)
        axes.set(title=f"{title} (log scale)", xscale="log", xticks=[])
        axes.set_xlim(max(min(filter(None, values), default=1) / 4, 0.5), max(values) * 6)
        axes.minorticks_off()
        axes.invert_yaxis() if axes is all_axes[0] else None
        _tidy(axes, grid=False)
    return figure


def latency(plot, results):
    """How soon one session hears of another: p50, p90 and p99."""
    systems = results.measured("relay")
    panels = [("join", "a join, seen as sessions:update, ms"), ("send", "sessions:send to sessions:message, ms")]
    panels = [(what, title) for what, title in panels
              if any(results.figure("relay", system, what, "count") for system in systems)]
    if not panels:
        return None
    figure, all_axes = plot.subplots(1, len(panels), figsize=(4.6 * len(panels), 0.9 + 0.4 * len(systems)),
                                     layout="constrained", sharey=True, squeeze=False)
    for axes, (what, title) in zip(all_axes[0], panels, strict=True):
        for place, system in enumerate(systems):
            values = [results.figure("relay", system, what, f"p{percent}_ms") for percent in (50, 90, 99)]
            if None in values or not values[0]:
                continue
            axes.plot(values, [place] * 3, color=COLOURS[system], linewidth=2)
            for value, marker, label in zip(values, "o|D", ("p50", "p90", "p99"), strict=True):
                axes.plot(value, place, marker, color=COLOURS[system], markersize=8 if marker == "|" else 6,
                          markeredgewidth=2 if marker == "|" else 1)
                if label != "p90":
                    axes.annotate(f"{value:,.2f}", (value, place), (0, 7), textcoords="offset points",
                                  ha="right" if label == "p50" else "left", fontsize=8, color=INK)
        axes.set(title=title, xscale="log")
        axes.set_yticks(range(len(systems)), [NAMES[system] for system in systems])
        axes.set_ylim(len(systems) - 0.5, -0.7)
        axes.margins(x=0.25)
        _number_axis(plot, axes.xaxis)
        _tidy(axes)
    figure.supxlabel("● p50   | p90   ◆ p99", fontsize=9, color=INK)
    return figure


def _matplotlib():
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({
        # Text stays text, and the same figures give the same file.
        "svg.fonttype": "none",
        "svg.hashsalt": "rollcall",
        "font.family": "sans-serif",
        "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans", "sans-serif"],
        "font.size": 9,
        "axes.titlesize": 10,
        **{name: INK for name in ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")},
    })
    from matplotlib import pyplot

    return pyplot


def _number_axis(plot, axis):
    from matplotlib.ticker import LogLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(plot.FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(plot.NullFormatter())


def _tidy(axes, grid=True):
    axes.spines[["top", "right"]].set_visible(False)
    if grid:
        axes.grid(color=INK, alpha=0.25, linewidth=0.5)
        axes.set_axisbelow(True)
