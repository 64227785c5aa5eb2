"""One process of a group of two whose other has no rows: what NCCL does, on a machine with one GPU.

NCCL refuses two processes on one GPU, and a group of one asks nothing of it. This process believes that there are two.
"""

import sys

import torch
from torch import distributed, nn

from clipn.training.distributed import ProcessGroup

device = sys.argv[1]
distributed.init_process_group("nccl" if device == "cuda" else "gloo")
group = ProcessGroup(rank=0, size=2)
part = torch.arange(6.0, device=device).view(3, 2)
expected = torch.cat([part, torch.zeros_like(part)])
assert torch.equal(group.all_gather(part, 6), expected)
parameter = nn.Parameter(torch.zeros(2, device=device))
parameter.grad = torch.ones(2, device=device)
group.sum_gradients([parameter])
assert parameter.grad.tolist() == [1, 1]
assert group.any(True, device)
assert not group.any(False, device)
distributed.destroy_process_group()
sys.stdout.write("gathered\n")
