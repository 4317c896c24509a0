"""How fast the web study answers when many people take part at once, on this machine alone.

    python benchmarks/study.py                          # a minute; 50 people who think for half a second each time
    python benchmarks/study.py --think 0 --seconds 15   # people who do not think: as many answers as it can take

Photographs are drawn, a study is planned, prepared and served by `hiertax study serve` in a process of its own, and
people in one other process begin it together: consent, test, images, until the time is over. Timed is each request from
its first byte sent to its last byte received: pages (which the answer before leads to), images, and answers, which are
on the disk when they are acknowledged. Nothing is asserted.
"""

from __future__ import annotations

import asyncio
import csv
import html
import os
import random
import re
import ssl
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

sys.path.append(sys.path.pop(0))  # look for the package first

import click
import httpx
import numpy as np
from host import processor
from PIL import Image

Times = dict[str, list[float]]
LINEAGES = [(f"Order {i % 4}", f"Family {i % 8}", f"Species {i}") for i in range(40)]
FIELD = re.compile(r'type="hidden" name="(\w+)" value="([^"]*)"')
OPTION = re.compile(r'name="value" value="([^"]*)"')


def prepare(place: Path, people: int, images: int) -> Path:
    """Draw images of 500 x 375 pixels and prepare a study with them; return its links."""
    from taxonomy.hierarchy import Hierarchy

    rng = np.random.default_rng(0)
    for i in range(images):
        folder = place / "images" / LINEAGES[i % len(LINEAGES)][2]
        folder.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (38, 50, 3), dtype=np.uint8))
        coarse.resize((500, 375), Image.Resampling.BICUBIC).save(folder / f"{i}.jpg", quality=90)
    Hierarchy.from_lineages(LINEAGES, ("order", "family", "species"), name="drawn", root="bird").save(place / "h.json")
    few = ("--hierarchy", place / "h.json", "--images", place / "images")
    each = str(min(100, images))
    _hiertax(
        "plan", *few, "--participants", people, "--per-person", each, "--mode", "random", "--out", place / "p.json"
    )
    _hiertax("prepare", place / "p.json", *few, "--contact", "nobody", "--trial", "--out", place / "study")
    _hiertax("links", place / "study", "--out", place / "links.csv")
    return place / "links.csv"


def _hiertax(*args: object) -> None:
    command = [sys.executable, "-m", "taxonomy.cli", "study", *map(str, args)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


async def take_part(client: httpx.AsyncClient, token: str, think: float, end: float, times: Times) -> None:
    """Answer page after page until the time is over."""
    rng = random.Random(token)  # noqa: S311 - nothing secret
    async with client:

        async def timed(kind: str, method: str, path: str, **more: dict[str, str]) -> httpx.Response:
            start = time.perf_counter()
            answer = await client.request(method, path, **more)  # type: ignore[arg-type]
            times[kind].append(time.perf_counter() - start)
            if answer.status_code not in (200, 303):
                times[f"refused ({answer.status_code})"].append(times[kind].pop())
            return answer

        await client.get(f"/in/{token}")
        while time.monotonic() < end:
            page = (await timed("page", "GET", "/")).text
            options = [html.unescape(value) for value in OPTION.findall(page)]
            if picture := re.search(r'src="(/image/\w+)"', page):
                await timed("image", "GET", picture[1])
            if not options:
                return
            await asyncio.sleep(rng.expovariate(1 / think) if think else 0)
            await timed("answer", "POST", "/answer", data={**dict(FIELD.findall(page)), "value": rng.choice(options)})


async def everybody(url: str, links: Path, think: float, seconds: float) -> Times:
    """Let all take part at once; return the seconds of each request by kind."""
    with links.open() as file:
        tokens = [row["link"].rpartition("/")[2] for row in csv.DictReader(file)]
    times: Times = defaultdict(list)
    tls = ssl.create_default_context()  # made once: it takes longer than a request, and is not used
    clients = [httpx.AsyncClient(base_url=url, timeout=60, verify=tls) for _ in tokens]
    end = time.monotonic() + seconds
    await asyncio.gather(*(take_part(*who, think, end, times) for who in zip(clients, tokens, strict=True)))
    return times


def show(times: Times, seconds: float) -> None:
    """Print quantiles by kind, and of all."""
    every = {**times, "all": [value for values in times.values() for value in values]}
    for kind, values in every.items():
        p50, p95, p99 = 1000 * np.quantile(values, [0.5, 0.95, 0.99])
        click.echo(
            f"{kind:<14} {len(values):>6} requests, {len(values) / seconds:6.1f} a second: "
            f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, p99 {p99:.0f} ms"
        )


def _processor_seconds(pid: int) -> float:
    """Return what a process has used so far (Linux only)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@click.command()
@click.option("--people", default=50, show_default=True)
@click.option("--images", default=300, show_default=True)
@click.option("--think", default=0.5, show_default=True, help="Mean seconds before an answer.")
@click.option("--seconds", default=20.0, show_default=True)
def main(people: int, images: int, think: float, seconds: float) -> None:
    """Measure how fast the web study answers."""
    with tempfile.TemporaryDirectory() as folder:
        links = prepare(Path(folder), people, images)
        command = [sys.executable, "-m", "taxonomy.cli", "study", "serve", str(Path(folder) / "study"), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None  # noqa: S101
                url = re.findall(r"http://\S+", server.stdout.readline())[0].rstrip("/")
                before = _processor_seconds(server.pid)
                times = asyncio.run(everybody(url, links, think, seconds))
                used = _processor_seconds(server.pid) - before
            finally:
                server.terminate()
    load = os.getloadavg()[0]
    click.echo(f"{processor()}, {os.cpu_count()} CPUs, load {load:.1f}; {people} people, {think:g} s to think")
    show(times, seconds)
    requests = sum(map(len, times.values()))
    click.echo(f"the server took {1000 * used / requests:.1f} ms of one processor for each request")


if __name__ == "__main__":
    main()
