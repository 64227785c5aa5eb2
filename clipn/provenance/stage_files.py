"""The files of records that travel with the results: one file per stage, one line of JSON per job, sorted.

A file holds the records of the stage's outputs and of all that they were made from, so that a part of the results that
travels alone still has its whole history. Further lines hold the hashes of the modules behind the fingerprints of their
code.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from clipn.errors import ClipnError
from clipn.files import write_text
from clipn.provenance.records import JobRecord, RecordFields, read_records
from clipn.provenance.stages import RECORD_FILES, Stage, damaged_objects, in_cache
from clipn.provenance.state.hash_cache import HashCache
from clipn.provenance.state.run_state import RunState
from clipn.study.paths import study_folder

OUTPUTS = TypeAdapter(dict[str, str | None])
MODULES = TypeAdapter(dict[str, dict[str, str]])


@dataclass(frozen=True)
class StageRecords:
    """What one file says.

    Attributes:
        records: by path of the output.
        modules: hashes of modules, by module, by fingerprint.
    """

    records: dict[str, JobRecord]
    modules: dict[str, dict[str, str]]


def ancestors(paths: list[str], records: Mapping[str, JobRecord]) -> Iterator[str]:
    """`paths` and all that they were made from, each once."""
    seen, waiting = set(paths), list(paths)
    while waiting:
        path = waiting.pop()
        yield path
        inputs = records[path].inputs if path in records else []
        waiting += [name for name in inputs if name not in seen]
        seen.update(inputs)


def all_records(root: Path) -> dict[str, JobRecord]:
    """Local records; where there is none, those that travelled with the results of all studies."""
    return _travelled(root.glob(RECORD_FILES)) | read_records(root)


def study_records(root: Path, study: str) -> dict[str, JobRecord]:
    """As `all_records`, but of what travelled only those of one study; errors of another's do not count."""
    return _travelled((root / study_folder(study) / "provenance").glob("*.jsonl")) | read_records(root)


def _travelled(files: Iterable[Path]) -> dict[str, JobRecord]:
    found = (read_stage_records(file).records for file in sorted(files))
    return {path: record for records in found for path, record in records.items()}


def write_stage_records(
    stages: list[Stage],
    home: str,
    records: Mapping[str, JobRecord],
    expected: AbstractSet[str],
    cache: HashCache,
    state: RunState,
) -> None:
    """Write the file of every stage of which a study has files, where it is not there as it should be.

    Args:
        stages: of dvc.yaml.
        home: folder of the study, with a slash; files elsewhere are the study's if they were made from files in there.
        records: of all files, by path.
        expected: files that the study makes; their records are kept also while they are not here.
        cache: hashes of the project's files.
        state: has the modules; gets the hashes of what was written.
    """
    jobs = job_texts(records)
    ours = [path for path in sorted(records) if any(name.startswith(home) for name in (path, *records[path].inputs))]
    for stage in stages:
        paths = [path for path in ours if stage.has(path)]
        # A study that shares another's data has none of its own: DVC still wants the file, with no line in it.
        if any(map(stage.has, expected)) and not any(cache.sha256(path) for path in paths):
            continue
        # DVC wants all folders of a stage, also those that this study has nothing for.
        for folder in stage.folders:
            if not any(path.startswith(f"{folder}/") for path in expected):
                (cache.root / folder).mkdir(parents=True, exist_ok=True)
        text = format_records([path for path in paths if path in expected or cache.sha256(path)], records, jobs, state)
        if cache.sha256(stage.records) != hashlib.sha256(text.encode()).hexdigest():
            write_text(cache.root / stage.records, text)
        state.written[stage.records] = str(cache.sha256(stage.records))


def job_texts(records: Mapping[str, JobRecord]) -> dict[str, str]:
    """What is known of the job that made a file, as text, by path; that of one job is made and held once."""
    # Outputs of one job share its content (`read_records`), and a job is in the files of its stage and of all after it.
    texts: dict[tuple[int, tuple[str, ...], str | None], str] = {}
    jobs = {}
    for path, record in records.items():
        job = id(record.content), record.accepted, record.made_with
        if job not in texts:
            told = {"accepted": list(record.accepted), "made_with": record.made_with}
            texts[job] = json.dumps({**record.content, **told})
        jobs[path] = texts[job]
    return jobs


def format_records(paths: list[str], records: Mapping[str, JobRecord], jobs: Mapping[str, str], state: RunState) -> str:
    """Text of a file: the jobs that made `paths` and their ancestors, each with all its outputs.

    Args:
        paths: files of one stage.
        records: of all files, by path.
        jobs: what is known of the job that made a file, as text, by path; outputs of one job have the same.
        state: for modules.
    """
    outputs: dict[str, list[str]] = {jobs[path]: [] for path in ancestors(paths, records) if path in records}
    for path in sorted(records):
        if jobs[path] in outputs:
            outputs[jobs[path]].append(path)
    ordered = sorted(outputs.items(), key=lambda job: job[1])
    hashes = [(job, json.dumps({path: records[path].sha256 for path in made})) for job, made in ordered]
    lines = [f'{{"job": {job}, "outputs": {sha256}}}' for job, sha256 in hashes]
    made_by = [records[made[0]] for made in outputs.values()]
    codes = sorted({record.code for record in made_by if record.code} & state.modules.keys())
    modules = [{"fingerprint": code, "modules": state.modules[code]} for code in codes]
    lines += [json.dumps(value, sort_keys=True) for value in modules]
    return "".join(f"{line}\n" for line in lines)


def read_stage_records(path: Path) -> StageRecords:
    """Parse such a file.

    Raises:
        ClipnError: it is not one; the message says how to get it back.
    """
    found = StageRecords({}, {})
    try:
        for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            if "outputs" in line:
                job = dict(line["job"])
                job.pop("settings", None)  # of an earlier version
                RecordFields.model_validate(job)
                accepted, words = tuple(job.pop("accepted")), job.pop("made_with", None)
                for output, sha256 in OUTPUTS.validate_python(line["outputs"]).items():
                    found.records[output] = JobRecord(job, sha256=sha256, accepted=accepted, made_with=words)
            elif "modules" in line:
                found.modules.update(MODULES.validate_python({line["fingerprint"]: line["modules"]}))
            else:
                _ = line["study"]  # settings of a study, of an earlier version; any other line is damage
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        remedy = f"get it back with `dvc checkout --force {path}`, or remove it if its results were made here"
        if damaged := damaged_objects([path]):
            pull = f"`dvc pull {path}` gets it from a remote, and a run writes it again if its results were made here"
            remedy = f"{in_cache(damaged)}; remove both, then {pull}"
        raise ClipnError(f"{path}: is no file of records; {remedy}") from error
    return found
