"""The order in which images are read from shards: each once, shards kept together, each process with its own."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.runtime.processes import ProcessGroup
from trainer.training.epoch import plan_epoch
from trainer.training.order import PARTS, SHARDS, shard_order


def chunks(sizes, each):
    """Shards of so many images, in parts of `each`."""
    rows = [(shard, i // each) for shard, size in enumerate(sizes) for i in range(size)]
    return torch.tensor(rows).view(-1, 2)


def planned(places, *, parts=1, processes=1, batch=8, seed=0):
    return [
        plan_epoch(
            len(places), seed, batch_size=batch, parts=parts, group=ProcessGroup(i, processes), chunks=places
        ).indices
        for i in range(processes)
    ]  # fmt: skip


@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=12), each=st.integers(1, 9), seed=st.integers(0, 99))
def test_each_image_comes_once(sizes, each, seed):
    order = shard_order(chunks(sizes, each), torch.Generator().manual_seed(seed))
    assert order.sort().values.tolist() == list(range(sum(sizes)))


@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=12), each=st.integers(1, 9), seed=st.integers(0, 99))
def test_few_shards_and_parts_are_open_at_a_time(sizes, each, seed):
    places = chunks(sizes, each)
    read = places[shard_order(places, torch.Generator().manual_seed(seed))]
    for what, most in ((read[:, :1], 2 * SHARDS), (read, 2 * PARTS)):
        kinds = what.unique(dim=0, return_inverse=True)[1]
        first = torch.full((int(kinds.max()) + 1,), len(kinds)).scatter_reduce(
            0, kinds, torch.arange(len(kinds)), "amin"
        )
        last = torch.zeros(int(kinds.max()) + 1, dtype=torch.int64).scatter_reduce(
            0, kinds, torch.arange(len(kinds)), "amax"
        )
        at_once = [int(((first <= i) & (i <= last)).sum()) for i in range(len(kinds))]
        assert max(at_once) <= most


def test_each_process_has_shards_of_its_own():
    places = chunks([16] * 8, 4)
    shards = [set(places[indices.flatten(), 0].tolist()) for indices in planned(places, processes=2)]
    assert shards[0] | shards[1] == set(range(8))
    assert not shards[0] & shards[1]


@given(
    sizes=st.lists(st.integers(1, 20), min_size=2, max_size=9), processes=st.integers(1, 3), parts=st.integers(1, 2)
)  # fmt: skip
def test_processes_see_together_what_one_sees_alone_and_no_image_twice(sizes, processes, parts):
    batch = 2 * processes * parts
    places = chunks([size + batch for size in sizes], 4)
    shares = planned(places, processes=processes, parts=parts, batch=batch)
    assert torch.equal(torch.cat(shares, dim=1), planned(places, parts=parts * processes, batch=batch)[0])
    seen = torch.cat(shares).flatten().tolist()
    assert len(seen) == len(set(seen)) == len(places) // batch * batch


def test_the_order_is_that_of_seed_and_epoch():
    places = chunks([16] * 8, 4)
    assert torch.equal(planned(places, seed=3)[0], planned(places, seed=3)[0])
    assert not torch.equal(planned(places, seed=3)[0], planned(places, seed=4)[0])
