"""How much of the input one output position sees: size, stride and offset, or why it is unknown.

For each dimension of a tensor the analyzer knows which pixels of the input every position sees.
Each row of the operator table says what the operator does to positions
(:data:`archcalc.ops.window.Positions`), and the two are composed. The result is exact for windows
that slide (Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural
networks", Distill), for transposed convolutions, interpolation, shuffles, crops and branches that
start in different places. Anything else is :class:`Unknown`, with the node and the reason.

Positions are counted as if every map went on beyond its border, so that a window may be larger than
the input. Batch normalisation is taken as in evaluation.
"""

from archcalc.analysis.receptive_field.fields import Field, Reach, Unknown, known
from archcalc.analysis.receptive_field.follow import Follower, receptive_fields

__all__ = ["Field", "Follower", "Reach", "Unknown", "known", "receptive_fields"]
