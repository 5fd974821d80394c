"""Tables of `brain bench skab`: what was found and what was not, beside others."""

from typing import Any

from rich.console import Console
from rich.table import Table

_NAMES = {
    "ours": "ours",
    "ours_tuned_on": "ours, files tuned on",
    "ours_kept_apart": "ours, files kept apart",
    "kernel_regression": "kernel regression, followed in the same way",
    "t2": "T2, sample by sample",
    "isolation_forest": "Isolation Forest, sample by sample",
    "random": "random, as often as ours",
    "always": "always alarm",
}


def show_quality(console: Console, result: dict[str, Any]) -> None:
    """The quality of all detectors, then what their authors published."""
    table = Table("detector", "F1", "FAR %", "before", "after", "MAR %", "MCC", "delay, rows", "events missed")
    for key, name in _NAMES.items():
        found = result[key]
        if found is None:
            table.add_row(name, *["-"] * 8)
            continue
        table.add_row(
            name,
            f"{found['f1']:.3f}",
            *(f"{100 * found[part]:.1f}" for part in ("far", "far_before", "far_after", "mar")),
            f"{found['mcc']:.2f}",
            "-" if found["delay_rows"] is None else f"{found['delay_rows']:.0f}",
            f"{found['missed_events']} of {found['events']}",
        )
    for name, found in result["published"].items():
        shares = ["-" if found[part] is None else f"{100 * found[part]:.1f}" for part in ("far", "mar")]
        table.add_row(f"{name} (published)", f"{found['f1']:.2f}", shares[0], "-", "-", shares[1], "-", "-", "-")
    console.print(table)
    files = result["files"]
    console.print(f"{files['all']} files, {files['tuned_on']} of them tuned on, {files['kept_apart']} kept apart")
    for name, found in (result["anomaly_free"] or {}).items():
        console.print(
            f"anomaly-free record, {name.replace('_', ' of ')} rows: {found['episodes']} false-alarm episodes in "
            f"{found['rows']:,} rows, {100 * found['far']:.1f} % of them flagged"
        )
