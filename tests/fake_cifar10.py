"""Stands in for torchvision's CIFAR10: random pictures, no download.

A module of its own, since DataLoader workers that are spawned import the class by its name.
"""

from torchvision.datasets import FakeData


class FakeCIFAR10(FakeData):
    def __init__(self, root, train, download, transform):
        super().__init__(24 if train else 8, (3, 32, 32), 10, transform)
