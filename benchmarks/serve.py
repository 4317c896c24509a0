"""How long photographs wait that are uploaded all at once: the median, the 95th percentile and the longest wait.

    python benchmarks/serve.py RUN PHOTOGRAPH               # 50 at once, three times; half a minute
    python benchmarks/serve.py RUN PHOTOGRAPH --at-once 20 --maps

It starts `hiertrain serve` as a process of its own, at a free port of this machine that no other machine reaches, warms
it up with one upload, and stops it. Each upload is a connection of its own; all begin together. On a small machine the
uploading shares the cores with the server. Nothing is asserted.
"""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median, quantiles
from threading import Barrier

if __name__ == "__main__":  # the other modules here must not hide the packages
    sys.path.append(sys.path.pop(0))

import click
import httpx
from host import processor

LIMIT = 120  # seconds that one upload may take


def uploads(address: str, content: bytes, count: int) -> tuple[list[float], int]:
    """Upload a photograph so many times at once; return the seconds that each took, and how many were not answered."""
    together = Barrier(count)

    def one(_: int) -> tuple[float, bool]:
        with httpx.Client(timeout=LIMIT) as client:
            together.wait()
            start = time.perf_counter()
            answer = client.post(address, content=content, headers={"Content-Type": "image/jpeg"})
            return time.perf_counter() - start, answer.status_code == httpx.codes.OK

    with ThreadPoolExecutor(count) as pool:
        found = list(pool.map(one, range(count)))
    return [seconds for seconds, answered in found if answered], sum(not answered for _, answered in found)


@click.command()
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.argument("photograph", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--at-once", type=click.IntRange(2, 500), default=50, show_default=True)
@click.option("--rounds", type=click.IntRange(1, 20), default=3, show_default=True)
@click.option("--maps", is_flag=True, help="Ask for maps too, as the page does.")
@click.option("--device", default="auto", show_default=True)
def main(run: Path, photograph: Path, at_once: int, rounds: int, maps: bool, device: str) -> None:
    """Measure, and print a line a round."""
    command = [sys.executable, "-m", "trainer", "serve", str(run), "--port", "0", "--device", device]
    content = photograph.read_bytes()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            line = server.stdout.readline().strip() if server.stdout else ""
            if not line.startswith("http"):
                sys.exit("the server did not start")
            address = f"{line}api/answer{'?maps=1' if maps else ''}"
            httpx.post(address, content=content, timeout=LIMIT).raise_for_status()
            click.echo(f"{at_once} uploads of {photograph.name} ({len(content) / 1024:.0f} KiB) at once, {processor()}")
            for number in range(1, rounds + 1):
                start = time.perf_counter()
                seconds, refused = uploads(address, content, at_once)
                rate = len(seconds) / (time.perf_counter() - start)
                p95 = quantiles(seconds, n=20)[-1]
                click.echo(
                    f"round {number}: p50 {median(seconds):.2f} s, p95 {p95:.2f} s, longest {max(seconds):.2f} s, "
                    f"{rate:.0f} a second, {refused} not answered"
                )
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
