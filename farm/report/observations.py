"""Observations: one value for each trial of a sweep, ready for an analysis."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from farm.analysis.aggregate import UnitSample
from farm.analysis.rules import may_rank_energy, net_stands_out
from farm.analysis.samples import unit_samples
from farm.analysis.statistics.data import Data
from farm.load.served import Served, served, statistic_of
from farm.model import UNKNOWN_HARDWARE, Flag, Need, Requests, Scalar, SweepData
from farm.model.errors import InputError
from farm.model.words import LARGEST_VALUE
from farm.report import notes
from farm.report.columns import Columns
from farm.report.document import Alert, Block, Paragraph, paragraphs
from farm.report.numbers import label, several
from farm.report.selection import KINDS_OF_JOULES, Labels, Selection, known_names, select

COLUMNS = Columns(always=(), context=("machine", "device", "model", "dataset", "batch_size", "precision"))
#: A caption names at most so many factors; a search has more.
_NAMED = 6


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial that may be analysed."""

    sample: UnitSample
    accuracy: float | None  #: the accuracy of a training after its last epoch
    unit: str  #: the unit of work
    served: Served | None = None  #: the requests of a live trial

    @property
    def labels(self) -> Labels:
        """Labels by which trials may be grouped."""
        return self.sample.labels


@dataclass(frozen=True, slots=True)
class Response:
    """A quantity of a trial that may be analysed."""

    words: str
    unit: str
    of: Callable[[Trial], float | None]
    is_energy: bool = False
    needs: tuple[Need, ...] = ()  #: the data that it reads besides the samples


def _latency_s(trial: Trial) -> float | None:
    return median(trial.sample.latencies_s) if trial.sample.latencies_s else None


def _response_s(trial: Trial, name: str) -> float | None:
    """Return a statistic of the response times; None also if the queue of the trial grew without bound."""
    if trial.served is None or Flag.SATURATED in trial.sample.flags:
        return None
    return float(statistic_of(trial.served.response_s, name))


#: Responses for one unit of work, such as an image; latencies, response times and accuracies count for the trial.
RESPONSES: Mapping[str, Response] = {
    "net_j": Response("net energy", "J net", lambda t: t.sample.net_j, is_energy=True),
    "gross_j": Response("gross energy", "J gross", lambda t: t.sample.gross_j, is_energy=True),
    "carbon_g": Response("carbon", "gCO2e", lambda t: t.sample.carbon_g, is_energy=True),
    "seconds": Response("time", "s", lambda t: t.sample.seconds),
    "units_per_s": Response("throughput", "units of work a second", lambda t: t.sample.units_per_s),
    "latency_s": Response("latency", "s, median batch of a trial", _latency_s, needs=(Need.LATENCIES,)),
    "response_s": Response(
        "response time",
        "s, mean of a trial's live requests",
        lambda t: _response_s(t, "mean"),
        needs=(Need.REQUESTS,),
    ),
    "response_p99_s": Response(
        "p99 response time", "s, of a trial's live requests", lambda t: _response_s(t, "p99"), needs=(Need.REQUESTS,)
    ),
    "accuracy": Response(
        "accuracy",
        "share of validation images, after the last epoch",
        lambda t: t.accuracy,
        needs=(Need.LAST_ACCURACY,),
    ),
}
#: This response is net_j if all net energies stand out of their noise, else gross_j; if energy is modelled, seconds.
ENERGY = "energy"
_PER_UNIT = ("net_j", "gross_j", "carbon_g", "seconds")


@dataclass(frozen=True, slots=True)
class Observations:
    """Values with their caption and notes."""

    data: Data
    caption: tuple[Block, ...]
    notes: tuple[str, ...] = ()
    left_out: str = ""  #: a sentence on the trials that their flags left out; empty if there are none


@dataclass(frozen=True, slots=True)
class Chosen:
    """The trials of a sweep that are analysed, with facts for the caption."""

    trials: tuple[Trial, ...]
    title: str
    joules: str  #: which joules they are, and how they were obtained
    warnings: tuple[str, ...]  #: reasons why the joules are not measurements of this farm
    left_out: str  #: a sentence on the trials that their flags left out; empty if there are none
    notes: tuple[str, ...]  #: the same sentence, and the flags


def needs(response: str) -> tuple[Need, ...]:
    """Return the data that observations of a response need besides the samples."""
    known = RESPONSES.get(response)  # that of `ENERGY` needs no more, and an unknown one is rejected later
    return (Need.MEASURES, *(known.needs if known else ()))


def choose_trials(data: SweepData, names: Sequence[str], selection: Selection) -> Chosen:
    """Choose the trials of a selection that no flag leaves out; raises InputError if there are none."""
    sweep = data.record
    selected = select(sweep, unit_samples(data), replace(selection, by=tuple(names)), COLUMNS)
    kept = [s for s in selected.samples if selection.include_flagged or s.is_valid]
    flags = Counter(flag for sample in selected.samples for flag in sample.flags)
    left_out = len(selected.samples) - len(kept)
    if not selected.samples:
        raise InputError(f"{sweep.name}: nothing is measured yet: `farm status {sweep.id}` shows how it progresses")
    if not kept:
        named = ", ".join(f"{flag} {count}" for flag, count in flags.most_common())
        raise InputError(f"{sweep.name}: all trials are flagged ({named}): --include-flagged analyses them")
    away = notes.flagged_trials(left_out, 0, len(selected.samples))
    return Chosen(
        trials=tuple(_trial(sample, data.last_accuracy, data.requests) for sample in kept),
        title=selected.title,
        joules=selected.joules,
        warnings=tuple(selected.warnings),
        left_out=away,
        notes=(*([f"{away}."] if away else []), *notes.flagged(flags)),
    )


def of_sweep(data: SweepData, response: str, factors: Sequence[str], selection: Selection) -> Observations:
    """Return the values of a sweep; raises InputError if trials may not be compared or a value is unknown."""
    factors = known_names([sample.labels for sample in unit_samples(data)], factors)
    found = choose_trials(data, factors, selection)
    name, values = responses(found.trials, response)
    labels = [trial.labels for trial in found.trials]
    check_kinds(labels, factors, RESPONSES[name].is_energy)
    check_hardware(labels, factors)
    columns = {factor: tuple(own.get(factor) for own in labels) for factor in factors}
    planned = tuple(data.record.rule.is_planned(own.get("repetition")) for own in labels)
    caption: list[Block] = [Paragraph(found.title), *caption_blocks(found, found.trials, response, name)]
    caption += paragraphs(_spread(labels, factors))
    notes = (*found.notes, *pooling_notes(labels, factors))
    of = Data(response_name(response, found.trials), values, columns, planned=planned)
    return Observations(of, tuple(caption), notes, found.left_out)


def observe(
    response: str, values: tuple[float, ...], columns: Mapping[str, tuple[Scalar, ...]], caption: Block
) -> Observations:
    """Return values from elsewhere, with the levels of their factors, as observations."""
    return Observations(Data(response, values, columns), (caption,))


def logarithms(seen: Observations) -> Observations:
    """Return the observations on a logarithmic scale; raises InputError if a value is 0 or less."""
    return replace(seen, data=seen.data.logs())


def responses(trials: Sequence[Trial], wanted: str) -> tuple[str, tuple[float, ...]]:
    """Return the name of the response and its value in each trial; raises InputError if a value is unknown."""
    if wanted not in {ENERGY, *RESPONSES}:
        raise InputError(f"--response: expected {', '.join((ENERGY, *RESPONSES))}, got {wanted!r}")
    name = _energy(trials) if wanted == ENERGY else wanted
    values = [RESPONSES[name].of(trial) for trial in trials]
    unknown = sum(value is None for value in values)
    if unknown:
        raise InputError(f"--response: {name} is unknown in {unknown} of {several(len(values), 'trial')}")
    known = tuple(value for value in values if value is not None)
    check_size(name, known)
    return name, known


def _energy(trials: Sequence[Trial]) -> str:
    """Return the response that ranks by energy, or by time where energy is modelled."""
    if not any(may_rank_energy(trial.sample.quality) for trial in trials):
        return "seconds"
    are_net = all(net_stands_out(trial.sample.net_j, trial.sample.net_u_j) for trial in trials)
    return "net_j" if are_net else "gross_j"


def check_size(name: str, values: Sequence[float]) -> None:
    """Raise InputError if squares of the values would overflow or underflow."""
    largest = max(map(abs, values), default=0.0)
    if largest and not 1 / LARGEST_VALUE <= largest <= LARGEST_VALUE:
        kept = f"{1 / LARGEST_VALUE:g} and {LARGEST_VALUE:g}"
        raise InputError(f"--response: {name} is as large as {largest:g}: expected between {kept}, in another unit")


def response_name(wanted: str, trials: Sequence[Trial]) -> str:
    """Return the name of the response for sentences; simulated and modelled values are named as such."""
    kinds = {t.sample.quality for t in trials}, {t.sample.simulated for t in trials}
    is_modelled = not any(map(may_rank_energy, kinds[0]))
    words = ["simulated"] if True in kinds[1] else []
    if wanted == ENERGY:
        return " ".join((*words, RESPONSES["seconds"].words if is_modelled else ENERGY))
    words += ["modelled"] if is_modelled and RESPONSES[wanted].is_energy else []
    return " ".join((*words, RESPONSES[wanted].words))


def caption_blocks(found: Chosen, trials: Sequence[Trial], wanted: str, name: str) -> list[Block]:
    """Return blocks on the labels that all trials share, the origin of their joules, and the response."""
    levels = {name: {trial.labels.get(name) for trial in trials} for name in COLUMNS.context}
    shared = {name: next(iter(own)) for name, own in levels.items() if len(own) == 1}
    spelt = ", ".join(f"{name} {label(level)}" for name, level in shared.items() if level is not None)
    joules = [found.joules] if RESPONSES[name].is_energy else []
    per = f" per {trials[0].unit}" if name in _PER_UNIT else ""
    doubt = "unknown" if all(trial.sample.net_j is None for trial in trials) else "within its noise"
    reasons = {"gross_j": f", because net energy is {doubt}", "seconds": f", because {notes.MODELLED}"}
    why = reasons.get(name, "") if wanted == ENERGY else ""
    compared = RESPONSES[name].words if name == "seconds" else wanted
    response = f"{compared}: {RESPONSES[name].unit}{per}{why}; {several(len(trials), 'trial')}"
    lines = [*([spelt] if spelt else []), *joules, response]
    return [*paragraphs(lines), *map(Alert, found.warnings)]


def check_kinds(labels: Sequence[Labels], factors: Sequence[str] = (), is_energy: bool = True) -> None:
    """Raise InputError if an analysis would mix different kinds of joules; domains may be a factor."""
    of_joules_alone = {"domain", "quality", "rating"}
    for name in KINDS_OF_JOULES:
        levels = list(dict.fromkeys(own.get(name) for own in labels))
        is_free = (name in of_joules_alone and not is_energy) or (name == "domain" and name in factors)
        if len(levels) > 1 and not is_free:
            named = ", ".join("null" if level is None else label(level) for level in levels)
            raise InputError(f"trials of different {name} ({named}) are never mixed: choose by --where {name}=...")


def check_hardware(labels: Sequence[Labels], factors: Sequence[str]) -> None:
    """Raise InputError if differences between hardware would count as spread."""
    classes = list(dict.fromkeys(own.get("hardware_class") for own in labels))
    if len(classes) > 1 and not {"hardware_class", "machine"} & set(factors):
        named = ", ".join(map(label, classes))
        raise InputError(f"different hardware ({named}): name hardware_class among --factors, or choose by --where")
    machines = list(
        dict.fromkeys(own.get("machine") for own in labels if own.get("hardware_class") == UNKNOWN_HARDWARE)
    )
    if len(machines) > 1 and "machine" not in factors:
        named = ", ".join(map(label, machines))
        raise InputError(f"machines of unknown hardware ({named}): name machine among --factors, or choose by --where")


def pooling_notes(labels: Sequence[Labels], factors: Sequence[str]) -> list[str]:
    """Return a note on the hardware classes of which several machines count as one."""
    if "machine" in factors:
        return []
    places = {(own.get("hardware_class"), own.get("machine")) for own in labels}
    several = {name: count for name, count in Counter(name for name, _ in places).items() if count > 1}
    if not several:
        return []
    named = ", ".join(f"{count} of {label(name)}" for name, count in several.items())
    return [f"Machines of one hardware class count as one ({named}). To separate them, use machine as a factor."]


def _trial(sample: UnitSample, accuracy: Mapping[str, float], requests: Mapping[str, Sequence[Requests]]) -> Trial:
    name, rate_per_s = str(sample.labels["trial"]), sample.labels.get("rate_per_s")
    live = served(requests.get(name, ()), float(rate_per_s) if rate_per_s else None)
    return Trial(sample, accuracy.get(name), str(sample.labels["unit"] or "unit"), live)


def _spread(labels: Sequence[Labels], factors: Sequence[str]) -> list[str]:
    """Return a line on the factors that differ inside the cells, since their effects count as spread."""
    bookkeeping = {"repetition", "job", "trial", "environment", "sweep", "machine", *KINDS_OF_JOULES}
    names = [name for name in labels[0] if name not in {*factors, *bookkeeping}]
    other = [name for name in names if len({own.get(name) for own in labels}) > 1]
    if not other:
        return []
    more = f" and {len(other) - _NAMED} more" if len(other) > _NAMED else ""
    return [f"these factors differ too, and count as spread: {', '.join(other[:_NAMED])}{more}"]
