"""Ways to run the wrapped stages: in this process, or on Ray.

Ray reads some of its switches when it is imported, so they are set here, before any module of this package imports it.
"""

from __future__ import annotations

import os

_SWITCHES = {
    "RAY_ENABLE_AUTO_CONNECT": "0",  # a thread that outlives the cluster must not start another one
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # what matters comes as an exception
}
for _name, _value in _SWITCHES.items():
    os.environ.setdefault(_name, _value)
