"""PyTorch's own loops as peers of a network of modules: sequential on all cores, and its pipelines."""

import os
import socket
import time
from typing import Any

import torch
import torch.multiprocessing
from dask.system import CPU_COUNT

from tests.bench._module_rows import LEARNING_RATE, MODULE_ROWS, ModuleRow

_MICROBATCHES = 4
_END = -1


class ModuleLoop:
    """Forward, loss, backward, step; loss and accuracy are computed, as the sentinel does."""

    def __init__(self, row: ModuleRow) -> None:
        torch.set_num_threads(CPU_COUNT)
        self._module = torch.nn.Sequential(*row.stages)
        self._optimizer = torch.optim.AdamW(self._module.parameters(), lr=LEARNING_RATE)
        self._batches = row.batches()

    def run(self, seconds: float) -> float:
        """Samples a second, over at least so many seconds."""
        done, begun = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - begun) < seconds:
            x, target = next(self._batches)
            y = self._module(x)
            loss = torch.nn.functional.cross_entropy(y, target)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            self.last_loss, self.correct = loss.item(), (y.argmax(1) == target).float().mean().item()
            done += len(x)
        return done / elapsed


class Pipelining:
    """`torch.distributed.pipelining`: a process for each stage, gloo, four micro-batches to an update.

    Parameters
    ----------
    row
        its cuts and batch size.
    schedule
        "Schedule1F1B" or "ScheduleGPipe".
    """

    def __init__(self, row: ModuleRow, schedule: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._samples = row.batch_size
        stages = len(row.starts)
        context = torch.multiprocessing.get_context("spawn")
        self._orders = [context.SimpleQueue() for _ in range(stages)]
        self._answers = context.SimpleQueue()
        self._processes = [
            context.Process(target=_stage, args=(row.name, schedule, rank, port, orders, self._answers), daemon=True)
            for rank, orders in enumerate(self._orders)
        ]
        for process in self._processes:
            process.start()
        self._batch_s = self._train(2) / 2

    def run(self, seconds: float) -> float:
        """Samples a second, over about so many seconds."""
        batches = max(1, round(seconds / self._batch_s))
        took = self._train(batches)
        self._batch_s = took / batches
        return batches * self._samples / took

    def close(self) -> None:
        """End the processes."""
        for orders in self._orders:
            orders.put(_END)
        for process in self._processes:
            process.join(10)

    def _train(self, batches: int) -> float:
        begun = time.perf_counter()
        for orders in self._orders:
            orders.put(batches)
        for _ in self._processes:
            self._answers.get()
        return time.perf_counter() - begun


def _stage(name: str, kind: str, rank: int, port: int, orders: Any, answers: Any) -> None:
    """A process of the pipeline."""
    from torch.distributed import destroy_process_group, init_process_group, pipelining

    row = MODULE_ROWS[name]
    stages = row.stages
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    init_process_group("gloo", rank=rank, world_size=len(stages))
    stage = pipelining.PipelineStage(stages[rank], rank, len(stages), torch.device("cpu"))
    schedule = getattr(pipelining, kind)(stage, _MICROBATCHES, loss_fn=torch.nn.functional.cross_entropy)
    optimizer = torch.optim.AdamW(stages[rank].parameters(), lr=LEARNING_RATE)
    batches = row.batches()
    while (number := orders.get()) != _END:
        for _ in range(number):
            x, target = next(batches)
            optimizer.zero_grad()
            losses: list[torch.Tensor] = []
            if rank == len(stages) - 1:
                schedule.step(target=target, losses=losses, return_outputs=False)
            else:
                schedule.step(*(x,) * (rank == 0), return_outputs=False)
            optimizer.step()
        answers.put(rank)
    destroy_process_group()
