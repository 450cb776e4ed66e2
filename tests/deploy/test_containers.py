"""Docker and Kubernetes: what the files name exists, and has the fields that the programs need."""

import fnmatch
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from dask.utils import parse_timedelta

from akkordeon_dask import config
from tests.support.patience import PATIENCE


@pytest.fixture(scope="module")
def root(deploy_folder):
    return deploy_folder.parent


@pytest.fixture(scope="module")
def instructions(deploy_folder):
    """The Dockerfile as `(instruction, rest)`, continued lines joined."""
    text = (deploy_folder / "docker/Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def compose(deploy_folder):
    return [yaml.safe_load((deploy_folder / "docker" / name).read_text("utf-8")) for name in COMPOSE]


@pytest.fixture(scope="module")
def manifests(deploy_folder):
    return list(yaml.safe_load_all((deploy_folder / "kubernetes/cluster.yaml").read_text(encoding="utf-8")))


OPERATOR = Path(sys.prefix) / "operator"
"""It would add commands to `dask` if it were installed."""
COMPOSE = ("compose.yaml", "compose.tls.yaml")


def copied(instructions):
    return [path for what, rest in instructions if what == "COPY" for path in rest.split()[:-1]]


def test_the_image_copies_what_exists_and_all_that_an_installation_needs(instructions, root):
    assert {path for path in copied(instructions) if not (root / path).exists()} == set()
    assert {"pyproject.toml", "LICENSE", "akkordeon_dask"} <= set(copied(instructions))
    assert {f"deploy/{name}" for name in ("dask.yaml", "common.sh", "scheduler.sh", "worker.sh")} <= set(
        copied(instructions)
    )


def test_docker_sends_what_the_image_copies_and_no_keys(instructions, deploy_folder):
    lines = (deploy_folder / "docker/Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    assert lines[0] == "*"
    kept = [line[1:] for line in lines if line.startswith("!")]
    assert {path for path in copied(instructions) if not any(fnmatch.fnmatch(path, keep) for keep in kept)} == set()
    assert not any(keep.endswith((".pem", "deploy", "docker")) for keep in kept)
    assert "tls/" in (deploy_folder / "docker/.gitignore").read_text(encoding="utf-8").split()


def test_the_image_runs_as_a_user_and_asks_for_its_health(instructions):
    kinds = [what for what, _ in instructions]
    assert dict(instructions)["USER"] not in ("root", "0")
    assert kinds.index("USER") > kinds.index("RUN")
    health = json.loads(dict(instructions)["HEALTHCHECK"].partition("CMD ")[2])
    assert health[:2] == ["python", "-c"]
    compile(health[2], "healthcheck", "exec")
    assert "/health" in health[2]


def test_the_services_are_a_scheduler_two_workers_and_a_training(compose, script):
    services = compose[0]["services"]
    assert services.keys() == {"scheduler", "alice", "bob", "train"}
    assert services["train"]["profiles"] == ["train"]
    for name in ("alice", "bob"):
        program, address, option, value = services[name]["command"]
        assert (program, address, option, value) == ("worker.sh", "scheduler:8786", "--name", name)
        assert services[name]["depends_on"]["scheduler"]["condition"] == "service_healthy"
        assert services["train"]["depends_on"][name]["condition"] == "service_healthy"
    for service in services.values():
        assert service["image"] == "akkordeon-dask:0.1.0"
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    helped = script("worker.sh", "--help").stdout + script("scheduler.sh", "--help").stdout
    told = {key for file in compose for service in file["services"].values() for key in service.get("environment", {})}
    assert {key for key in told if key.startswith("AKKORDEON_") and key not in helped} == set()


def test_the_health_of_a_service_is_asked_for_where_its_dashboard_is(compose):
    for name in ("scheduler", "alice", "bob"):
        environment = compose[0]["services"][name]["environment"]
        assert environment["AKKORDEON_DASHBOARD"] == f"0.0.0.0:{environment['HEALTH_PORT']}"


def test_no_port_is_open_to_other_machines(compose):
    ports = [port for file in compose for service in file["services"].values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:8787:8787"]


def test_the_build_starts_from_the_folder_with_the_package(compose, deploy_folder):
    build = compose[0]["services"]["scheduler"]["build"]
    context = (deploy_folder / "docker" / build["context"]).resolve()
    assert (context / "pyproject.toml").is_file()
    assert (context / build["dockerfile"]).is_file()


def test_with_tls_each_service_sees_its_own_folder_only(compose):
    plain, tls = (file["services"] for file in compose)
    assert tls.keys() == plain.keys()
    for name, service in tls.items():
        assert service["volumes"] == [f"./tls/{name}:/tls:ro"]
    for name in ("scheduler", "alice", "bob"):
        assert tls[name]["environment"]["AKKORDEON_TLS"] == "/tls"
    assert "tls://scheduler:8786" in tls["train"]["command"]
    assert {value for key, value in tls["train"]["environment"].items() if "__TLS__" in key} == {
        "/tls/ca.pem",
        "/tls/cert.pem",
        "/tls/key.pem",
    }


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
@pytest.mark.parametrize("files", [COMPOSE[:1], COMPOSE])
def test_compose_itself_finds_nothing_wrong(deploy_folder, tmp_path, files):
    command = ["docker-compose", "--project-directory", deploy_folder / "docker"]
    for name in files:
        text = (deploy_folder / "docker" / name).read_text(encoding="utf-8")
        # Debian's docker-compose 1.29 is older than a project's name in its file.
        (tmp_path / name).write_text(re.sub(r"(?m)^name:.*", "", text), encoding="utf-8")
        command += ["--file", tmp_path / name]
    done = subprocess.run([*command, "config"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["services"].keys() == {"scheduler", "alice", "bob", "train"}


def closed(schema):
    """A schema by which a field that it does not name is an error, where a cluster would drop it in silence."""
    if not isinstance(schema, dict):
        return schema
    parts = {key: closed(value) for key, value in schema.items()}
    if isinstance(parts.get("properties"), dict):
        parts["properties"] = {name: closed(value) for name, value in schema["properties"].items()}
        if "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            parts["additionalProperties"] = False
    return parts


def test_the_manifests_are_valid_by_the_operators_own_definitions(manifests):
    jsonschema, wheels = pytest.importorskip("jsonschema"), [*OPERATOR.glob("dask_kubernetes-*.whl")]
    if not wheels:
        pytest.skip(f"the operator's definitions are not there: pip download --no-deps -d {OPERATOR} dask-kubernetes")
    with zipfile.ZipFile(wheels[0]) as wheel:
        crds = [name for name in wheel.namelist() if "/crds/" in name]
        definitions = [yaml.safe_load(wheel.read(name)) for name in crds]
    schemas = {
        one["spec"]["names"]["kind"]: one["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for one in definitions
    }
    for manifest in manifests[:2]:
        schema = closed(schemas[manifest["kind"]])
        schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {}}  # Kubernetes' own
        errors = jsonschema.Draft4Validator(schema).iter_errors(manifest)
        assert [f"{list(error.absolute_path)}: {error.message}" for error in errors] == []


def pods(manifests):
    cluster, bob, _ = manifests
    return [cluster["spec"]["scheduler"]["spec"], cluster["spec"]["worker"]["spec"], bob["spec"]["worker"]["spec"]]


def test_the_manifests_are_what_the_operator_takes(manifests):
    cluster, bob, policy = manifests
    assert [(m["apiVersion"], m["kind"]) for m in (cluster, bob)] == [
        ("kubernetes.dask.org/v1", "DaskCluster"),
        ("kubernetes.dask.org/v1", "DaskWorkerGroup"),
    ]
    name = cluster["metadata"]["name"]
    assert bob["spec"]["cluster"] == name
    service = cluster["spec"]["scheduler"]["service"]
    assert service["selector"] == {"dask.org/cluster-name": name, "dask.org/component": "scheduler"}
    open_ports = {port["name"] for port in pods(manifests)[0]["containers"][0]["ports"]}
    assert {port["targetPort"] for port in service["ports"]} == open_ports == {"tcp-comm", "http-dashboard"}
    assert policy["spec"]["podSelector"]["matchLabels"] == {"dask.org/cluster-name": name}


def test_every_worker_has_its_name_and_limits(manifests):
    cluster, bob, _ = manifests
    assert (cluster["spec"]["worker"]["replicas"], bob["spec"]["worker"]["replicas"]) == (1, 1)
    names = []
    for pod in pods(manifests)[1:]:
        (container,) = pod["containers"]
        assert container["name"] == "worker"
        assert container["args"][:4] == ["dask", "worker", "--name", "$(DASK_WORKER_NAME)"]
        assert container["resources"]["limits"] == container["resources"]["requests"]
        assert re.fullmatch(r"\d+", container["resources"]["limits"]["cpu"])
        names += [entry["value"] for entry in container["env"] if entry["name"] == "DASK_WORKER_NAME"]
    assert names == ["alice", "bob"]


def test_a_worker_that_is_stopped_gets_the_time_to_leave(manifests, compose):
    enough = config.seconds("supervision.leave") + 15
    given = [compose[0]["services"][name]["stop_grace_period"] for name in ("alice", "bob")]
    assert min(map(parse_timedelta, given)) >= enough
    assert min(pod["terminationGracePeriodSeconds"] for pod in pods(manifests)[1:]) >= enough


def test_every_pod_reads_dask_yaml_and_runs_as_a_user(manifests, compose):
    for pod in pods(manifests):
        (container,) = pod["containers"]
        assert container["image"] == compose[0]["services"]["scheduler"]["image"]
        assert {"name": "DASK_CONFIG", "value": "/etc/akkordeon/dask.yaml"} in container["env"]
        assert container["volumeMounts"][0]["mountPath"] == "/etc/akkordeon"
        assert pod["volumes"] == [{"name": "configuration", "configMap": {"name": "akkordeon"}}]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
