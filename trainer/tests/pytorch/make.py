"""Makes the fixtures beside it: small models of timm and torchvision under PyTorch's names, and what PyTorch computes with them.

    pip install torch torchvision timm safetensors
    python make.py            writes NAME.safetensors (a state_dict) and NAME.logits.safetensors (images, logits) for each model
    python make.py --accepts vit_mean FILE
                              loads FILE strictly into that model, and says how far its logits are from the fixture's

Written with torch 2.15.0, torchvision 0.29.2 and timm 1.0.31.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

HERE = Path(__file__).parent
CLASSES = 7


def vit(image=16, **options):
    return VisionTransformer(
        img_size=image, patch_size=4, embed_dim=32, depth=2, num_heads=4, mlp_ratio=2, num_classes=CLASSES, **options
    )


class NarrowResNet(ResNet):
    """torchvision's, with stages of width 4, 8, 16, 32 in place of 64, 128, 256, 512."""

    def __init__(self, block, layers, width=4):
        super().__init__(block, layers, num_classes=CLASSES)
        self.inplanes = width
        self.conv1 = nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        for stage, blocks in enumerate(layers):
            layer = self._make_layer(block, width << stage, blocks, stride=2 if stage else 1)
            setattr(self, f"layer{stage + 1}", layer)
        self.fc = nn.Linear(8 * width * block.expansion, CLASSES)


MODELS = {
    "vit_mean": lambda: vit(global_pool="avg", class_token=False),
    "vit_mean_normed_tokens": lambda: vit(global_pool="avg", class_token=False, fc_norm=False),
    "vit_token": lambda: vit(),
    "resnet_bottleneck": lambda: NarrowResNet(Bottleneck, [1, 1, 1, 1]),
    "resnet_basic": lambda: NarrowResNet(BasicBlock, [2, 1, 1, 1]),
}


def shuffle(model, generator):
    """No parameter and no running value where it starts: a zero or a one would hide that it was not loaded."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith("running_var"):
                tensor.copy_(noise.abs() + 0.5)
            elif tensor.ndim == 1:
                tensor.copy_(1 + 0.2 * noise if name.endswith("weight") else 0.2 * noise)
            else:
                tensor.copy_(noise / tensor[0].numel() ** 0.5)


@torch.no_grad()
def make(name):
    generator = torch.Generator().manual_seed(len(name))
    model = MODELS[name]().eval()
    shuffle(model, generator)
    side = 16 if name.startswith("vit") else 32
    images = torch.randn(3, 3, side, side, generator=generator)
    save_file(model.state_dict(), HERE / f"{name}.safetensors", metadata={"format": "pt"})
    save_file({"images": images, "logits": model(images)}, HERE / f"{name}.logits.safetensors")


@torch.no_grad()
def accepts(name, path):
    model = MODELS[name]().eval()
    model.load_state_dict(load_file(path), strict=True)
    expected = load_file(HERE / f"{name}.logits.safetensors")
    error = (model(expected["images"]) - expected["logits"]).abs().max().item()
    print(f"{path}: every name accepted; logits differ by {error:.1e} at most")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--accepts"]:
        accepts(*sys.argv[2:4])
    else:
        for name in MODELS:
            make(name)
