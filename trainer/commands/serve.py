"""``hiertrain serve``: a page and an API that answer for photographs."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import click

from trainer.commands.flags import command_reporter
from trainer.commands.options import options
from trainer.commands.parameters import RUN_OR_ONNX, check_places


@click.command()
@click.argument("run", type=RUN_OR_ONNX)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of this machine to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any that is free.")
@click.option("--allow-host", multiple=True, metavar="NAME",
              help="Another name under which it may be asked for, such as that of a proxy before it.")  # fmt: skip
@click.option("--max-mib", type=click.FloatRange(0, 1024, min_open=True), default=20, show_default=True,
              help="The largest photograph.")  # fmt: skip
@click.option("--audience", multiple=True, metavar="FILE[:groupN]",
              help="People to answer for beside amateur and expert: a file of hiertax study profile.")  # fmt: skip
@options("device")
def serve(
    run: Path, host: str, port: int, allow_host: tuple[str, ...], max_mib: float, audience: tuple[str, ...],
    device: str,
) -> None:  # fmt: skip
    """Serve a page where people give photographs and say how sure an answer has to be, or for whom; and a JSON API.

    It prints its address once it answers, and stops by Ctrl-C. Photographs are answered in memory and not kept.

    \b
    Example:
      hiertrain serve runs/cub_wiki-ours-0
      hiertrain serve cub.onnx --port 0
      hiertrain serve runs/cub_wiki-ours-0 --audience profile.json:group2
      curl --data-binary @photo.jpg -H "Content-Type: image/jpeg" "http://127.0.0.1:8000/api/answer?confidence=0.9"
    """
    check_places()
    import uvicorn  # noqa: F401 - whether it is there is asked before torch, which takes seconds, is loaded

    from taxonomy.web.guard import LOOPBACK
    from taxonomy.web.server import address, listen
    from taxonomy.web.server import serve as answer_requests
    from trainer.serve.app import application
    from trainer.serve.limits import ServingLimits

    with listen(host, port) as opened:
        reporter = command_reporter()
        if (line := warning(opened.getsockname()[0])) is not None:
            reporter.say(line)
        from trainer.api.model import load

        limits, model = ServingLimits(body=round(max_mib * 2**20)), load(run, device=device)
        names = (*LOOPBACK, f"[{host}]" if ":" in host else host, *allow_host)
        app = application(model, limits, hosts=names, audiences=audience, reporter=reporter)
        click.echo(address(opened))
        answer_requests(app, opened)


def warning(host: str) -> str | None:
    """Return what is to be said of an address that other machines may reach; None of one that they cannot."""
    if ip_address(host.partition("%")[0]).is_loopback:
        return None
    return f"`host` {host}: other machines can reach it and ask, by the names given as `host` and `allow_host`"
