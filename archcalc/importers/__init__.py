"""Read files of other tools, without torch."""
