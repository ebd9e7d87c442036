"""Deploy spiking neural networks on digital neuromorphic chips: check, map, execute, program.

The public names below are imported when they are used, so that ``import nm_backends`` is light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nm_backends.api import lower as lower
    from nm_backends.artifact import load as load
    from nm_backends.comparing import compare as compare
    from nm_backends.comparing import deployment_report as deployment_report
    from nm_backends.compiler import check as check
    from nm_backends.compiler import compile_model as compile  # noqa: F401
    from nm_backends.deployment import DeploymentReport as DeploymentReport
    from nm_backends.discretisation import Discretisation as Discretisation
    from nm_backends.dt_search import search_dt as search_dt
    from nm_backends.event_data import Events as Events
    from nm_backends.first_spikes import FirstSpikes as FirstSpikes
    from nm_backends.first_spikes import latency_code as latency_code
    from nm_backends.frontends import to_nir as to_nir
    from nm_backends.network import Network as Network
    from nm_backends.program import CompileOptions as CompileOptions
    from nm_backends.program import Program as Program
    from nm_backends.pruning import prune as prune
    from nm_backends.registry import chips as chips
    from nm_backends.result import Result as Result
    from nm_backends.rules import CompileError as CompileError
    from nm_backends.rules import Report as Report
    from nm_backends.run import reference as reference
    from nm_backends.study.running import sweep as sweep
    from nm_backends.system.program import System as System
    from nm_backends.timestep import rebin as rebin

__version__ = "0.1.0"

_HOME = {
    "CompileError": "rules",
    "CompileOptions": "program",
    "DeploymentReport": "deployment",
    "Discretisation": "discretisation",
    "Events": "event_data",
    "FirstSpikes": "first_spikes",
    "Network": "network",
    "Program": "program",
    "Report": "rules",
    "Result": "result",
    "System": "system.program",
    "check": "compiler",
    "chips": "registry",
    "compare": "comparing",
    "compile": "compiler:compile_model",
    "deployment_report": "comparing",
    "latency_code": "first_spikes",
    "load": "artifact",
    "lower": "api",
    "prune": "pruning",
    "rebin": "timestep",
    "reference": "run",
    "search_dt": "dt_search",
    "sweep": "study.running",
    "to_nir": "frontends",
}

__all__ = [*sorted(_HOME), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'nm_backends' has no attribute {name!r}")
    module, _, attribute = _HOME[name].partition(":")
    value = getattr(import_module(f"nm_backends.{module}"), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
