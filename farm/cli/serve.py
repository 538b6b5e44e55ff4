"""`farm serve`. Modules are imported on use, so that help is fast."""

from typing import Annotated

import typer

from farm.cli.output import note, opened


def serve(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more than warnings.")] = False,
    metrics: Annotated[
        str | None, typer.Option(metavar="[HOST:]PORT", help="Answer Prometheus there; default FARM_METRICS.")
    ] = None,
) -> None:
    """Run the controller: it publishes jobs and takes back lost ones."""
    import gc
    import logging
    import signal
    from threading import Event

    from farm.scheduling.broker import Publisher
    from farm.scheduling.controller import Controller
    from farm.scheduling.metrics import Metrics, answer
    from farm.settings import load_settings, logs

    logs.set_up(load_settings().log_format, verbose)
    with opened(create=True) as (store, settings):
        stop = Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        publisher = Publisher(settings)
        controller = Controller(store, publisher, settings)
        lines = ["serving: Ctrl-C stops it; workers go on with the jobs that they have"]
        if address := metrics or settings.metrics:
            lines.append(
                f"metrics: {answer(Metrics(store, publisher.depths, lambda: controller.last_round_at), address)}"
            )
        if logs.is_structured():
            logging.getLogger("farm").info("; ".join(lines))
        else:
            note(lines)
        gc.freeze()  # what is loaded now lives as long as the controller: collections are cheap and soon without it
        controller.serve(stop)
