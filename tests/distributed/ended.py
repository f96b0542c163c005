"""One of several ranks, started by `torchrun`: it trains, then leaves, and never yields its interpreter by itself."""

import sys
import time
from pathlib import Path

import torch
from torch import distributed

sys.path.insert(0, str(Path(__file__).parents[1]))
from distributed.small import trainer

from unspool import engine, parallel
from unspool.training import Limits

if __name__ == "__main__":
    with engine.using("handwritten"), parallel.joined():
        trainer(limits=Limits(steps=2)).run()
        sys.setswitchinterval(60)  # seconds after which another thread may have the interpreter, if this one goes on
        distributed.broadcast(torch.zeros(3), 0, async_op=True)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            pass
