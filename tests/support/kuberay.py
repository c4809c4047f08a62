"""The fields of KubeRay's RayJob (ray.io/v1), and those of Pods as far as they are used, as a JSON schema."""

from __future__ import annotations

from typing import Any


def _an_object(*required: str, **fields: Any) -> dict[str, Any]:
    """An object that has these fields and no others."""
    return {"type": "object", "required": list(required), "additionalProperties": False, "properties": fields}


_ANY = {"type": "object"}
_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}
_SWITCH = {"type": "boolean"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_CONTAINER = {"type": "object", "required": ["name", "image", "resources"]}
_POD = _an_object(
    "spec",
    metadata=_ANY,
    spec={
        "type": "object",
        "required": ["containers"],
        "properties": {
            "nodeSelector": _TEXTS,
            "containers": {"type": "array", "minItems": 1, "items": _CONTAINER},
        },
    },
)
_HEAD_GROUP = _an_object(
    "rayStartParams",
    "template",
    serviceType=_TEXT,
    headService=_ANY,
    enableIngress=_SWITCH,
    rayStartParams=_TEXTS,
    template=_POD,
)
_WORKER_GROUP = _an_object(
    "groupName",
    "minReplicas",
    "maxReplicas",
    "rayStartParams",
    "template",
    groupName=_TEXT,
    replicas=_NUMBER,
    minReplicas=_NUMBER,
    maxReplicas=_NUMBER,
    numOfHosts=_NUMBER,
    labels=_TEXTS,
    rayStartParams=_TEXTS,
    template=_POD,
    scaleStrategy=_ANY,
)
_CLUSTER = _an_object(
    "headGroupSpec",
    rayVersion=_TEXT,
    enableInTreeAutoscaling=_SWITCH,
    autoscalerOptions=_an_object(
        version={"enum": ["v1", "v2"]},
        idleTimeoutSeconds=_NUMBER,
        upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
        resources=_ANY,
        image=_TEXT,
        imagePullPolicy=_TEXT,
        env={"type": "array"},
        envFrom={"type": "array"},
        volumeMounts={"type": "array"},
        securityContext=_ANY,
    ),
    headServiceAnnotations=_TEXTS,
    suspend=_SWITCH,
    headGroupSpec=_HEAD_GROUP,
    workerGroupSpecs={"type": "array", "items": _WORKER_GROUP},
)
RAY_JOB = _an_object(
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata={"type": "object", "required": ["name"]},
    spec=_an_object(
        activeDeadlineSeconds=_NUMBER,
        backoffLimit=_NUMBER,
        submitterPodTemplate=_ANY,
        metadata=_TEXTS,
        clusterSelector=_TEXTS,
        submitterConfig=_ANY,
        managedBy=_TEXT,
        deletionStrategy=_ANY,
        entrypoint=_TEXT,
        runtimeEnvYAML=_TEXT,
        jobId=_TEXT,
        submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
        entrypointResources=_TEXT,
        entrypointNumCpus={"type": "number"},
        entrypointNumGpus={"type": "number"},
        ttlSecondsAfterFinished=_NUMBER,
        shutdownAfterJobFinishes=_SWITCH,
        suspend=_SWITCH,
        rayClusterSpec=_CLUSTER,
    ),
)
