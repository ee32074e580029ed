"""A network whose names try to break out of every format."""

from collections.abc import Sequence

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


UNUSUAL = (
    "constructor",
    "toString",
    "valueOf",
    "hasOwnProperty",
    "__proto__",
    "esc\x1b[2J",
    "nul\x00",
    "line\u2028separator",
    "paragraph\u2029",
    "reversed\u202etxt",
    "half\ud83d",
    "tab\tand\r\nlines",
    "@team",
    "http://evil.example",
    "=1+1",
    "\t=1+1",
)
"""Names that Python allows and that terminals, Markdown, spreadsheets and JavaScript obey."""


SCRIPTS = ("alert(1)", "document.title='owned'", "fetch('http://evil.example')", "open('//evil')")
PLACES = (
    "<script>{}</script>",
    "</script><script>{}</script>",
    "</style><script>{}</script>",
    "<img src=x onerror={}>",
    "<svg onload={}>",
    '"><body onload={}>',
    "' onmouseover={} x='",
    '" onfocus={} autofocus="',
    "javascript:{}",
    "data:text/html,<script>{}</script>",
    "[link](javascript:{})",
    "<iframe srcdoc='<script>{}</script>'>",
    "<math><mtext><script>{}</script>",
    "<!--<script>{}</script>-->",
    "]]><script>{}</script>",
    "<a href=javascript:{}>x</a>",
    "<details open ontoggle={}>",
    "<video><source onerror={}>",
    "${{{}}}",
    "{{{{{}}}}}",
    "{{%{}%}}",
    "`{}`",
    "\\u003cscript\\u003e{}",
)
MANY = (*UNUSUAL, HOSTILE, *(place.format(script) for script in SCRIPTS for place in PLACES))
"""109 names that try to run a script, and those that only confuse."""


def unusual_graph(names: Sequence[str] = UNUSUAL) -> Graph:
    """A chain of linear layers with these names, inside modules with these names."""
    nodes = [Node("input", "input", (), (Value((1, 4), "float32", 0),), Attributes())]
    for place, name in enumerate(names, start=1):
        nodes.append(
            Node(
                f"{name}.{name}",
                "linear",
                (nodes[-1].output,),
                (Value((1, 4), "float32", place),),
                Attributes(),
                (Weight(f"{name}.weight", (4, 4)),),
            )
        )
    return Graph("constructor", tuple(nodes), {"output": nodes[-1].output}, spec="a\x1b\u2028b")
