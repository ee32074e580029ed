"""ResNeXt-50.

Xie, Girshick, Dollár, Tu and He 2016, "Aggregated residual transformations for deep neural
networks" (arXiv:1611.05431), Table 1.
"""

from __future__ import annotations

from functools import partial

from archcalc.graph import Handle
from archcalc.lookup.registry import architecture

from .resnet import bottleneck, classifier, stage, stem

SK_TABLE = "Li et al. 2019 (arXiv:1903.06586), Table 2"


@architecture(
    "resnext50",
    input="224x224x3",
    source="Xie et al. 2016 (arXiv:1611.05431), Table 1",
    aliases=("resnext-50", "resnext50-32x4d", "resnext50_32x4d", "resnext"),
)
def resnext50(
    x: Handle, *, num_classes: int = 1000, cardinality: int = 32, group_width: int = 4
) -> Handle:
    """ResNeXt-50 32×4d: ResNet-50 with 32 groups in each 3×3, of 4 channels in the first stage.

    The stride is in the 3×3, as in section 4. ``cardinality`` is the number of groups.
    """
    block = partial(bottleneck, groups=cardinality)
    width = cardinality * group_width
    x = stem(x)
    x = stage(x, block, 3, width, 256, name="conv2")
    x = stage(x, block, 4, 2 * width, 512, stride=2, name="conv3")
    x = stage(x, block, 6, 4 * width, 1024, stride=2, name="conv4")
    x = stage(x, block, 3, 8 * width, 2048, stride=2, name="conv5")
    return classifier(x, num_classes)
