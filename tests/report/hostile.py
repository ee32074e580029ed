"""A network whose names try to break out of every format."""

from archcalc.graph import Attributes, Graph, Node, Value, Weight

HOSTILE = '</script><script>alert(1)</script>"|`[x](http://evil)=<img src=x onerror=alert(2)>'


def hostile_graph() -> Graph:
    """A linear layer with a name out of a nightmare."""
    given = Node(f"={HOSTILE}", "input", (), (Value((1, 4), "float32", 0),), Attributes())
    out = Value((1, 3), "float32", 1)
    layer = Node(
        f"=cmd.{HOSTILE}",
        "linear",
        (given.output,),
        (out,),
        Attributes(),
        (Weight(f"{HOSTILE}.weight", (3, 4)),),
    )
    return Graph(HOSTILE, (given, layer), {"output": out}, spec=f"={HOSTILE}")
