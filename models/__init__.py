"""The built-in architectures, one paper per file.

Third parties add theirs through the entry-point group ``archcalc.models``.
"""

BUILT_IN = {
    "alexnet": "archcalc.models.alexnet:alexnet",
    "alexnet-torchvision": "archcalc.models.alexnet:alexnet_torchvision",
    "googlenet": "archcalc.models.googlenet:googlenet",
    "googlenet-bn": "archcalc.models.googlenet_bn:googlenet_bn",
    "inception-5x5": "archcalc.models.inception:direct_5x5",
    "inception-naive": "archcalc.models.inception:naive",
    "inception-reduced": "archcalc.models.inception:reduced",
    "inception-5x5-reduced": "archcalc.models.inception:reduced_5x5",
    "nin": "archcalc.models.nin:nin",
    "nin-digits": "archcalc.models.nin_digits:nin_digits",
    "nin-fashion": "archcalc.models.nin_fashion:nin_fashion",
    "nin-mnist-v0": "archcalc.models.nin_mnist:v0",
    "nin-mnist-v1": "archcalc.models.nin_mnist:v1",
    "nin-mnist-v2": "archcalc.models.nin_mnist:v2",
    "resnet50": "archcalc.models.resnet:resnet50",
    "resnext50": "archcalc.models.resnext:resnext50",
    "se-inception": "archcalc.models.senet:se_inception",
    "se-resnet50": "archcalc.models.senet:se_resnet50",
    "sknet50": "archcalc.models.sknet:sknet50",
    "sk-unit": "archcalc.models.sknet:unit",
    "vgg16": "archcalc.models.vgg:vgg16",
}
"""Where each one is. Looking up a name here reads no metadata of installed packages."""
