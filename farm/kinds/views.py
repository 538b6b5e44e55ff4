"""The results of one sweep, of whatever kind, as a document."""

from farm.kinds.inference import results as inference
from farm.kinds.layers import results as layers
from farm.kinds.serving.live import results as live
from farm.kinds.training import results as training
from farm.kinds.tuning import results as tuning
from farm.model import SweepRecord
from farm.report.document import Document
from farm.report.selection import Selection
from farm.store import Store


def view(store: Store, sweep: SweepRecord, selection: Selection) -> Document:
    """Return what there is to see of a sweep; raises InputError for a choice that does not fit its kind."""
    match sweep.kind:
        case "training":
            return training.document(training.results(store, sweep, selection))
        case "tuning":
            return tuning.document(tuning.results(store, sweep, selection))
        case "layers":
            return layers.document(layers.results(store, sweep, selection))
        case "serving":
            return live.document(live.results(store, sweep, selection))
        case _:
            return inference.document(inference.results(store, sweep, selection))
