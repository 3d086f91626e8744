"""The Kubernetes manifest keeps the API's schema, and runs the coordinator as docs/kubernetes.md says."""

import copy
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
import yaml

from saga_coordinator.service.cli.environment import fields
from saga_coordinator.service.settings import Settings
from tests.support.project_tree import ROOT

DRAIN_SECONDS = 28
Manifest = dict[str, Any]


@pytest.fixture
def objects() -> dict[str, Manifest]:
    """The objects of the manifest, by their kind."""
    text = (ROOT / "docs" / "examples" / "kubernetes.yaml").read_text(encoding="utf-8")
    return {each["kind"]: each for each in yaml.safe_load_all(text)}


@pytest.fixture
def pod(objects: dict[str, Manifest]) -> Manifest:
    spec: Manifest = objects["StatefulSet"]["spec"]["template"]["spec"]
    return spec


@pytest.fixture
def container(pod: Manifest) -> Manifest:
    [only] = pod["containers"]
    return dict(only)


def test_every_object_keeps_the_schema(objects: dict[str, Manifest]) -> None:
    assert {kind: errors(each) for kind, each in objects.items()} == {"Service": [], "StatefulSet": []}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda stateful: stateful["spec"].update(replica=2),
        lambda stateful: stateful["spec"]["template"]["spec"].update(terminationGracePeriod=45),
        lambda stateful: stateful["spec"]["template"]["spec"]["containers"][0].update(image="saga:latest"),
        lambda stateful: stateful["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]["httpGet"].pop("port"),
        lambda stateful: stateful["spec"]["volumeClaimTemplates"][0]["spec"].update(accessModes=["ReadWriteOncePods"]),
    ],
)
def test_the_schema_refuses_what_is_misspelt(objects: dict[str, Manifest], spoil: Callable[[Manifest], object]) -> None:
    spoilt = copy.deepcopy(objects["StatefulSet"])
    spoil(spoilt)
    assert errors(spoilt) != []


def test_one_coordinator_has_the_volume_to_itself(objects: dict[str, Manifest], container: Manifest) -> None:
    stateful = objects["StatefulSet"]["spec"]
    [claim] = stateful["volumeClaimTemplates"]
    assert stateful["replicas"] == 1
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    [folder] = [each["mountPath"] for each in container["volumeMounts"] if each["name"] == claim["metadata"]["name"]]
    assert f"sqlite:///{folder}/saga.db" in [each["value"] for each in container["env"]]


def test_an_outage_of_kafka_restarts_nothing(container: Manifest) -> None:
    paths = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}


def test_it_has_the_time_to_drain_and_no_limit_of_cpu(pod: Manifest, container: Manifest) -> None:
    assert pod["terminationGracePeriodSeconds"] >= DRAIN_SECONDS + 15
    assert pod["enableServiceLinks"] is False
    assert container["resources"]["limits"] == {"memory": "1536Mi"}


def test_it_runs_with_no_rights_that_it_does_not_need(pod: Manifest, container: Manifest) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_every_variable_is_a_setting(container: Manifest) -> None:
    known = {name for name, _, _ in fields(Settings)}
    assert {each["name"] for each in container["env"]} <= known


def test_service_and_pod_have_the_labels_that_select_them(objects: dict[str, Manifest]) -> None:
    labels = objects["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    assert objects["Service"]["spec"]["selector"].items() <= labels.items()
    assert objects["StatefulSet"]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert objects["StatefulSet"]["spec"]["serviceName"] == objects["Service"]["metadata"]["name"]


def errors(manifest: Manifest) -> list[str]:
    """What the schema of the manifest's kind refuses."""
    schema = json.loads(
        (ROOT / "tests" / "meta" / "architecture" / "kubernetes-schema.json").read_text(encoding="utf-8")
    )
    own = {"$ref": f"#/$defs/{manifest['kind']}", "$defs": schema["$defs"]}
    return [error.message for error in jsonschema.Draft202012Validator(own).iter_errors(manifest)]
