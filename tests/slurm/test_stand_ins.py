"""What jobs ask Slurm for under the profile, by stand-ins for its commands and for the rules."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.helpers.project import ENVIRONMENT, ROOT, Project, succeeded
from tests.helpers.slurm import IMPATIENT, PLUGIN, WITHOUT_ACCOUNTING

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(not PLUGIN.is_dir(), reason=f"needs {PLUGIN.name}: `make slurm`"),
]
# A job is run while it is submitted, so that it has ended as soon as it has a number.
SBATCH = f"""\
#!{sys.executable}
import json, subprocess, sys
from pathlib import Path
command = next(word for word in sys.argv if word.startswith("--wrap="))
status = subprocess.run(command.removeprefix("--wrap="), shell=True, stdout=sys.stderr).returncode
with Path(__file__).with_name("jobs").open("a") as jobs:
    jobs.write(json.dumps(sys.argv[1:]) + "\\n")
    print(number := jobs.tell())
with Path(__file__).with_name("states").open("a") as states:
    states.write(f"{{number}}|{{'FAILED' if status else 'COMPLETED'}}\\n")
"""
COMMANDS = {
    "sbatch": SBATCH,
    "srun": '#!/bin/sh\nwhile [ "$1" != "${1#-}" ]; do shift; done\nexec "$@"\n',
    "squeue": '#!/bin/sh\ncat "$(dirname "$0")/states"\n',
    # Else the plugin would not trust `squeue`.
    "scontrol": "#!/bin/sh\necho 'MinJobAge = 300 sec'\n",
    **dict.fromkeys(("sacct", "sacctmgr", "scancel", "sinfo", "sshare"), "#!/bin/sh\n"),
}
SNAKEFILE = """
rule all:
    input:
        "run", "manifest", "report.html"

rule fetch_archive:
    output: "archive"
    localrule: True
    shell: "touch {output}"

rule train_clipn:
    input: "archive"
    output: "run"
    threads: 2
    resources: mem_mb=1500, gpu=4, cpu_percent=100
    shell: "touch {output}"

rule verify_dataset:
    input: "archive"
    output: "manifest"
    threads: 2
    resources: mem_mb=400, gpu=0
    shell: "touch {output}"

rule tables:
    input: "archive"
    output: "tables.csv"
    shell: "touch {output}"

rule report_page:
    input: "tables.csv"
    output: "report.html"
    shell: "touch {output}"
"""


@pytest.fixture
def jobs(tmp_path: Path) -> dict[str, str]:
    """Words of the calls of `sbatch` by what each is for."""
    project, programs = Project(tmp_path / "project"), tmp_path / "bin"
    for folder in (project.folder, programs):
        folder.mkdir()
    (project.folder / "Snakefile").write_text(SNAKEFILE)
    for name, script in COMMANDS.items():
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    path = os.pathsep.join([str(programs), ENVIRONMENT["PATH"]])
    profile = ["--workflow-profile", str(ROOT / "workflow/profiles/slurm"), *IMPATIENT, *WITHOUT_ACCOUNTING]
    succeeded(project.run("snakemake", *profile, "all", PATH=path, PYTHONPATH=str(PLUGIN)))
    calls = map(json.loads, (programs / "jobs").read_text().splitlines())
    return {words[words.index("--comment") + 1]: " ".join(words) for words in calls}


def test_jobs_ask_for_what_the_profile_and_the_rules_say(jobs: dict[str, str]) -> None:
    training, group = jobs.pop("rule_train_clipn"), jobs.pop("rule_results_report_page_tables")
    for words in ("-t 1110 ", "--mem 20000 ", "--cpus-per-gpu=5 ", "--signal=TERM@120 "):
        assert words in training
    # One after the other, each a quarter of an hour.
    assert "-t 30 " in group
    # The memory and threads of the rule where the profile says nothing, and no GPU; nothing else was submitted.
    assert "-t 30 --mem 400 --ntasks=1 --cpus-per-task=2 " in jobs.pop("rule_verify_dataset")
    assert not jobs
