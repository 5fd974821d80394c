"""`brain bench`: what this machine bears, measured with the product's own processes."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from brain.commands.detection_tables import show_quality
from brain.commands.invocation import Json, print_json, run_body
from brain.failure import Failure
from brain.logs import configure_logs

bench_app = typer.Typer(no_args_is_help=True, help="Benchmarks: real processes, on a database and broker of their own.")


@bench_app.callback()
def benchmarks() -> None:
    """Benchmarks: real processes, on a database and broker of their own."""


@bench_app.command("ingest")
def ingest(
    seconds: Annotated[float, typer.Option(min=1, help="how long each part is measured")] = 20.0,
    machines: Annotated[int, typer.Option(min=10, help="how many send")] = 10_000,
    rate: Annotated[float, typer.Option(min=1000, help="readings a second of the paced part")] = 100_000,
    only: Annotated[str, typer.Option(help="parts to run, separated by commas; else all")] = "",
    as_json: Json = False,
) -> None:
    """From publish to commit: rate, backlog, latency, CPU, memory. Example: `brain bench ingest --only fast,paced`"""
    from brain.bench.ingest import PARTS, Order, bench_ingest
    from brain.settings import load_settings

    chosen = [part.strip() for part in only.split(",") if part.strip()] or list(PARTS)
    if unknown := sorted(set(chosen) - set(PARTS)):
        raise typer.BadParameter(f"{', '.join(unknown)}: parts are {', '.join(PARTS)}", param_hint="--only")
    settings = load_settings()
    configure_logs(settings.log_level, "bench")
    console = Console(soft_wrap=True, width=max(Console().width, 110))
    result = run_body(bench_ingest(settings, Order(chosen, seconds, machines, rate), console.print))
    _show(console, result)
    if as_json:
        print_json(result)


@bench_app.command("storage")
def storage(
    machines: Annotated[int, typer.Option(min=1, help="simulated motors, 16 signals each")] = 20,
    hours: Annotated[int, typer.Option(min=1, max=24, help="how long they run")] = 6,
    as_json: Json = False,
) -> None:
    """Bytes a reading takes, fresh and once closed, on this edition. Example: `brain bench storage --hours 2 --json`"""
    from brain.bench.storage import bench_storage
    from brain.settings import load_settings

    settings = load_settings()
    configure_logs(settings.log_level, "bench")
    console = Console(soft_wrap=True)
    result = run_body(bench_storage(settings, machines, hours, console.print))
    table = Table("", "readings", "bytes hot", "bytes compressed")
    for key, name in (("every_reading", "every reading"), ("by_exception", "by exception")):
        stored = result[key]
        table.add_row(
            name, f"{stored['readings']:,}", f"{stored['bytes_hot']:.1f}", f"{stored['bytes_compressed']:.1f}"
        )
    console.print(table)
    console.print(
        f"plain rows with float8 {result['bytes_float8']:.1f} bytes, with float4 {result['bytes_float4']:.1f}; "
        f"by exception {result['by_exception']['share_reported']:.0%} of the readings"
    )
    if as_json:
        print_json(result)


@bench_app.command("edge")
def edge(
    machines: Annotated[int, typer.Option(min=10, help="simulated motors behind the gateway")] = 200,
    simulated_s: Annotated[int, typer.Option(min=10, help="seconds of their readings that are forwarded")] = 300,
    seconds: Annotated[float, typer.Option(min=1, help="how long a live gateway is watched")] = 60.0,
    as_json: Json = False,
) -> None:
    """A gateway: bytes on wire and disk, catching up, memory. Example: `brain bench edge --seconds 20 --json`"""
    from brain.bench.edge import EdgeOrder, bench_edge
    from brain.settings import load_settings

    settings = load_settings()
    configure_logs(settings.log_level, "bench")
    console = Console(soft_wrap=True)
    result = run_body(bench_edge(settings, EdgeOrder(machines, simulated_s, seconds), console.print))
    table = Table("format", "bytes a reading, live", "catching up", "readings/s")
    for mode in ("batch", "native"):
        sizes = (f"{result[f'{mode}_bytes_live']:.2f}", f"{result[f'{mode}_bytes_catching_up']:.2f}")
        table.add_row(mode, *sizes, f"{result[f'{mode}_per_s']:,}")
    console.print(table)
    console.print(
        f"batch against native {result['ratio']:.2f} in readings/s; `brain edge` with {machines} machines took "
        f"{result['resident_mb']:.0f} MB and forwarded {result['live_forwarded']:,} readings in {seconds:.0f} s"
    )
    console.print(
        f"in the spool a reading takes {result['spool_bytes_live']:.2f} bytes, packed "
        f"{result['spool_bytes_packed']:.2f} ({result['packing_cpu_s_per_million']:.2f} CPU s per million): a week of "
        f"200 machines with ten signals a second takes {result['week_gb_packed']:.2f} GB instead of "
        f"{result['week_gb_live']:.1f}; {result['resident_packing_mb']:.0f} MB resident as it packs"
    )
    if as_json:
        print_json(result)


@bench_app.command("queries")
def queries(
    machines: Annotated[int, typer.Option(min=10, help="machines of the plant")] = 10_000,
    days: Annotated[int, typer.Option(min=21, help="days of its past")] = 90,
    calls: Annotated[int, typer.Option(min=3, help="how often each query is asked")] = 20,
    rate: Annotated[float, typer.Option(min=0, help="readings a second that arrive meanwhile; 0: none")] = 100_000,
    as_json: Json = False,
) -> None:
    """Every query of API and console on a large plant. Example: `brain bench queries --machines 1000 --json`"""
    from brain.bench.queries import QueryOrder, bench_queries
    from brain.settings import load_settings

    settings = load_settings()
    configure_logs(settings.log_level, "bench")
    console = Console(soft_wrap=True)
    result = run_body(bench_queries(settings, QueryOrder(machines, days, calls, rate), console.print))
    console.print(", ".join(f"{name} {count:,}" for name, count in result["rows"].items()))
    table = Table("query, ms", "first", "p50", "p95", "p50 under load", "p95 under load")
    for name, timed in result["queries"].items():
        table.add_row(name, *("-" if value is None else f"{value:.1f}" for value in timed.values()))
    console.print(table)
    scans = result["sequential_scans"]
    console.print(f"sequential scans over readings: {scans or 'none'}")
    if as_json:
        print_json(result)


@bench_app.command("score")
def score(
    machines: Annotated[int, typer.Option(min=1, help="machines of the fleet")] = 10_000,
    seconds: Annotated[int, typer.Option(min=1, help="how often each is scored")] = 30,
    template: Annotated[str, typer.Option(help="template whose fast signals are scored")] = "pump_set",
    as_json: Json = False,
) -> None:
    """CPU time to score a fleet every second, beside one object a machine. Example: `brain bench score --json`"""
    from brain.bench.score import bench_score
    from plant import template_library

    if template not in template_library():
        raise typer.BadParameter(f"{template}: templates are {', '.join(template_library())}", param_hint="--template")
    console = Console(soft_wrap=True)
    result = bench_score(machines, seconds, template, console.print)
    console.print(
        f"{result['machines_per_s']:,} machines a second and core; every machine every second takes "
        f"{result['cpu_s_per_second']:.3f} of a core, {result['cpu_s_per_second_with_gaps']:.3f} with one value in a "
        f"hundred missing"
    )
    for key, name in (("isolation_forest", "Isolation Forest"), ("pca", "PCA")):
        console.print(f"{result[f'ratio_to_{key}_objects']:,} times as many as with one {name} object a machine")
    if as_json:
        print_json(result)


@bench_app.command("skab")
def skab(
    data: Annotated[Path, typer.Option(help="folder with valve1, valve2, other (data/ of github.com/waico/SKAB)")],
    as_json: Json = False,
) -> None:
    """Detection on recordings of a real motor and pump. Example: `brain bench skab --data SKAB/data --json`"""
    from brain.bench.skab import SkabError, bench_skab

    try:
        result = bench_skab(data)
    except SkabError as error:
        raise Failure(str(error)) from error
    show_quality(Console(soft_wrap=True, width=max(Console().width, 120)), result)
    if as_json:
        print_json(result)


@bench_app.command("onboarding")
def onboarding(
    data: Annotated[Path, typer.Option(help="folder with tuning/*.csv and held_out/*.csv")] = Path(
        "tests/data/tag_lists"
    ),
    as_json: Json = False,
) -> None:
    """Share of tags `brain onboard propose` gets right. Example: `brain bench onboarding --json`"""
    from brain.bench.onboarding import bench_onboarding

    result = bench_onboarding(data)
    console = Console(soft_wrap=True)
    table = Table("lists", "number", "tags", "right", "asked", "wrong and sure of it")
    for group, counts in result.items():
        for miss in counts["misses"]:
            console.print(
                f"{miss['verdict']}: {miss['list']}: {miss['name']}: {miss['expected']}, not {miss['got']}",
                markup=False,
            )
        shares = [f"{counts[f'{key}_share']:.1%}" for key in ("right", "asked", "confidently_wrong")]
        table.add_row(group, str(counts["lists"]), str(counts["tags"]), *shares)
    console.print(table)
    if as_json:
        print_json(result)


@bench_app.command("kpi")
def kpi(
    data: Annotated[Path, typer.Option(exists=True, file_okay=False, help="directory with the PdM_*.csv files")],
    as_json: Json = False,
) -> None:
    """Failures, MTBF and maintenance of a recorded plant, by our KPIs. Example: `brain bench kpi --data DIR --json`"""
    from brain.bench.kpi import bench_kpi
    from brain.settings import load_settings

    settings = load_settings()
    configure_logs(settings.log_level, "bench")
    result = run_body(bench_kpi(settings, data))
    Console(soft_wrap=True).print(
        f"{result['machines']:,} machines, {result['failures']:,} failures in {result['exposure_h']:,.0f} machine "
        f"hours ({result['exposure']}): MTBF {result['mtbf_h']:,.1f} h; maintenance "
        f"{result['maintenance_planned']:,} planned, {result['maintenance_unplanned']:,} unplanned"
    )
    if as_json:
        print_json(result)


_FLOWS = ("fast", "paced", "single", "gateway", "workers")


def _show(console: Console, result: dict[str, Any]) -> None:
    machine, versions = result["machine"], result["versions"]
    console.print(
        f"\n{machine['cores']} cores, {machine['processor']}; "
        + ", ".join(f"{name} {value}" for name, value in versions.items())
    )
    table = Table("part", "offered/s", "committed/s", "p50 s", "p99 s", "backlog grew", "lost", "doubled", "B/reading")
    costs = Table("CPU s per million (peak MB)", *_FLOWS)
    cost_rows: dict[str, list[str]] = {}
    for part in _FLOWS:
        flow = result.get(part)
        if flow is None:
            for row in cost_rows.values():
                row.append("")
            continue
        latencies = ["-" if flow[key] is None else f"{flow[key]:.3f}" for key in ("p50_latency_s", "p99_latency_s")]
        table.add_row(
            part,
            f"{flow['offered_per_s']:,}",
            f"{flow['committed_per_s']:,}",
            *latencies,
            f"{flow['backlog_grew']:,}",
            str(flow["lost"]),
            str(flow["doubled"]),
            f"{flow['bytes_per_reading']:.0f}",
        )
        place = _FLOWS.index(part)
        for name, used in [*flow["cpu_s_per_million"].items(), ("all", flow["cpu_s_per_million_total"])]:
            row = cost_rows.setdefault(name, [""] * place)
            row += [""] * (place - len(row))
            row.append(f"{used:.2f} ({flow['peak_mb'].get(name, 0):.0f})" if name != "all" else f"{used:.2f}")
    for name in sorted(cost_rows, key=lambda name: name == "all"):
        costs.add_row(name, *cost_rows[name], *[""] * (len(_FLOWS) - len(cost_rows[name])))
    if table.row_count:
        console.print(table)
        console.print(costs)
    if "writer" in result:
        writer = result["writer"]
        console.print(
            f"writer alone {writer['writer_per_s']:,} rows/s, raw COPY {writer['copy_per_s']:,} rows/s: "
            f"{writer['ratio']:.2f} of it, {writer['peak_mb']:.0f} MB"
        )
    if "bare_receive_per_s" in result:
        console.print(f"a bare paho-mqtt loop receives {result['bare_receive_per_s']:,} readings/s")
    if "opcua" in result:
        opcua = result["opcua"]
        console.print(
            f"OPC UA: {opcua['changes_per_s']:,} changes/s offered by {opcua['servers']} servers, "
            f"{opcua['committed_per_s']:,} committed/s, lost {opcua['lost']}"
        )


@bench_app.command("fleet")
def fleet(
    machines: Annotated[int, typer.Option(min=4, help="simulated motors, half of which get a fault")] = 200,
    days: Annotated[float, typer.Option(min=8, help="how long they are watched")] = 60.0,
    seed: Annotated[int, typer.Option(help="which plant")] = 1,
    every: Annotated[
        int, typer.Option(min=5, help="minutes between two looks; the running product looks every second")
    ] = 60,
    as_json: Json = False,
) -> None:
    """Faults found and named in a simulated, labelled plant. Example: `brain bench fleet --machines 40 --days 20`"""
    from brain.bench.cannot_tell import bench_cannot_tell
    from brain.bench.fleet import bench_fleet

    console = Console(soft_wrap=True)
    result = bench_fleet(machines, days, seed, every, console.print)
    result["cannot_tell"] = told = bench_cannot_tell(seed, console.print)
    table = Table("failure mode", "faults", "found", "rank 1", "rank 3", "lead share", "lead h (p10)", "named instead")
    for mode, row in {**result["modes"], "all": result | {"named_first": []}}.items():
        table.add_row(
            mode,
            str(row["faults"]),
            *(f"{row[key]:.0%}" for key in ("found_share", "rank1_share", "rank3_share", "lead_share_median")),
            f"{row['lead_h_median']} ({row['lead_h_p10']})",
            ", ".join(row["named_first"]),
        )
    console.print(table)
    console.print(
        f"{result['false_findings']} false findings in {result['machine_months']} machine-months without a fault: "
        f"{result['false_per_machine_month']} a machine-month {result['false_by_mode']}"
    )
    console.print(
        f"without vibration, voltage or temperature sensors: of {told['hidden']} faults hidden then, "
        f"{told['answered']} answered cannot tell, {told['wrongly_named']} wrongly named, {told['silent']} silent; "
        f"cannot tell said {told['said']} times, {told['said_of_found']} of what was found"
    )
    if as_json:
        print_json(result)


@bench_app.command("peers")
def peers(
    machines: Annotated[int, typer.Option(min=20, help="simulated motors, a tenth of which begin worn")] = 200,
    days: Annotated[int, typer.Option(min=2, help="machine-days before the comparison")] = 4,
    seed: Annotated[int, typer.Option(help="which plant")] = 1,
    as_json: Json = False,
) -> None:
    """Motors worn from the first minute, found by comparing. Example: `brain bench peers --machines 100 --seed 2`"""
    from brain.bench.peers import bench_peers

    console = Console(soft_wrap=True)
    result = bench_peers(machines, days, seed)
    table = Table("worn from the start", "machines", "found")
    for mode, row in result["modes"].items():
        table.add_row(mode, str(row["worn"]), str(row["found"]))
    console.print(table)
    console.print(
        f"{result['found_share']:.0%} of {result['worn']} worn machines found; of {result['sound']} sound ones "
        f"{result['false_share']:.1%} raised {result['false_levels']}; {result['not_compared']} had no peers or hours"
    )
    if as_json:
        print_json(result)
