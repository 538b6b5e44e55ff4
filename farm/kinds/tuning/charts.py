"""Charts of searches: accuracy against joules for each study."""

from collections.abc import Sequence
from functools import partial

from farm.kinds.tuning.workloads import Workload
from farm.report.charts import in_parts
from farm.report.document import Figure
from farm.report.drawing import WIDE, Value, chart, curves, quantity, series
from farm.report.layout import named


def charts(workloads: Sequence[Workload], how: str, is_net: bool) -> list[Figure]:
    """Draw the best accuracy so far against the joules that the search has spent.

    Args:
        workloads: the results of the sweep; studies with unknown joules are left out.
        how: how the joules were obtained.
        is_net: True if the joules are net.
    """
    word = "net" if is_net else "gross"
    caption = f"One line for each study, one step for each configuration. {word.capitalize()} J so far. Joules: {how}."
    found = []
    for workload in workloads:
        values = [
            {"series": study.strategy, "study": f"{study.strategy}/{study.seed}", "j": step.joules}
            | {"accuracy": step.accuracy * 100, "trials": step.trials}
            for study in workload.studies
            if study.is_metered
            for step in study.curve()
            if step.accuracy is not None
        ]
        where = f", {named(dict(workload.key))}" if workload.key else ""
        found += in_parts(values, partial(_search, word, where, caption))
    return found


def _search(word: str, where: str, caption: str, values: Sequence[Value]) -> Figure:
    x = quantity("j", f"{word} J spent by the study", (value["j"] for value in values))
    line = curves(x, quantity("accuracy", "best accuracy so far, %"), series(values))
    line["mark"] |= {"interpolate": "step-after", "opacity": 0.8}
    line["encoding"]["detail"] = {"field": "study"}
    name = f"Best accuracy against joules spent{where}"
    return Figure(name, caption, chart(values, [line], width=WIDE), is_wide=True)
