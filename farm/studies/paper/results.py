"""The results of a sweep as a document, also where its kind still renders for a terminal."""

from collections.abc import Iterator, Mapping, Sequence

from farm.analysis.aggregate import Summary
from farm.kinds.layers import results as layers
from farm.kinds.layers.costs import LayersSummary
from farm.kinds.training import results as training
from farm.kinds.training.runs import TrainingSummary
from farm.kinds.views import View
from farm.model import Quality, TrialRow
from farm.report import charts as shared
from farm.report import tables
from farm.report.document import Alert, Block, Document, Findings, Paragraph, findings
from farm.report.numbers import count, net, percent, percent_interval
from farm.studies.paper import charts


def document(view: View | Document, trials: Sequence[TrialRow]) -> Document:
    """Return the results, with their charts before what they say in words."""
    if isinstance(view, Document):
        return view
    blocks = list(map(_warning, tables.blocks(view.rendered())))
    shown = [block for block in blocks if not isinstance(block, Findings)]
    found = [item for block in blocks if isinstance(block, Findings) for item in block.items] or list(_gist(view))
    by_id: Mapping[str, TrialRow] = {trial.trial: trial for trial in trials}
    return Document([*shown, *charts.figures(view, by_id), *findings(found)], view.records())


def _warning(block: Block) -> Block:
    is_warning = isinstance(block, Paragraph) and block.text.startswith(("SIMULATED ", "IMPORTED: "))
    return Alert(block.text) if isinstance(block, Paragraph) and is_warning else block


def _gist(view: View) -> Iterator[str]:
    """A sentence a row, of kinds that say nothing in words."""
    match view:
        case training.Results():
            yield from map(_trained, view.summaries)
        case layers.Results():
            yield from map(_taken_apart, view.summaries)


def _trained(summary: TrainingSummary) -> str:
    reached, work = percent_interval(summary.last_accuracy), summary.work
    after = f"accuracy {reached} % after {count(summary.epochs.mean)} epochs"
    return f"{shared.label(work)}: {after}, for {net(work.net_j)} J net per image of training{_kind(work)}."


def _kind(work: Summary) -> str:
    words = ["modelled"] if work.quality is Quality.MODELLED else []
    words += ["simulated"] if work.simulated else []
    return f" ({', '.join(words)})" if words else ""


def _taken_apart(summary: LayersSummary) -> str:
    """Which type of layer takes most, and whether the layers explain the whole."""
    ranked = sorted((t for t in summary.costs.types if t.share is not None), key=lambda t: -(t.share or 0.0))
    if not ranked:
        return f"{shared.label(summary.whole)}: the shares of its layers are unknown."
    most = f"{ranked[0].type} takes most, {percent(ranked[0].share or 0.0)} of the energy of all layers"
    open_ = [closure.pass_ for closure in summary.costs.closures if closure.is_closed is False]
    doubt = f"; the layers alone do not add up to the whole ({', '.join(open_)})" if open_ else ""
    return f"{shared.label(summary.whole)}: {most}{_kind(summary.whole)}{doubt}."
