"""Slurm on this machine: a controller and one node, whose files and ports are their own; nothing else is touched."""

import os
import secrets
import shutil
import socket
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.helpers.project import ENVIRONMENT, ROOT, Outcome, Project

PLUGIN = ROOT / ".slurm"
"""Where `make slurm` puts Snakemake's plugin; whatever else that needs is among our own requirements."""
# CPUs and memory are made up, so that what jobs ask for is granted on the smallest machine.
CONFIGURATION = """\
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
MinJobAge=36000
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=1000000
PartitionName=main Nodes=node Default=YES MaxTime=INFINITE State=UP
"""
IMPATIENT = ["--slurm-init-seconds-before-status-checks=1", "--seconds-between-status-checks=1"]
WITHOUT_ACCOUNTING = ["--slurm-status-command=squeue", "--slurm-no-account"]
# Snakemake's plugin takes Slurm's variables out of the environment of `srun`.
SRUN = """\
#!/bin/sh
SLURM_CONF={configuration} exec {srun} "$@"
"""


def lacking() -> str | None:
    """What is not here that `Controller` needs; None: all is."""
    absent = (name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name) is None)
    if os.geteuid() != 0:
        return "root"
    return next(absent, None if PLUGIN.is_dir() else PLUGIN.name)


class Controller:
    """A controller that runs.

    Attributes:
        programs: folder whose programs jobs find before all others.
    """

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self._configuration = folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """For Slurm's commands."""
        path = os.pathsep.join([str(self.programs), ENVIRONMENT["PATH"]])
        return {**ENVIRONMENT, "PATH": path, "SLURM_CONF": str(self._configuration)}

    def ask(self, *command: str) -> str:
        """What one of Slurm's commands says."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout

    def add(self, name: str, script: str) -> None:
        """Put a program before all others of its name."""
        program = self.programs / name
        program.write_text(script)
        program.chmod(0o755)

    def snakemake(self, project: Project, *arguments: str) -> Outcome:
        """Run Snakemake in a project with its profile for Slurm."""
        variables = self.environment | {"PYTHONPATH": os.pathsep.join(map(str, (project.folder, PLUGIN)))}
        profile = ["--workflow-profile", "workflow/profiles/slurm", *IMPATIENT, *WITHOUT_ACCOUNTING]
        return project.run("snakemake", *profile, *arguments, **variables)

    def states(self) -> dict[str, list[str]]:
        """How the jobs of every rule or group ended, in the order in which they were submitted."""
        ended: dict[str, list[str]] = defaultdict(list)
        for line in self.ask("squeue", "--states=all", "--noheader", "--sort=i", "--format=%T %k").splitlines():
            state, comment = line.split(maxsplit=1)
            ended[comment.split()[0]].append(state)
        return ended


@contextmanager
def running(folder: Path) -> Iterator[Controller]:
    """Boot a controller and its node, and end both and all jobs at last."""
    controller = Controller(folder)
    for path in (folder / "state", folder / "spool", controller.programs):
        path.mkdir(parents=True)
    # Munge refuses a socket that other users cannot reach.
    folder.chmod(0o755)
    key, munge = folder / "munge.key", folder / "munge.socket"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    files = {name: f"--{name}-file={folder / name}" for name in ("log", "pid", "seed")}
    configuration = folder / "slurm.conf"
    ports = {"controller_port": _free_port(), "node_port": _free_port()}
    configuration.write_text(CONFIGURATION.format(folder=folder, host=socket.gethostname(), **ports))
    controller.add("srun", SRUN.format(configuration=configuration, srun=shutil.which("srun")))
    with ExitStack() as stack:
        subprocess.run(["munged", "--force", f"--socket={munge}", f"--key-file={key}", *files.values()], check=True)
        stack.callback(subprocess.run, ["munged", "--stop", f"--socket={munge}"], check=True)
        for command in (["slurmctld", "-D"], ["slurmd", "-D", "-N", "node"]):
            log = stack.enter_context((folder / f"{command[0]}.log").open("w"))
            daemon = subprocess.Popen(command, env=controller.environment, stdout=log, stderr=log)
            stack.callback(daemon.wait)
            stack.callback(daemon.terminate)
        # Waits until the controller answers and the node is there.
        controller.ask("srun", "--ntasks=1", "true")
        stack.callback(controller.ask, "scancel", "--signal=KILL", "--full", "--user=root")
        yield controller


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
