"""Run candidates in parallel: in local processes with joblib, or on a cluster with dask or ray."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from archcalc.errors import ArchcalcError, UsageError, needs
from archcalc.symbolic.sweep.count import Measure

Backend = Literal["loky", "dask", "ray"]
Map = Callable[[Callable[[Any], Any], Sequence[Any]], Any]
BACKENDS: tuple[Backend, ...] = ("loky", "dask", "ray")


@dataclass(frozen=True)
class Jobs:
    """The number of parallel workers, and the backend that runs them."""

    count: int = 1
    backend: Backend = "loky"
    address: str = ""
    """The address of dask's scheduler or ray's head; empty for a cluster on this machine."""

    def map(
        self, measure: Measure, candidates: Sequence[Mapping[str, Any]]
    ) -> list[Mapping[str, float] | str]:
        """The figures of each candidate, in order, or the reason why a candidate is invalid.

        Raises ArchcalcError if a worker dies, and MissingExtraError if the backend is not
        installed.
        """
        if self.count == 1 and self.backend == "loky":
            return [_measured(measure, candidate) for candidate in candidates]
        with self._all() as run:
            try:
                found = run(partial(_measured, measure), candidates)
            except (ArchcalcError, KeyboardInterrupt):
                raise
            except Exception as error:  # joblib, dask and ray raise different errors
                raise ArchcalcError(
                    f"a worker of the sweep died ({type(error).__name__}); finished chunks are "
                    "kept; run the same command again to continue"
                ) from error
        return list(found)

    @contextmanager
    def _all(self) -> Iterator[Map]:
        """A function that runs candidates on the workers."""
        if self.backend == "dask":
            with needs("cluster", "--backend dask"):
                from distributed import Client
            try:
                client = Client(self.address or None, timeout=10)
            except (OSError, ValueError) as error:
                raise UsageError(
                    f"no dask scheduler answers at {self.address}: {error}; start one with "
                    "`dask scheduler` and workers with `dask worker ADDRESS`"
                ) from None
            with client:
                # Not through joblib, which waits forever for a task whose worker died (joblib 1.6:
                # DaskDistributedBackend calls no callback if a future failed).
                yield lambda one, each: client.gather(client.map(one, each, pure=False))
            return
        with needs("sweep", "running candidates in parallel"):
            from joblib import Parallel, delayed, parallel_config

        def parallel(one: Callable[[Any], Any], each: Iterable[Any]) -> Any:
            return Parallel(n_jobs=self.count)(delayed(one)(item) for item in each)

        if self.backend == "ray":
            with needs("cluster", "--backend ray"):
                import ray
                from ray.util.joblib import register_ray
            self._require_ray()
            ray.init(
                address=self.address or None,
                ignore_reinit_error=True,
                log_to_driver=False,
                logging_level="ERROR",
            )
            register_ray()
            with parallel_config(backend="ray"):
                yield parallel
        else:
            with parallel_config(backend="loky", inner_max_num_threads=1):
                yield parallel

    def _require_ray(self) -> None:
        """Refuse an address that does not answer, because ray waits for minutes and then ends the
        process."""
        host, colon, port = self.address.rpartition(":")
        if not colon or not port.isdigit() or "//" in host:
            return  # ray's own forms: auto, ray://HOST:PORT
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"no ray cluster answers at {self.address}: start one with `ray start --head`"
            ) from error


def _measured(measure: Measure, candidate: Mapping[str, Any]) -> Mapping[str, float] | str:
    try:
        return measure(candidate)
    except ArchcalcError as error:
        return str(error)
