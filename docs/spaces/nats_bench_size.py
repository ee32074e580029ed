"""The size search space of NATS-Bench: 8 widths for each of five layers, 32,768 networks.

Dong, Liu, Musial and Gabrys 2021, "NATS-Bench: Benchmarking NAS algorithms for architecture
topology and size" (arXiv:2009.00437), section 3.2. The cell is the same everywhere: node 1 is a 3×3
convolution of node 0; node 2 adds 3×3 convolutions of nodes 0 and 1; node 3 adds node 0, by a 1×1
where the widths differ, to 3×3 convolutions of nodes 1 and 2. Convolutions follow ReLU, come before
batch normalisation, and have no bias.

    archcalc sweep docs/spaces/nats_bench_size.py:net --pareto min:macs,max:params
"""

from archcalc import Handle, architecture, ops


@architecture(
    "nats-bench-size",
    input="32x32x3",
    source="Dong et al. 2021 (arXiv:2009.00437), section 3.2",
    space={f"c{place}": range(8, 65, 8) for place in range(5)},
)
def net(
    x: Handle,
    *,
    c0: int = 64,
    c1: int = 64,
    c2: int = 64,
    c3: int = 64,
    c4: int = 64,
    num_classes: int = 10,
) -> Handle:
    """Stem and cell of width c0, residual block c1, cell c2, residual block c3, cell c4."""
    x = ops.conv2d(x, c0, 3, padding=1, bias=False, name="stem.conv")
    x = ops.batch_norm(x, name="stem.bn")
    x = cell(x, c0, name="cell0")
    x = residual(x, c1, name="cell1")
    x = cell(x, c2, name="cell2")
    x = residual(x, c3, name="cell3")
    x = cell(x, c4, name="cell4")
    x = ops.relu(ops.batch_norm(x, name="last.bn"), name="last.relu")
    return ops.linear(ops.flatten(ops.adaptive_avg_pool2d(x)), num_classes)


def cell(x: Handle, width: int, *, name: str) -> Handle:
    """Four nodes; the edges from node 0 change the width."""
    with x.scope(name):
        one = relu_conv_bn(x, width, name="edge01")
        two = ops.add(
            relu_conv_bn(x, width, name="edge02"), relu_conv_bn(one, width, name="edge12")
        )
        if x.channels != width:
            x = ops.conv2d(x, width, 1, bias=False, name="edge03.conv")
            x = ops.batch_norm(x, name="edge03.bn")
        three = ops.add(x, relu_conv_bn(one, width, name="edge13"))
        return ops.add(three, relu_conv_bn(two, width, name="edge23"))


def residual(x: Handle, width: int, *, name: str) -> Handle:
    """Two 3×3 convolutions of stride 2 and 1, and an average pool and a 1×1 beside them."""
    with x.scope(name):
        y = relu_conv_bn(x, width, stride=2, name="a")
        y = relu_conv_bn(y, width, name="b")
        x = ops.avg_pool2d(x, 2, stride=2, name="shortcut.pool")
        return ops.add(ops.conv2d(x, width, 1, bias=False, name="shortcut.conv"), y)


def relu_conv_bn(x: Handle, width: int, stride: int = 1, *, name: str) -> Handle:
    with x.scope(name):
        x = ops.conv2d(ops.relu(x), width, 3, stride=stride, padding=1, bias=False)
        return ops.batch_norm(x, name="bn")
