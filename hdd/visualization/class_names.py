"""Class names of the data sets in both languages, for figures."""

from collections.abc import Sequence

from hdd.arguments import checked

CHINESE = {
    **{"T-shirt/top": "T恤", "Trouser": "长裤", "Pullover": "套头衫", "Dress": "连衣裙"},
    **{"Coat": "外套", "Sandal": "凉鞋", "Shirt": "衬衫", "Sneaker": "运动鞋", "Bag": "包"},
    **{"Ankle boot": "短靴", "airplane": "飞机", "automobile": "汽车", "bird": "鸟", "cat": "猫"},
    **{"deer": "鹿", "dog": "狗", "frog": "蛙", "horse": "马", "ship": "船", "truck": "卡车"},
}


@checked
def in_both(names: Sequence[str]) -> list[str]:
    """Return class names as "中文 | English"; unknown ones stay as they are."""
    return [f"{CHINESE[name]} | {name}" if name in CHINESE else name for name in names]
