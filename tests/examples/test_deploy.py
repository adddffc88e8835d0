"""The files of `examples/deploy` say what the code does: ports, paths, users and times."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from examples.atlas.__main__ import main
from fastapi_kit.app import ServerOptions, create_app
from fastapi_kit.health import Check
from fastapi_kit.settings import Settings

DEPLOY = Path(__file__).parents[2] / "examples" / "deploy"
ROOT = DEPLOY.parents[1]
IMPORT_WITHOUT = """
import importlib.abc, json, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

absent = set(json.loads(sys.argv[1]))
sys.meta_path.insert(0, Missing())
import examples.atlas.__main__, examples.atlas.main
"""
SECRET = "Vr7wq0xJb3mZ9sKd5tYhL2nPc8fGaU4eTiRo6QvXz1M"


def documents(name: str) -> list[Any]:
    """What is in a YAML file."""
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, in order."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def final(keyword: str) -> str:
    """The last instruction of a kind."""
    return [arguments for word, arguments in instructions() if word == keyword][-1]


def installed(requirements: Iterable[str]) -> set[str]:
    """The distributions that pip installs for these requirements, by their canonical names."""
    reached: set[tuple[str, str]] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        wanted = waiting.pop()
        new = {(canonicalize_name(wanted.name), extra) for extra in ("", *wanted.extras)} - reached
        reached |= new
        for name, extra in new:
            needs = map(Requirement, distribution(name).requires or ())
            waiting += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra})]
    return {name for name, _ in reached}


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings that the image gives."""
    for pair in shlex.split(final("ENV").replace("$PATH", "")):
        name, _, value = pair.partition("=")
        if name in {"ENVIRONMENT", "PORT"}:
            monkeypatch.setenv(name, value)
    monkeypatch.delenv("DRAIN_SECONDS", raising=False)
    return Settings(secret_key=SECRET, public_docs=True)  # pyright: ignore[reportArgumentType]


def pod() -> Any:
    """The pod that Kubernetes makes."""
    return documents("kubernetes.yaml")[0]["spec"]["template"]["spec"]


def test_the_image_has_what_the_app_imports() -> None:
    """With nothing but what the Dockerfile installs the atlas can be imported."""
    command = next(arguments for word, arguments in instructions() if word == "RUN" and "pip install" in arguments)
    words = shlex.split(command.partition("pip install")[2])
    requirements = [word.replace(".[", "fastapi-kit[") for word in words if word not in {"-c", "versions.txt"}]
    present = installed(requirements)
    absent = [
        module
        for module, names in packages_distributions().items()
        if not present & set(map(canonicalize_name, names)) and not (ROOT / module).is_dir()
    ]
    url = "postgresql://atlas@database/atlas"  # as compose and Kubernetes set it; importing does not connect
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_WITHOUT, json.dumps(absent)],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url, "SECRET_KEY": SECRET},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_all_agree_on_the_port(production: Settings) -> None:
    """The image, its health check, compose, the pod and the service lead to the port that the app listens on."""
    [container] = pod()["containers"]
    [port] = container["ports"]
    deployment, service, _ = documents("kubernetes.yaml")
    assert production.environment == "production"
    assert int(final("EXPOSE")) == production.port == port["containerPort"]
    assert f"127.0.0.1:{production.port}/health" in final("HEALTHCHECK")
    assert documents("compose.yaml")[0]["services"]["app"]["ports"] == [f"{production.port}:{production.port}"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    assert {container[f"{kind}Probe"]["httpGet"]["port"] for kind in ("startup", "liveness", "readiness")} == {
        port["name"]
    }
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        documents("kubernetes.yaml")[2]["spec"]["selector"]["matchLabels"],
    ]
    assert selectors == [labels] * 3


def test_probes_ask_what_there_is(production: Settings) -> None:
    """Each probe's path is a route of the app, and only readiness depends on others."""
    [container] = pod()["containers"]
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/health", "liveness": "/health", "readiness": "/ready"}
    assert set(paths.values()) <= set(create_app(production).openapi()["paths"])
    for kind in paths:
        assert container[f"{kind}Probe"]["timeoutSeconds"] > Check.__dataclass_fields__["timeout"].default


def test_there_is_time_to_end(production: Settings) -> None:
    """Whoever kills the process waits longer than draining and the graceful shutdown take."""
    needed = production.drain_seconds + ServerOptions().graceful_timeout
    compose = documents("compose.yaml")[0]["services"]["app"]
    assert production.drain_seconds > 0
    assert pod()["terminationGracePeriodSeconds"] > needed
    assert int(compose["stop_grace_period"].removesuffix("s")) > needed
    assert "lifecycle" not in pod()["containers"][0]
    assert final("STOPSIGNAL") == "SIGTERM"


def test_nothing_runs_as_root_or_writes_to_its_files() -> None:
    """One user that is not root everywhere, a read-only file system, and no privileges."""
    [container] = pod()["containers"]
    compose = documents("compose.yaml")[0]["services"]["app"]
    assert int(final("USER")) == pod()["securityContext"]["runAsUser"] == 10001
    assert pod()["securityContext"]["runAsNonRoot"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (compose["read_only"], compose["cap_drop"]) == (True, ["ALL"])
    assert not any("restart" in str(line) and "root" in str(line) for line in instructions())


def test_the_image_starts_the_server_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """No shell swallows signals, and the command has the options that it is given."""
    command = yaml.safe_load(final("CMD"))
    assert command[:3] == ["python", "-m", "examples.atlas"]
    with pytest.raises(SystemExit):
        main([*command[3:], "--help"])
    for option in command[3:]:
        if option.startswith("--"):
            assert option in capsys.readouterr().out


def test_images_are_pinned_and_nothing_secret_is_written_down() -> None:
    """Bases have a full version, secrets come from outside, and what is copied exists."""
    for word, arguments in instructions():
        if word == "FROM":
            assert re.match(r"python:\d+\.\d+\.\d+-", arguments)
        if word == "COPY" and not arguments.startswith("--from"):
            assert all((DEPLOY.parents[1] / source).exists() for source in arguments.split()[:-1])
    compose = documents("compose.yaml")[0]["services"]
    assert re.search(r":\d+\.\d+-", compose["database"]["image"])
    for service in compose.values():
        for name, value in service["environment"].items():
            if re.search("PASSWORD|SECRET|DATABASE_URL", name):
                assert re.search(r"\$\{\w+:\?", value)
    assert pod()["containers"][0]["envFrom"] == [{"secretRef": {"name": "atlas"}}]
    names = {variable["name"] for variable in pod()["containers"][0]["env"]}
    assert not names & {"SECRET_KEY", "DATABASE_URL"}
