"""AutoAugment (Cubuk et al., 2018, arXiv 1805.09501), with the policy found on CIFAR-10."""

from torchvision.transforms import AutoAugment, AutoAugmentPolicy


class CIFAR10Policy(AutoAugment):
    """torchvision's AutoAugment with the CIFAR-10 policy: 25 sub-policies of two operations each.

    Call it on a PIL image or on a uint8 tensor (..., C, H, W) with C = 1 or 3; it returns the
    same kind. One draw serves everything in a call: for a batch whose images each draw their own
    sub-policy, see `hdd.data_util.batch_augmentation`.
    """

    def __init__(self, **options) -> None:
        super().__init__(AutoAugmentPolicy.CIFAR10, **options)
