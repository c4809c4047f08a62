"""What Ray's own autoscaler would start for our pools, asked without a cloud."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.utils import ResourceRequestUtil
from ray.core.generated.common_pb2 import LabelSelectorOperator

from pipeline.config_running import Pool, Pools


def of_kuberay(cluster: dict[str, Any]) -> dict[str, Any]:
    """The autoscaler's configuration that Ray makes of the ``spec`` of a RayCluster."""
    made: dict[str, Any] = _derive_autoscaling_config_from_ray_cr(
        {"metadata": {"name": "reelift", "namespace": "default"}, "spec": cluster}
    )
    return made


def started(configuration: dict[str, Any], pools: Pools) -> dict[str, dict[str, int]]:
    """Stage -> kind of machine -> how many are started, where all of its workers wait for one and there are none.

    Raises:
        AssertionError: if there is no machine that a worker could ever run on.
    """
    kinds = AutoscalingConfig(configuration, skip_content_hash=True).get_node_type_configs()
    found = {}
    for stage in Pools.model_fields:
        pool = getattr(pools, stage)
        waiting = ResourceRequestUtil.group_by_count([_demand(pool)] * pool.max)
        request = SchedulingRequest(True, kinds, max_num_nodes=1000, resource_requests=waiting)
        reply = ResourceDemandScheduler(MagicMock()).schedule(request)
        assert not reply.infeasible_resource_requests, f"no machine for {stage}: {pool}"
        found[stage] = {launch.instance_type: launch.count for launch in reply.to_launch}
    return found


def _demand(pool: Pool) -> Any:
    """What an actor of the pool tells the autoscaler that it asks for."""
    asked = {"CPU": pool.cpus or 1.0, "GPU": pool.gpus or 0.0, **pool.resources}
    selector = [(key, LabelSelectorOperator.LABEL_OPERATOR_IN, [value]) for key, value in pool.labels.items()]
    return ResourceRequestUtil.make({name: amount for name, amount in asked.items() if amount}, None, [selector])
