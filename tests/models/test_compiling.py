from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from models.compiling import compile_networks
from models.structure_encoder import StructureEncoder
from models.unet import DenoisingUNet
from models.vae import TemporalVAE


@pytest.fixture(scope="module")
def networks() -> tuple[DenoisingUNet, StructureEncoder, TemporalVAE]:
    """Small ones with everything that the large ones have."""
    torch.manual_seed(0)
    unet = DenoisingUNet(
        block_out_channels=(16, 16),
        layers_per_block=1,
        attention_resolutions=(1,),
        head_channels=8,
        cross_attention_dim=8,
        structure_channels=8,
        spade_hidden=8,
        norm_groups=4,
    )
    structure = StructureEncoder(
        in_channels=4, out_channels=8, block_out_channels=(16, 16), layers_per_block=1, num_heads=2, norm_groups=4
    )
    vae = TemporalVAE(block_out_channels=(16, 16), layers_per_block=1, norm_groups=4, fusion_growth=8)
    for network in (unet, structure, vae):
        for parameter in cast(nn.Module, network).parameters():
            nn.init.normal_(parameter, std=0.2)
    return unet.eval(), structure.eval(), vae.eval()


@torch.inference_mode()
def restore(networks: tuple[DenoisingUNet, StructureEncoder, TemporalVAE]) -> list[Tensor]:
    """One call of each."""
    unet, structure_encoder, vae = networks
    generator = torch.Generator().manual_seed(1)
    latents, images = (torch.randn(5, c, s, s, generator=generator) for c, s in ((4, 8), (3, 16)))
    time, prompt = torch.tensor([300]), torch.randn(1, 7, 8, generator=generator)
    features = structure_encoder(latents, time)
    encoded = vae.encode(images.clamp(-1, 1))
    return [unet(latents, time, prompt, features, 5), vae.decode(encoded.mean, encoded.features, 1.0, 5)]


def test_off_changes_nothing(networks: tuple[DenoisingUNet, StructureEncoder, TemporalVAE]) -> None:
    before = networks[0].forward
    compile_networks(networks, "off")
    assert networks[0].forward == before


def test_every_network_is_captured_as_one_piece(
    networks: tuple[DenoisingUNet, StructureEncoder, TemporalVAE], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the compiler itself, which takes minutes: what torch cannot capture is an error already here."""
    expected, compile_ = restore(networks), torch.compile
    asked: list[str] = []

    def capture(function: object, **wishes: object) -> object:
        asked.append(str(wishes.pop("mode", "probe")))
        return compile_(function, backend="eager", **wishes)  # type: ignore[call-overload]

    monkeypatch.setattr(torch, "compile", capture)
    unet, structure_encoder, vae = networks
    parts = (unet, structure_encoder, vae.encoder, vae.decoder)
    whole = [part.forward for part in parts]
    compile_networks(parts, "graphs")
    try:
        found = restore(networks)
    finally:
        for part, forward in zip(parts, whole, strict=True):
            part.forward = forward  # type: ignore[method-assign]
    assert asked == ["probe", *["reduce-overhead"] * 4]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


class Doubling(nn.Module):
    """The cheapest there is to compile."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def test_a_network_is_compiled_again_for_every_shape_in_whatever_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch gives up after eight shapes, if it is not told otherwise, and a thread at a time is told."""
    compile_, captured = torch.compile, []

    def note(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        captured.append(tuple(inputs[0].shape))
        return graph.forward

    def cheap(function: object, **wishes: object) -> object:
        wishes.pop("mode", None)
        return compile_(function, backend=note, **wishes)  # type: ignore[call-overload]

    monkeypatch.setattr(torch, "compile", cheap)
    network = Doubling()
    compile_networks([network], "kernels")
    shapes = [(2, size) for size in range(2, 14)]

    def call_all() -> None:
        # The second limit, on all compilations together, is 256 by default: too many to wait for.
        with torch._dynamo.config.patch(accumulated_recompile_limit=9):
            for shape in shapes:
                torch.testing.assert_close(network(torch.ones(shape)), torch.full(shape, 2.0))

    with ThreadPoolExecutor(1) as threads:
        threads.submit(call_all).result()
    assert captured[1:] == shapes  # the first is the probe


@pytest.mark.slow
def test_a_compiled_network_gives_the_same_but_for_rounding() -> None:
    torch.manual_seed(0)
    network = StructureEncoder(
        in_channels=4, out_channels=8, block_out_channels=(8,), layers_per_block=1, num_heads=2, norm_groups=4
    ).eval()
    latents, time = torch.randn(5, 4, 8, 8), torch.tensor([300])
    with torch.inference_mode():
        expected = network(latents, time)
        compile_networks([network], "kernels")
        found = network(latents, time)
    assert found.keys() == expected.keys()
    for width, feature in expected.items():
        torch.testing.assert_close(found[width], feature, atol=1e-4, rtol=1e-4)


def test_a_machine_that_cannot_compile_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no compiler\nand a lot more")

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(ValueError, match=r"^cannot compile networks on cpu: no compiler$"):
        compile_networks([nn.Linear(1, 1)], "kernels")
