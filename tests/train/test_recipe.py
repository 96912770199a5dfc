import dataclasses

import pytest
import torch

from hdd.dataset.image_tensors import ImageTensors
from hdd.models.nn_utils import count_trainable_parameter
from hdd.train.recipe import Recipe


class TestRecipe:
    def test_muon_needs_matrices(self):
        with pytest.raises(ValueError, match=r"optimizer='muon'.*model='cnn'.*Fix: "):
            Recipe(model="cnn")

    def test_is_frozen(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            Recipe().epochs = 3

    def test_document_network(self):
        images = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
        data = ImageTensors(images, torch.zeros(1).long(), tuple("abcdefghij"), (0.5,), (0.3,))
        assert count_trainable_parameter(Recipe().network(data)) == 1_099_146

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("epochs", 0),
            ("epochs", True),
            ("lr", 0.0),
            ("cutmix", 1.5),
            ("validation", 1.0),
            ("warmup_epochs", -1),
            ("optimizer", "sgd"),
            ("precision", "float16"),
        ],
    )
    def test_bad_value(self, name, value):
        with pytest.raises(ValueError, match=f"{name}={value!r}.*Fix: "):
            Recipe(**{name: value})
