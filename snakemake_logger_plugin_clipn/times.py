"""How long steps take, and how long the rest of a run will."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from statistics import mean


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class Pace:
    """What the steps of a run took and will take.

    Args:
        waiting: number of steps to run, by rule.
    """

    def __init__(self, waiting: Mapping[str, int]) -> None:
        self._waiting = Counter(waiting)
        self._seconds = defaultdict[str, list[float]](list)
        self._busy = 0.0

    def learn(self, seconds: Mapping[str, Sequence[float]]) -> None:
        """Take what steps of earlier runs took, by rule."""
        for rule, several in seconds.items():
            self._seconds[rule] += several

    def start(self, rule: str) -> None:
        """A step of a rule starts."""
        self._waiting[rule] -= 1

    def finish(self, rule: str, seconds: float) -> None:
        """A step of a rule took its time."""
        self._seconds[rule].append(seconds)
        self._busy += seconds

    def left(self, running: Iterable[tuple[str, float]], elapsed: float) -> str:
        """The time left in words; empty where too little is known.

        It is the sum of what remains, by the mean of the steps of the same rule, over the number of steps that ran side
        by side so far; and no less than what remains of any one step.

        Args:
            running: rule of every running step, and the seconds since it started.
            elapsed: seconds since the run began.
        """
        running = list(running)
        busy = self._busy + sum(seconds for _, seconds in running)
        if busy <= 0 or elapsed <= 0:
            return ""
        known = {rule: mean(seconds) for rule, seconds in list(self._seconds.items()) if seconds}
        waiting = {rule: number for rule, number in list(self._waiting.items()) if number > 0}
        rest = [max(0.0, known[rule] - seconds) for rule, seconds in running if rule in known]
        total = sum(rest) + sum(number * known[rule] for rule, number in waiting.items() if rule in known)
        seconds = max([total * min(1.0, elapsed / busy), *rest])
        is_whole = known.keys() >= {*waiting, *(rule for rule, _ in running)}
        return _words(seconds, is_whole)


def _words(seconds: float, is_whole: bool) -> str:
    """An estimate as a person says it; a part of less than a minute says nothing."""
    minutes = ceil(seconds / 60)
    if minutes <= 1:
        return "under a minute left" if is_whole else ""
    hours = f"{minutes // 60} h " if minutes >= 60 else ""
    return f"{'about' if is_whole else 'at least'} {hours}{minutes % 60} min left"
