from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from models.basicvsr import BasicVSR
from models.cleaning import CleaningNetwork


def moved(network: CleaningNetwork, by: float) -> CleaningNetwork:
    assert network.output.bias is not None
    nn.init.constant_(network.output.bias, by)
    return network


def test_untrained_it_is_exactly_the_identity() -> None:
    frames = torch.rand(3, 3, 7, 9)
    assert torch.equal(CleaningNetwork(8, 2, passes=3)(frames), frames)


def test_it_is_repeated_while_it_changes_much_and_each_frame_is_judged_by_itself() -> None:
    frames = torch.rand(2, 3, 6, 6)
    for passes in (1, 3):
        torch.testing.assert_close(moved(CleaningNetwork(4, 1, passes), 0.03)(frames), frames + passes * 0.03)
    torch.testing.assert_close(moved(CleaningNetwork(4, 1, passes=3), 0.01)(frames), frames + 0.01)
    torch.manual_seed(1)
    network = CleaningNetwork(4, 1, passes=3)
    nn.init.normal_(network.output.weight, std=0.1)
    frames[1] = 0
    together = network(frames)
    torch.testing.assert_close(together, torch.cat([network(frame[None]) for frame in frames]))


def test_before_propagation_a_fresh_one_changes_no_byte_and_a_trained_one_cleans_first() -> None:
    torch.manual_seed(0)
    plain = BasicVSR(channels=4, num_blocks=1, num_levels=2).eval()
    cleaning = BasicVSR(channels=4, num_blocks=1, num_levels=2, cleaning_channels=4, cleaning_blocks=1).eval()
    missing, surplus = cleaning.load_state_dict(plain.state_dict(), strict=False)
    assert not surplus and all(name.startswith("cleaning.") for name in missing)
    frames = torch.rand(5, 3, 8, 10)
    with torch.inference_mode():
        assert torch.equal(cleaning(frames), plain(frames))
        assert cleaning.cleaning is not None
        moved(cleaning.cleaning, 0.1)
        assert torch.equal(cleaning(frames), plain(frames + 0.1))
        assert torch.equal(cleaning(frames, keep_every=2), plain(frames + 0.1))


def test_configurations_without_it_load_as_before(tmp_path: Path) -> None:
    plain = BasicVSR(channels=4, num_blocks=1, num_levels=2)
    assert not any("cleaning" in name for name in plain.state_dict())
    cleaning = BasicVSR(channels=4, num_blocks=1, num_levels=2, cleaning_channels=4, cleaning_blocks=2)
    assert cleaning.cleaning is not None
    moved(cleaning.cleaning, 0.1)
    cleaning.save_pretrained(tmp_path)
    frames = torch.rand(2, 3, 8, 8)
    assert torch.equal(BasicVSR.from_pretrained(tmp_path).eval()(frames), cleaning.eval()(frames))


@pytest.mark.parametrize("shape", [(1, 0, 3, 8, 8), (2, 3, 8, 8)])
def test_what_is_not_a_clip_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="frames must be"):
        BasicVSR(channels=4, num_blocks=1, num_levels=2).clean(torch.zeros(shape))
